//! Who may call what: every operation of the contract, as every role and kind of key. The table is in [`rows`].
//!
//! While working at one operation: `HORAE_TEST_OPERATIONS=bookAppointment script/test --test it matrix::`.

mod call;
mod cell;
mod changes;
mod contract;
mod reads;
mod rows;
mod stage;
mod streams;
mod verdict;

use std::collections::BTreeSet;

use horae::schema::id::Kind;
use serde_json::json;

use self::{
    cell::{Cell, Outcome},
    rows::Line,
    stage::{About, Caller, Credential, DEAD, Stage},
    verdict::Verdict,
};
use crate::support::{
    app::Client,
    fingerprint::{Fingerprint, fingerprint},
};

/// What is a person's own, and not of a column or branch.
const PERSONAL: [&str; 3] = ["Query.sessions", "Mutation.disableMfa", "Mutation.revokeSession"];

/// What the description says of an operation that booking pages may call.
const OF_PAGES: [&str; 3] = ["booking pages", "booking page's key", NOBODY];
/// What it says of one that everybody may call.
const NOBODY: &str = "nobody needs to be logged in";

#[test]
fn the_table_has_a_line_for_every_operation_of_the_contract_and_no_other() {
    let published: BTreeSet<String> = contract::fields().into_iter().map(|field| field.name).collect();
    let listed: BTreeSet<String> = rows::lines().into_iter().map(|line| line.field).collect();
    let missing: Vec<&String> = published.difference(&listed).collect();
    let gone: Vec<&String> = listed.difference(&published).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "TABLE in tests/it/matrix/rows.rs says who may call what; its first comment tells how to add a line.\n\
         Without a line: {missing:?}\nIn no contract, or without @auth below the root: {gone:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_are_open_to_whom_the_table_says() {
    let is_read = |line: &Line| !matches!(line.parent(), "Mutation" | "Subscription");
    let Some(lines) = rows::tried(is_read) else { return };
    let mut stage = Stage::open().await;
    let mut verdict = Verdict::default();
    for line in &lines {
        for caller in stage.callers.clone() {
            let client = stage.client(&caller).await;
            stage.asked_by(&caller).await;
            let call = read(&mut stage, line, About::Others).await;
            verdict.judge(line, &caller, expected(line, &caller), &call.by(&client).await);
            refused_unseen(&stage, &mut verdict, line, &caller, &call, &client).await;
            if owns(line, &caller) {
                let own = read(&mut stage, line, About::Own(&caller)).await.by(&client).await;
                verdict.judge_own(line, &caller, expected(line, &caller), &own);
            }
        }
    }
    verdict.announce();
}

#[tokio::test(flavor = "multi_thread")]
async fn mutations_are_open_to_whom_the_table_says_and_refused_ones_change_nothing() {
    let Some(lines) = rows::tried(|line| line.parent() == "Mutation") else { return };
    let mut stage = Stage::open().await;
    let mut verdict = Verdict::default();
    for line in &lines {
        let callers = stage.callers.clone();
        let (may, may_not): (Vec<_>, Vec<_>) =
            callers.iter().partition(|caller| expected(line, caller) == Cell::Allowed);
        let call = change(&mut stage, line, About::Others).await;
        let mut clients = Vec::new();
        for caller in &may_not {
            clients.push(stage.client(caller).await);
        }
        stage.keys_were_used().await;
        let before = fingerprint(stage.app(), "alfa").await;
        for (caller, client) in may_not.iter().zip(&clients) {
            verdict.judge(line, caller, expected(line, caller), &call.by(client).await);
            refused_unseen(&stage, &mut verdict, line, caller, &call, client).await;
        }
        let after = fingerprint(stage.app(), "alfa").await;
        if before != after {
            verdict.add(line, "", format!("refused, and has changed {:?}", changed(&before, &after)));
        }
        for caller in may {
            stage.asked_by(caller).await;
            let call = change(&mut stage, line, About::Others).await;
            let client = stage.client(caller).await;
            verdict.judge(line, caller, Cell::Allowed, &call.by(&client).await);
        }
        for caller in callers.iter().filter(|caller| expected(line, caller) == Cell::OwnOnly && owns(line, caller)) {
            let call = change(&mut stage, line, About::Own(caller)).await;
            let client = stage.client(caller).await;
            verdict.judge_own(line, caller, Cell::OwnOnly, &call.by(&client).await);
        }
    }
    verdict.announce();
}

#[tokio::test]
async fn auth_in_the_contract_says_what_the_table_says() {
    let stage = Stage::open().await;
    let lines = rows::lines();
    let mut wrong = Vec::new();
    for field in contract::fields() {
        let lines: Vec<&Line> = lines.iter().filter(|line| line.field == field.name).collect();
        // Without a line it is the other test that fails.
        let Some(below_the_root) = lines.first().map(|line| line.is_below_the_root()) else { continue };
        for caller in stage.callers.iter().filter(|caller| !DEAD.contains(&caller.code)) {
            let cells = || lines.iter().map(|line| expected(line, caller));
            let (open, otherwise) = (cells().any(Cell::is_open), cells().any(|cell| cell == Cell::RefusedOtherwise));
            let holds = |needed: &Vec<String>| caller.permissions.iter().any(|one| needed.contains(one));
            let fits = match (&field.requires, caller.code) {
                // Whoever does not get to the object gets nothing of it.
                (Some(needed), _) if below_the_root => {
                    let reach = rows::lines().into_iter().find(|line| line.field == "Query.appointment").unwrap();
                    let reached = expected(&reach, caller) == Cell::Allowed || caller.own.is_some();
                    if reached { holds(needed) == (open || otherwise) } else { !open && !otherwise }
                }
                (Some(_), "NOB" | "MFA") => !open && !otherwise,
                (_, "PAG") => open == OF_PAGES.iter().any(|words| field.says(words)),
                (None, "NOB") => open == field.says(NOBODY),
                (Some(needed), _) => holds(needed) == (open || otherwise),
                (None, "MFA") => true,
                // Without @auth, no permission is what is missing.
                (None, _) => open || otherwise,
            };
            if !fits {
                wrong.push(format!(
                    "{} as {}: @auth {:?}, description and table differ",
                    field.name, caller.code, field.requires
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Who may not call it at all is told so whatever the ids are of: else the answer would tell which ids are of something.
async fn refused_unseen(
    stage: &Stage,
    verdict: &mut Verdict,
    line: &Line,
    caller: &Caller,
    call: &call::Call,
    client: &Client,
) {
    if expected(line, caller) != Cell::Refused || line.is_below_the_root() {
        return;
    }
    if let Some(call) = call.about_nothing(&stage.world.clinic.ids()) {
        verdict.judge(line, caller, Cell::Refused, &call.by(client).await);
    }
}

/// What the table says of this caller; of credentials that hold no more: refused, everywhere.
fn expected(line: &Line, caller: &Caller) -> Cell {
    if DEAD.contains(&caller.code) { Cell::Refused } else { line.cell(caller.code) }
}

/// Whether there is anything that an operation could do with what is the caller's own.
fn owns(line: &Line, caller: &Caller) -> bool {
    if PERSONAL.contains(&line.field.as_str()) {
        return matches!(caller.credential, Credential::User(_)) && caller.code != "MFA";
    }
    caller.own.is_some()
}

async fn read(stage: &mut Stage, line: &Line, about: About<'_>) -> call::Call {
    let place = stage.turn(about);
    if line.name == "Query.importPreview" {
        let asker = stage.world.asker.unwrap_or_default();
        let file = stage.world.clinic.centre.list_of_patients(asker).await;
        let document = "query($file: ID!) { importPreview(attachmentId: $file) { columns { name } } }";
        return call::Call::new(line.operation(), document, json!({"file": stage.id(Kind::Attachment, file)}));
    }
    reads::call(stage, &line.name, about, &place)
        .unwrap_or_else(|| panic!("{}: no arm in tests/it/matrix/reads.rs tells how to send it", line.name))
}

async fn change(stage: &mut Stage, line: &Line, about: About<'_>) -> call::Call {
    changes::call(stage, &line.name, about).await.unwrap_or_else(|| {
        panic!("{}: no arm in tests/it/matrix/changes.rs or tests/it/audit/rows.rs tells how to send it", line.name)
    })
}

fn changed(before: &Fingerprint, after: &Fingerprint) -> Vec<String> {
    before.keys().filter(|table| before[*table] != after[*table]).cloned().collect()
}

/// What a refusal is for this caller: whoever is no staff is asked to log in.
fn refusal(caller: &Caller) -> Outcome {
    let stranger = matches!(caller.code, "NOB" | "PAG") || DEAD.contains(&caller.code);
    Outcome::Refused(if stranger { "UNAUTHENTICATED" } else { "FORBIDDEN" }.to_owned())
}

/// Who is logged in, with whatever permissions.
fn is_staff(caller: &Caller) -> bool {
    !matches!(caller.code, "NOB" | "PAG" | "MFA") && !DEAD.contains(&caller.code)
}
