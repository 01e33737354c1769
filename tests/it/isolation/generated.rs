//! Every place of the SDL that takes a word, given the other centre's. A new place fails this test until
//! [`super::calls`] has a call that reaches it.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use serde_json::{Value, json};

use super::{
    calls::{Call, Who, calls},
    house::{House, name_of},
    sdl::{Place, Sdl, Word},
    words::Instead,
};
use crate::support::{
    app::TestApp,
    fingerprint::{Fingerprint, fingerprint},
    socket::Socket,
};

/// What a client can tell of an answer; what the operation cost and the request's id is nobody's word.
type Shape = Value;

/// Both centres, and whoever asks.
struct Street {
    app: TestApp,
    sdl: Sdl,
    alfa: House,
    beta: House,
    /// All that the second has.
    there: Fingerprint,
    socket: Socket,
    asked: usize,
    wrong: Vec<String>,
}

/// One call as it is sent: a list is asked for its front, for what is behind a cursor, and for what is before one.
struct Sent<'a> {
    call: &'a Call,
    document: String,
    /// With names instead of words.
    names: Value,
    /// Which end of a page the cursor is, if there is one.
    cursor: Option<&'static str>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_of_another_centre_is_answered_like_one_that_never_was() {
    let app = TestApp::start().await;
    let (alfa, mut beta) = (House::open(&app, "alfa").await, House::open(&app, "beta").await);
    let calls = calls();
    let mut wrong = Vec::new();
    for call in &calls {
        let furnished = AssertUnwindSafe(beta.furnish(&app, &call.variables)).catch_unwind().await;
        wrong.extend(furnished.err().map(|panic| format!("{}: beta: {}", call.operation, said(&*panic))));
    }
    app.run_jobs().await;
    let socket = Socket::open(&app, alfa.admin.token.as_deref().unwrap()).await;
    beta.keys_were_used(&app).await;
    let there = fingerprint(&app, "beta").await;
    let mut street = Street { app, sdl: Sdl::read(), alfa, beta, there, socket, asked: 0, wrong };

    let mut places = street.sdl.places();
    let found = places.len();
    for call in &calls {
        for sent in street.ways(call) {
            // One that breaks must not hide what the others find.
            match AssertUnwindSafe(street.try_call(&sent, &places)).catch_unwind().await {
                Ok(reached) => places.retain(|place| !reached.contains(place)),
                Err(panic) => street.wrong.push(format!("{}: {}", call.operation, said(&*panic))),
            }
        }
    }
    assert!(street.wrong.is_empty(), "{} findings:\n{}", street.wrong.len(), street.wrong.join("\n"));
    let missing: Vec<String> = places.iter().map(ToString::to_string).collect();
    assert!(
        missing.is_empty(),
        "nobody tries these places with another centre's word: {missing:#?}\nAdd to tests/it/isolation/calls.rs a call that \
         succeeds and has a `#name` at the place; making.rs makes the word of a name."
    );
    println!("{found} places of the SDL take a word; {} calls with others' words were refused alike", street.asked);
    assert!(found > 100, "the SDL has {found} places: does the walk still find them?");
}

impl Street {
    fn ways<'a>(&self, call: &'a Call) -> Vec<Sent<'a>> {
        let paged =
            self.sdl.word_of(call.operation).is_some() && self.sdl.has_pages(call.operation) || call.within.is_some();
        let document =
            call.within.map_or_else(|| self.sdl.document(call.operation), |(document, _)| document.to_owned());
        let sent = |names, cursor| Sent { call, document: document.clone(), names, cursor };
        let mut ways = vec![sent(call.variables.clone(), None)];
        if paged && call.refused.is_none() {
            for (count, cursor) in [("first", "after"), ("last", "before")] {
                let mut names = call.variables.clone();
                let fields = names.as_object_mut().unwrap();
                fields.remove("first");
                fields.insert(count.to_owned(), json!(2));
                ways.push(sent(names, Some(cursor)));
            }
        }
        ways
    }

    /// Tries every place that this way of calling reaches, and that the call succeeds when every word is good.
    async fn try_call(&mut self, sent: &Sent<'_>, places: &[Place]) -> Vec<Place> {
        self.alfa.clear();
        let mut ours = self.alfa.furnish(&self.app, &sent.names).await;
        let mut theirs = self.beta.furnish(&self.app, &sent.names).await;
        if let Some(cursor) = sent.cursor {
            ours[cursor] = self.end_of_page(sent, false).await;
            theirs[cursor] = self.end_of_page(sent, true).await;
            if sent.call.operation.starts_with("ClinicalRecord.") {
                // Whoever looks at a record leaves a line in the trail, and that was the other centre's own user.
                self.there = fingerprint(&self.app, "beta").await;
            }
        }
        let own = |place: &&Place| place.operation == sent.call.operation && sent.reaches(place);
        let reached: Vec<Place> = places.iter().filter(own).cloned().collect();
        let changes = self.sdl.word_of(sent.call.operation) == Some("mutation");
        self.alfa.keys_were_used(&self.app).await;
        let before = if changes { Some(fingerprint(&self.app, "alfa").await) } else { None };
        // What is refused or not looked at changes nothing, and tells what the others are compared with.
        let anyway =
            if sent.call.refused.or(sent.call.unread).is_some() { Some(self.ask(sent, &ours).await) } else { None };
        let mut refusals = Vec::new();
        for place in &reached {
            refusals.push(self.try_place(sent, place, (&ours, &theirs), anyway.as_ref()).await);
        }
        if let Some(before) = before {
            let after = fingerprint(&self.app, "alfa").await;
            self.compare(&before, &after, sent.call, "a refused call changed its own centre");
        }
        let fine = self.ask(sent, &ours).await;
        if changes {
            if sent.call.opens {
                self.app.run_jobs().await;
            }
            // Once for the refused calls and the good one: of the other centre nothing ever changes.
            let there = fingerprint(&self.app, "beta").await;
            let before = std::mem::replace(&mut self.there, there.clone());
            if !sent.call.opens {
                self.compare(&before, &there, sent.call, "a call changed the other centre");
            }
        }
        let refusal = refusal(&fine, sent.call.operation);
        if refusal.is_some() != sent.call.refused.is_some() {
            self.wrong.push(format!("{}: with its own words it is not what it should be: {fine}", sent.call.operation));
        }
        if anyway.is_none() && !sent.call.opens && refusals.contains(&fine) {
            self.wrong.push(format!("{}: its own words make no difference: {fine}", sent.call.operation));
        }
        reached
    }

    async fn try_place(
        &mut self,
        sent: &Sent<'_>,
        place: &Place,
        (ours, theirs): (&Value, &Value),
        anyway: Option<&Shape>,
    ) -> Shape {
        let at = pointer(&place.path);
        let any = sent.names.pointer(&at).and_then(Value::as_str).is_some_and(|name| name.starts_with("#any:"));
        let (good, foreign) = (ours.pointer(&at).unwrap(), theirs.pointer(&at).unwrap());
        let instead = Instead::of(place.word, any, &self.alfa, good, foreign);
        let (list, spoilt) = list_of(&at, place);
        let mut first: Option<Shape> = None;
        for (what, word) in instead.all() {
            let mut variables = ours.clone();
            match list {
                // Behind a good one: the whole is refused.
                Some(list) => variables.pointer_mut(list).and_then(Value::as_array_mut).unwrap().push(word.clone()),
                None => *variables.pointer_mut(&at).unwrap() = word.clone(),
            }
            let answer = self.ask(sent, &variables).await;
            self.asked += 1;
            match &first {
                None => {
                    // A word that is not even looked at is answered like the centre's own.
                    if anyway != Some(&answer) {
                        let unfit = unfit(&answer, sent.call, place, &spoilt);
                        self.wrong.extend(unfit.map(|why| format!("{place}: {why}: {answer}")));
                    }
                    first = Some(answer);
                }
                Some(foreign) if *foreign != answer => self.wrong.push(format!(
                    "{place}: the other centre's word and {what} are told apart:\n    {foreign}\n    {answer}"
                )),
                Some(_) => {}
            }
        }
        first.unwrap()
    }

    fn compare(&mut self, before: &Fingerprint, after: &Fingerprint, call: &Call, what: &str) {
        let changed: Vec<&String> = before.keys().filter(|table| before.get(*table) != after.get(*table)).collect();
        if !changed.is_empty() {
            self.wrong.push(format!("{}: {what}: {changed:?}", call.operation));
        }
    }

    async fn ask(&mut self, sent: &Sent<'_>, variables: &Value) -> Shape {
        let shape = |answer: &Value| json!({"data": answer.get("data"), "errors": answer.get("errors")});
        if self.sdl.word_of(sent.call.operation) == Some("subscription") {
            self.socket.subscribe("stream", &sent.document, variables.clone()).await;
            let first = self.socket.hear().await["payload"].clone();
            if first.get("errors").is_some() {
                assert_eq!(self.socket.hear().await["type"], "complete");
            } else {
                // What it has to tell besides is on its way.
                self.socket.say(json!({"type": "complete", "id": "stream"})).await;
                self.socket.say(json!({"type": "ping"})).await;
                while self.socket.hear().await["type"] != "pong" {}
            }
            return shape(&first);
        }
        let client = match sent.call.who {
            Who::Admin => &self.alfa.admin,
            Who::Page => &self.alfa.page,
            Who::Anonymous => &self.alfa.anonymous,
        };
        let (status, answer) = client.answer(&sent.document, variables.clone()).await;
        let mut shape = shape(&answer);
        shape["status"] = json!(status.as_u16());
        shape
    }

    /// A cursor of the list, from where its page ends.
    async fn end_of_page(&mut self, sent: &Sent<'_>, there: bool) -> Value {
        let house = if there { &mut self.beta } else { &mut self.alfa };
        let mut names = sent.call.variables.clone();
        names["first"] = json!(2);
        let variables = house.furnish(&self.app, &names).await;
        let document = match sent.call.within {
            Some((document, _)) => document.to_owned(),
            None => {
                let document = self.sdl.document(sent.call.operation);
                let (head, _) = document.rsplit_once(" { __typename edges").unwrap();
                format!("{head} {{ pageInfo {{ endCursor }} }} }}")
            }
        };
        let data = house.admin.ok(&document, variables).await;
        let at = sent.call.within.map_or_else(|| format!("/{}", sent.call.operation), |(_, at)| at.to_owned());
        let cursor = data.pointer(&at).map(|page| page["pageInfo"]["endCursor"].clone()).unwrap_or_default();
        assert!(cursor.is_string(), "{} of {} is empty: put something into it", sent.call.operation, house.slug);
        cursor
    }
}

/// What a panic says.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

impl Sent<'_> {
    fn reaches(&self, place: &Place) -> bool {
        match (place.word, self.cursor) {
            (Word::Page, Some(cursor)) => place.path == [cursor],
            (Word::Page, None) | (_, Some(_)) => false,
            (_, None) => self
                .names
                .pointer(&pointer(&place.path))
                .and_then(Value::as_str)
                .is_some_and(|text| name_of(text).is_some()),
        }
    }
}

/// Where the place's word is in the variables: the first of every list.
fn pointer(path: &[String]) -> String {
    path.iter().fold(String::new(), |at, name| match name.strip_suffix("[]") {
        Some(list) => format!("{at}/{list}/0"),
        None => format!("{at}/{name}"),
    })
}

/// The list that the word is one of, and the field that a refusal must name: the input's own name is not part of it.
fn list_of<'a>(at: &'a str, place: &Place) -> (Option<&'a str>, Vec<String>) {
    let list = place.path.last().is_some_and(|name| name.ends_with("[]")).then(|| at.strip_suffix("/0").unwrap());
    let mut field: Vec<String> = at.split('/').skip(1).map(str::to_owned).collect();
    if field.len() > 1 && field[0] == "input" {
        field.remove(0);
    }
    if list.is_some() {
        field.pop();
        field.push("1".to_owned());
    }
    (list, field)
}

/// Code and field of what a refusal says, if it is one; the operation may say more than one thing.
fn refusal(answer: &Shape, operation: &str) -> Option<Vec<(Value, Value)>> {
    let told: Vec<(Value, Value)> = match answer["errors"].as_array() {
        Some(errors) => errors
            .iter()
            .map(|error| (error["extensions"]["code"].clone(), error["extensions"]["field"].clone()))
            .collect(),
        None => {
            let errors = answer["data"][operation]["userErrors"].as_array();
            errors.into_iter().flatten().map(|error| (error["code"].clone(), error["field"].clone())).collect()
        }
    };
    (!told.is_empty()).then_some(told)
}

/// Why an answer to a foreign word is not what is promised.
fn unfit(answer: &Shape, call: &Call, place: &Place, field: &[String]) -> Option<&'static str> {
    if call.opens {
        return None;
    }
    let Some(told) = refusal(answer, call.operation) else {
        // A list of objects by ids says null for what is not there, and a page of another centre is none.
        let nothing = match &answer["data"][call.operation] {
            Value::Array(rows) => rows.iter().any(Value::is_null),
            value => value.is_null(),
        };
        return (!nothing).then_some("it is not refused");
    };
    let code = match place.word {
        Word::Id | Word::Slug => "NOT_FOUND",
        // Top-level errors have fewer codes than payloads.
        Word::Token if answer["errors"].is_null() => "TOKEN_INVALID",
        Word::Token | Word::Page | Word::Cursor => "INVALID",
    };
    match told.as_slice() {
        [(found, _)] if found != code => Some("the code is another"),
        [(_, at)] if *at != json!(field) => Some("the field is another"),
        [_] => None,
        _ => Some("it says more than one thing"),
    }
}
