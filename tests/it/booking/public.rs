//! Patients book alone, on the centre's page, with its publishable key.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta};
use futures::future::join_all;
use horae::{
    auth::Actor,
    domain::{booking::release, identity::keys, refusal::Code},
    schema::id::Kind,
};
use serde_json::{Value, json};

use super::{
    Clinic,
    api::{call, done, key, refusal, refused},
};
use crate::{
    agenda::refused as refusals,
    centre::local,
    support::{
        app::{Client, TestApp},
        fingerprint::fingerprint,
    },
};

pub(super) fn hold(slot: &Value) -> Value {
    json!({"input": {"idempotencyKey": key(), "slotToken": slot["token"]}})
}

pub(super) fn booking(hold: &Value) -> Value {
    json!({
        "idempotencyKey": key(), "tenantSlug": "alfa", "holdId": hold["id"], "channel": "FACEBOOK", "acceptPolicies": true,
        "patient": {"givenNames": "Sara", "paternalSurname": "Vera", "email": "sara@example.com"},
    })
}

pub(super) async fn tuesday(clinic: &Clinic, page: &Client) -> Vec<Value> {
    clinic.slots(page, true, "2026-07-14T08:00:00-04:00", "2026-07-14T20:00:00-04:00").await
}

pub(super) async fn book(page: &Client, input: &Value) -> Value {
    call(page, "publicBook", json!({ "input": input })).await
}

/// Every text in an answer.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(parts) => parts.iter().for_each(|part| texts(part, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        _ => {}
    }
}

#[tokio::test]
async fn a_patient_books_from_the_page_to_the_end() {
    let clinic = Clinic::open().await;
    let page = clinic.app.page("alfa").await;
    let shown = page
        .ok(
            "{ publicBookingPage(tenantSlug: \"alfa\") { tenantName branches { name timeZone } treatments { name } policies } }",
            json!({}),
        )
        .await;
    assert_eq!(shown["publicBookingPage"]["branches"], json!([{"name": "Santiago", "timeZone": "America/Santiago"}]));
    assert_eq!(shown["publicBookingPage"]["treatments"], json!([{"name": "Limpieza"}]));
    let slots = tuesday(&clinic, &page).await;
    let held = done(&call(&page, "holdSlot", hold(&slots[0])).await);
    assert_eq!((&held["status"], &held["patient"]), (&json!("HELD"), &Value::Null));
    assert_eq!(held["holdExpiresAt"], "2026-07-13T08:05:00-04:00", "five minutes, as the branch says");
    let input = booking(&held);
    let payload = book(&page, &input).await;
    let one = done(&payload);
    assert_eq!((&one["id"], &one["status"], &one["channel"]), (&held["id"], &json!("BOOKED"), &json!("FACEBOOK")));
    assert_eq!(one["start"], slots[0]["start"]);
    // The page learns nothing of patients, not even of the one it sent.
    let mut words = Vec::new();
    texts(&payload, &mut words);
    assert!(!words.iter().any(|word| word.contains("Sara") || word.contains("sara@")), "{payload}");
    // Every instant says its offset.
    for value in [
        &slots[0]["start"],
        &slots[0]["end"],
        &held["start"],
        &held["holdExpiresAt"],
        &one["start"],
        &one["end"],
        &one["items"][0]["start"],
    ] {
        DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
        assert!(value.as_str().unwrap().ends_with("-04:00"), "{value}");
    }
    assert_eq!((&one["localStart"], &one["timeZone"]), (&json!("2026-07-14T08:00"), &json!("America/Santiago")));
    // Sent again it is the same booking; the desk sees the patient and the channel.
    assert_eq!(book(&page, &input).await["replayed"], true);
    let seen = clinic
        .admin
        .ok("query($id: ID!) { appointment(id: $id) { channel patient { givenNames } } }", json!({"id": one["id"]}))
        .await;
    assert_eq!(seen["appointment"], json!({"channel": "FACEBOOK", "patient": {"givenNames": "Sara"}}));
    // With another key: the hold has been used.
    assert_eq!(refused(&book(&page, &booking(&held)).await), refusal("INVALID_TRANSITION", "holdId"));
}

#[tokio::test]
async fn the_key_reads_nothing_but_what_is_public() {
    const PUBLIC: [&str; 3] = ["publicBookingPage", "publicAvailability", "timeZones"];
    let clinic = Clinic::open().await;
    let one = clinic.booked(clinic.professionals[0], "2026-07-14T10:00:00-04:00").await;
    let page = clinic.app.page("alfa").await;
    let branch = clinic.id(Kind::Branch, clinic.branch);
    let range = json!({"from": "2026-07-14T00:00:00Z", "to": "2026-07-15T00:00:00Z"});
    let availability =
        json!({"branchId": branch, "treatmentIds": [clinic.id(Kind::Treatment, clinic.treatment)], "range": range});
    // What each field needs to be a valid question, so that it is refused for its caller and not for its form.
    let arguments = |field: &str| match field {
        "agenda" => json!({"branchId": branch, "from": "2026-07-14", "to": "2026-07-14", "groupBy": "ROOM"}),
        "appointment" | "node" => json!({"id": one["id"]}),
        "nodes" => json!({"ids": [one["id"]]}),
        "appointments" => json!({"filter": {"range": range}, "first": 5}),
        "availability" => json!({"input": availability}),
        "explainUnavailable" => json!({"input": clinic.input(clinic.professionals[0], "2026-07-14T10:00:00-04:00")}),
        "schedules" => json!({"branchId": branch}),
        "patient" | "patientDuplicates" => json!({"id": clinic.id(Kind::Patient, clinic.patient)}),
        "patients" => json!({"first": 5}),
        "branches" | "emailMessages" | "equipment" | "professionals" | "rooms" | "treatments" => json!({"first": 5}),
        "recordTemplates" => json!({"first": 5}),
        "job" => json!({"id": clinic.id(Kind::BackgroundJob, clinic.patient)}),
        "importPreview" => json!({"attachmentId": clinic.id(Kind::Attachment, clinic.patient)}),
        _ => json!({}),
    };
    // Pages are not told about the schema.
    let shape = clinic
        .admin
        .ok(
            "{ __schema { queryType { fields { name args { name type { ...T } } type { ...T } } } } }
             fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }",
            json!({}),
        )
        .await;
    let written = |kind: &Value| {
        let (mut at, mut wraps) = (kind, Vec::new());
        while at["name"].is_null() {
            wraps.push(at["kind"].as_str().unwrap());
            at = &at["ofType"];
        }
        let name = at["name"].as_str().unwrap().to_owned();
        wraps
            .iter()
            .rev()
            .fold(name, |text, wrap| if *wrap == "LIST" { format!("[{text}]") } else { format!("{text}!") })
    };
    let mut refused = HashSet::new();
    for field in shape["__schema"]["queryType"]["fields"].as_array().unwrap() {
        let name = field["name"].as_str().unwrap();
        if PUBLIC.contains(&name) {
            continue;
        }
        let given = arguments(name);
        let known: Vec<(String, String)> = field["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|argument| (argument["name"].as_str().unwrap().to_owned(), written(&argument["type"])))
            .filter(|(argument, _)| given.get(argument).is_some())
            .collect();
        let variables: Vec<String> = known.iter().map(|(name, kind)| format!("${name}: {kind}")).collect();
        let passed: Vec<String> = known.iter().map(|(name, _)| format!("{name}: ${name}")).collect();
        let wrap =
            |parts: Vec<String>| if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) };
        let query = format!("query{} {{ {name}{} {{ __typename }} }}", wrap(variables), wrap(passed));
        let answer = page.send(&query, given).await;
        let code = answer["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("{name} is open to pages: {answer:#}"));
        assert!(matches!(code, "UNAUTHENTICATED" | "FORBIDDEN"), "{name}: {answer:#}");
        assert!(answer["data"].is_null() || answer["data"][name].is_null(), "{answer:#}");
        refused.insert(name.to_owned());
    }
    assert!(refused.len() >= 13, "{refused:?}");
    // Nor does it change what is not its own.
    let step = json!({"id": one["id"], "version": 1, "to": "CANCELLED"});
    let answer = super::api::attempt(&page, "transitionAppointment", step).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{answer}");
    let input = clinic.input(clinic.professionals[0], "2026-07-14T12:00:00-04:00");
    let answer = super::api::attempt(&page, "bookAppointment", json!({ "input": input })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{answer}");
    assert!(!release(&page, &one).await, "a booked appointment is no hold");
}

async fn release(client: &Client, appointment: &Value) -> bool {
    let answer = client
        .ok(
            "mutation($id: ID!) { releaseHold(appointmentId: $id) { released userErrors { code } } }",
            json!({"id": appointment["id"]}),
        )
        .await;
    answer["releaseHold"]["released"].as_bool().unwrap()
}

#[tokio::test]
async fn what_strangers_hold_does_not_use_up_the_desks_quota() {
    let clinic = Clinic::open().await;
    clinic.centre.run("UPDATE centre_profile SET daily_appointment_quota = 2", vec![]).await;
    let page = clinic.app.page("alfa").await;
    let slots = tuesday(&clinic, &page).await;
    for slot in &slots[..2] {
        let held = done(&call(&page, "holdSlot", hold(slot)).await);
        assert!(release(&page, &held).await);
    }
    let payload = call(&page, "holdSlot", hold(&slots[2])).await;
    assert_eq!(refused(&payload).0, "QUOTA_EXCEEDED");
    assert_eq!(payload["userErrors"][0]["quota"], "appointments.online.daily");
    for hour in [10, 11] {
        clinic.booked(clinic.professionals[0], &format!("2026-07-14T{hour}:00:00-04:00")).await;
    }
}

#[tokio::test]
async fn a_hold_of_another_branch_is_not_there() {
    let clinic = Clinic::open().await;
    let page = clinic.app.page("alfa").await;
    let held = done(&call(&page, "holdSlot", hold(&tuesday(&clinic, &page).await[0])).await);
    let id = local(&clinic.app, "alfa", Kind::Appointment, &held["id"]).await;
    let elsewhere = clinic.centre.branch("Otra", "America/Santiago").await;
    let limited = Actor { branches: Some([elsewhere].into()), ..clinic.centre.system.clone() };
    for id in [id, uuid::Uuid::nil()] {
        let answer = release::run(&clinic.centre.cx, &limited, id).await;
        assert_eq!(refusals(answer), [(Code::NotFound, "appointmentId".to_owned())]);
    }
    assert!(release(&page, &held).await);
}

#[tokio::test]
async fn a_key_of_one_site_is_worth_nothing_on_another() {
    use axum::http::{Request, header};
    use tower::ServiceExt;
    let app = TestApp::start().await;
    let actor = app.actor("alfa").await;
    let word =
        keys::create_publishable(&app.app.cx, &actor, "web", vec!["https://alfa.test".to_owned()]).await.unwrap();
    for (origin, status) in [(Some("https://alfa.test"), 200), (Some("https://evil.test"), 401), (None, 401)] {
        let mut request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {word}"));
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let body = json!({"query": "{ publicBookingPage(tenantSlug: \"alfa\") { tenantName } }"}).to_string();
        let answer = app.router.clone().oneshot(request.body(axum::body::Body::from(body)).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{origin:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_patients_one_gets_the_slot_and_the_other_alternatives() {
    let clinic = Clinic::open().await;
    // One professional only, so that one slot is one place.
    clinic.centre.run("UPDATE resources SET active = false WHERE id = $1", vec![clinic.professionals[1].into()]).await;
    let page = clinic.app.page("alfa").await;
    for round in 0..5 {
        let slots = tuesday(&clinic, &page).await;
        let answers = join_all((0..2).map(|_| call(&page, "holdSlot", hold(&slots[0])))).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| !answer["appointment"].is_null());
        assert_eq!((won.len(), lost.len()), (1, 1), "round {round}");
        assert_eq!(refused(&lost[0]).0, "SLOT_TAKEN");
        let alternatives = lost[0]["userErrors"][0]["alternatives"].as_array().unwrap();
        assert!(!alternatives.is_empty() && alternatives[0]["start"] != slots[0]["start"], "{:#}", lost[0]);
        let other = done(&call(&page, "holdSlot", hold(&alternatives[0])).await);
        // Two bookings of one hold, at once.
        let held = done(&won[0]);
        let (first, second) = (booking(&held), booking(&held));
        let both = tokio::join!(book(&page, &first), book(&page, &second));
        let booked = [&both.0, &both.1].into_iter().filter(|answer| !answer["appointment"].is_null()).count();
        assert_eq!(booked, 1, "{both:?}");
        done(&book(&page, &booking(&other)).await);
    }
    let twice = "SELECT count(*) FROM occupancies a JOIN occupancies b ON a.id < b.id AND a.resource_id = b.resource_id AND a.unit = b.unit
        AND a.during && b.during WHERE a.active AND b.active";
    assert_eq!(clinic.centre.count(twice).await, 0);
    assert_eq!(clinic.centre.count("SELECT count(*) FROM appointments WHERE status = 'BOOKED'").await, 10);
}

#[tokio::test]
async fn what_is_missing_is_named_and_nothing_is_booked() {
    let clinic = Clinic::open().await;
    let page = clinic.app.page("alfa").await;
    let held = done(&call(&page, "holdSlot", hold(&tuesday(&clinic, &page).await[0])).await);
    let before = fingerprint(&clinic.app, "alfa").await;
    let with = |name: &str, value: Value| {
        let mut input = booking(&held);
        input[name] = value;
        input
    };
    for (input, code, field) in [
        (with("acceptPolicies", json!(false)), "REQUIRED", "acceptPolicies"),
        (with("channel", json!("STAFF")), "INVALID", "channel"),
        (with("tenantSlug", json!("beta")), "NOT_FOUND", "tenantSlug"),
        (with("patient", json!({"givenNames": " ", "email": "a@b.cl"})), "REQUIRED", "patient.givenNames"),
        (with("patient", json!({"givenNames": "Sara"})), "REQUIRED", "patient.email"),
        (
            with("patient", json!({"givenNames": "Sara", "email": "a@b.cl", "fileNumber": "1001"})),
            "INVALID",
            "patient.fileNumber",
        ),
        (
            with("patient", json!({"givenNames": "Sara", "email": "a@b.cl", "marketingConsentSource": "on paper"})),
            "INVALID",
            "patient.marketingConsentSource",
        ),
        (with("holdId", clinic.id(Kind::Appointment, clinic.patient)), "NOT_FOUND", "holdId"),
        (with("holdId", json!("nonsense")), "NOT_FOUND", "holdId"),
    ] {
        assert_eq!(refused(&book(&page, &input).await), refusal(code, field), "{input}");
    }
    assert_eq!(refused(&book(&clinic.admin, &booking(&held)).await).0, "FORBIDDEN", "the desk has bookAppointment");
    assert_eq!(
        refused(&call(&page, "holdSlot", json!({"input": {"idempotencyKey": key(), "slotToken": "x"}})).await),
        refusal("TOKEN_INVALID", "slotToken")
    );
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
    // A page of another centre sees neither the page nor the hold.
    let beta = clinic.app.page("beta").await;
    assert_eq!(
        beta.ok("{ publicBookingPage(tenantSlug: \"alfa\") { tenantName } }", json!({})).await["publicBookingPage"],
        Value::Null
    );
    assert_eq!(refused(&book(&beta, &with("tenantSlug", json!("beta"))).await), refusal("NOT_FOUND", "holdId"));
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
}

#[tokio::test]
async fn a_hold_that_is_sent_again_gets_its_answer_after_the_slots_time_too() {
    let clinic = Clinic::open().await;
    let page = clinic.app.page("alfa").await;
    let slots = tuesday(&clinic, &page).await;
    let first = hold(&slots[0]);
    // A slot's word holds for half an hour, and the hold for five minutes from here.
    clinic.app.clock.advance(TimeDelta::minutes(29));
    let held = done(&call(&page, "holdSlot", first.clone()).await);
    clinic.app.clock.advance(TimeDelta::minutes(2));
    let before = fingerprint(&clinic.app, "alfa").await;
    assert_eq!(done(&call(&page, "holdSlot", first).await), held);
    for slot in &slots[..2] {
        assert_eq!(refused(&call(&page, "holdSlot", hold(slot)).await), refusal("TOKEN_INVALID", "slotToken"));
    }
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
}

#[tokio::test]
async fn a_hold_runs_out_by_its_job_or_by_the_next_comer() {
    let clinic = Clinic::open().await;
    let page = clinic.app.page("alfa").await;
    let slots = tuesday(&clinic, &page).await;
    let held = done(&call(&page, "holdSlot", hold(&slots[0])).await);
    let again = tuesday(&clinic, &page).await;
    assert!(
        again
            .iter()
            .all(|slot| (&slot["start"], &slot["professional"]) != (&slots[0]["start"], &slots[0]["professional"])),
        "a held slot is not offered"
    );
    clinic.app.clock.advance(TimeDelta::seconds(301));
    // The job has not run yet: nobody notices.
    let before = fingerprint(&clinic.app, "alfa").await;
    assert_eq!(refused(&book(&page, &booking(&held)).await), refusal("EXPIRED", "holdId"));
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
    let next = done(&call(&page, "holdSlot", hold(&slots[0])).await);
    assert_eq!(next["start"], slots[0]["start"]);
    let status =
        clinic.admin.ok("query($id: ID!) { appointment(id: $id) { status } }", json!({"id": held["id"]})).await;
    assert_eq!(status["appointment"]["status"], "EXPIRED");
    // And by the job.
    clinic.app.clock.advance(TimeDelta::seconds(301));
    clinic.app.run_jobs().await;
    assert_eq!(clinic.centre.count("SELECT count(*) FROM occupancies WHERE active").await, 0);
    assert_eq!(clinic.centre.count("SELECT count(*) FROM events WHERE type = 'appointment.expired'").await, 2);
    assert_eq!(refused(&book(&page, &booking(&next)).await), refusal("EXPIRED", "holdId"));
}

#[tokio::test]
async fn a_hold_is_let_go_once_and_only_by_its_own_centre() {
    let clinic = Clinic::open().await;
    let page = clinic.app.page("alfa").await;
    let slots = tuesday(&clinic, &page).await;
    let held = done(&call(&page, "holdSlot", hold(&slots[0])).await);
    assert!(!release(&clinic.app.page("beta").await, &held).await);
    assert!(release(&page, &held).await);
    assert!(release(&page, &held).await, "again changes nothing");
    assert_eq!(clinic.centre.count("SELECT count(*) FROM events WHERE type = 'appointment.expired'").await, 1);
    assert_eq!(clinic.centre.count("SELECT count(*) FROM occupancies WHERE active").await, 0);
    assert_eq!(refused(&book(&page, &booking(&held)).await), refusal("EXPIRED", "holdId"));
    done(&call(&page, "holdSlot", hold(&slots[0])).await);
}

#[tokio::test]
async fn some_treatments_wait_for_approval() {
    let clinic = Clinic::open().await;
    clinic.centre.run("UPDATE treatments SET requires_approval = true", vec![]).await;
    let page = clinic.app.page("alfa").await;
    let slots = tuesday(&clinic, &page).await;
    let mut waiting = Vec::new();
    for slot in [&slots[0], slots.last().unwrap()] {
        let held = done(&call(&page, "holdSlot", hold(slot)).await);
        let one = done(&book(&page, &booking(&held)).await);
        assert_eq!(one["status"], "PENDING_APPROVAL");
        waiting.push(one);
    }
    assert_eq!(
        clinic.centre.count("SELECT count(*) FROM email_messages").await,
        0,
        "nothing is confirmed before it is approved"
    );
    assert_eq!(clinic.centre.count("SELECT count(*) FROM occupancies WHERE active").await, 4, "it keeps its time");
    let to = |one: &Value, to: &str| json!({"id": one["id"], "version": one["version"], "to": to});
    let approved = done(&call(&clinic.admin, "transitionAppointment", to(&waiting[0], "BOOKED")).await);
    assert_eq!(approved["status"], "BOOKED");
    let rejected = done(&call(&clinic.admin, "transitionAppointment", to(&waiting[1], "REJECTED")).await);
    assert_eq!((&rejected["status"], &rejected["allowedTransitions"]), (&json!("REJECTED"), &json!([])));
    assert_eq!(clinic.centre.count("SELECT count(*) FROM occupancies WHERE active").await, 2);
    assert!(
        clinic.centre.count("SELECT count(*) FROM email_messages WHERE kind = 'APPOINTMENT_CONFIRMATION'").await >= 1
    );
}

#[tokio::test]
async fn what_a_branch_does_not_offer_online_cannot_be_held_with_a_page() {
    let clinic = Clinic::open().await;
    let page = clinic.app.page("alfa").await;
    let at_desk = clinic.slots(&clinic.admin, false, "2026-07-13T08:00:00-04:00", "2026-07-13T08:31:00-04:00").await;
    assert_eq!(refused(&call(&page, "holdSlot", hold(&at_desk[0])).await), refusal("NOTICE_TOO_SHORT", "slotToken"));
    let slots = tuesday(&clinic, &page).await;
    let mut long = hold(&slots[0]);
    for seconds in [29, 901, -1] {
        long["input"]["ttlSeconds"] = json!(seconds);
        assert_eq!(refused(&call(&page, "holdSlot", long.clone()).await), refusal("INVALID", "ttlSeconds"));
    }
    for sql in ["UPDATE treatments SET online_bookable = false", "UPDATE branches SET online_booking_enabled = false"] {
        clinic.centre.run(sql, vec![]).await;
        assert_eq!(refused(&call(&page, "holdSlot", hold(&slots[0])).await), refusal("NOT_FOUND", "slotToken"));
        clinic.centre.run("UPDATE treatments SET online_bookable = true", vec![]).await;
    }
}
