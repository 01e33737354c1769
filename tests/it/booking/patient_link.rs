//! Patients confirm and cancel by the links of their mails.

use futures::future::join_all;
use horae::{
    auth::token_hash,
    domain::booking::link_view::{self, Standing},
    schema::id::Kind,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Clinic,
    api::{call, done, key, refusal, refused},
};
use crate::{centre::upsert, support::fingerprint::fingerprint};

/// The words of the links in a mail, in order: confirm, manage, and what the calendar's folded lines leave of them.
fn tokens(mail: &str) -> Vec<String> {
    let whole = mail.replace("=\r\n", "").replace("=\n", "");
    let mut found: Vec<String> = Vec::new();
    for part in whole.split("/a/").skip(1) {
        let word: String =
            part.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')).collect();
        if word.starts_with("ct") && !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

/// A booking of tomorrow noon and the two words that its confirmation carries.
pub async fn mailed(clinic: &Clinic, start: &str) -> (Value, String, String) {
    let one = clinic.booked(clinic.professionals[0], start).await;
    clinic.app.clock.advance(chrono::TimeDelta::minutes(6));
    clinic.app.run_jobs().await;
    let mails = clinic.app.mails();
    let words = tokens(mails.last().expect("a confirmation was mailed"));
    let [confirm, manage, ..] = words.as_slice() else { panic!("{words:?}") };
    (one, confirm.clone(), manage.clone())
}

async fn confirm(clinic: &Clinic, token: &str) -> Value {
    call(&clinic.app.anonymous(), "patientConfirm", json!({ "token": token })).await
}

async fn cancel(clinic: &Clinic, token: &str) -> Value {
    call(&clinic.app.anonymous(), "patientCancel", json!({"token": token, "reason": "no puedo"})).await
}

async fn status(clinic: &Clinic, one: &Value) -> Value {
    let query = "query($id: ID!) { appointment(id: $id) { status cancelReason cancelledBy { kind } } }";
    clinic.app.admin("alfa").await.ok(query, json!({"id": one["id"]})).await["appointment"].clone()
}

#[tokio::test]
async fn a_cancellation_that_waited_for_a_move_is_told_where_it_was_moved() {
    let clinic = Clinic::open().await;
    let (one, _, no) = mailed(&clinic, "2026-07-16T12:00:00-04:00").await;
    // The desk is about to give it to Berta.
    let [ana, berta] = clinic.professionals[..] else { panic!("two professionals") };
    let sql = "WITH moved AS (UPDATE occupancies SET resource_id = $2 WHERE resource_id = $1)
               UPDATE appointments SET version = version + 1";
    let desk = clinic.centre.locking(sql, vec![ana.into(), berta.into()]).await;
    let (cancelled, ()) = tokio::join!(cancel(&clinic, &no), async {
        clinic.app.blocked(1).await;
        desk.commit().await.unwrap();
    });
    done(&cancelled);
    assert_eq!(status(&clinic, &one).await["status"], "CANCELLED");
    let tx = clinic.centre.cx.read(&clinic.centre.system).await.unwrap();
    let sql = "SELECT data->'resources' FROM events WHERE type = 'appointment.cancelled'";
    let told: Option<Value> = tx.scalar(sql, []).await.unwrap();
    tx.commit().await.unwrap();
    assert!(told.unwrap().as_array().unwrap().contains(&json!(berta)));
}

#[tokio::test]
async fn the_links_of_the_mail_confirm_once_and_cancel_once() {
    let clinic = Clinic::open().await;
    let (one, yes, no) = mailed(&clinic, "2026-07-16T12:00:00-04:00").await;
    let answer = confirm(&clinic, &yes).await;
    let confirmed = done(&answer);
    assert_eq!((&confirmed["status"], &confirmed["patient"]), (&json!("CONFIRMED"), &Value::Null));
    assert!(!answer.to_string().contains("Rosa"), "a link that was passed on tells no names: {answer}");
    assert_eq!(refused(&confirm(&clinic, &yes).await), refusal("TOKEN_USED", "token"));
    assert_eq!(done(&cancel(&clinic, &no).await)["status"], "CANCELLED");
    assert_eq!(refused(&cancel(&clinic, &no).await), refusal("TOKEN_USED", "token"));
    assert_eq!(
        status(&clinic, &one).await,
        json!({"status": "CANCELLED", "cancelReason": "no puedo", "cancelledBy": {"kind": "PATIENT"}})
    );
    assert_eq!(clinic.centre.count("SELECT count(*) FROM occupancies WHERE active").await, 0);
    let by_patient = "SELECT count(*) FROM audit_entries WHERE actor_kind = 'PATIENT' AND action IN ('patientConfirm', 'patientCancel')";
    assert_eq!(clinic.centre.count(by_patient).await, 2);
}

#[tokio::test]
async fn a_word_that_is_none_or_for_something_else_is_invalid() {
    let clinic = Clinic::open().await;
    let (_, yes, no) = mailed(&clinic, "2026-07-16T12:00:00-04:00").await;
    let before = fingerprint(&clinic.app, "alfa").await;
    let (route, secret) = yes.split_once('.').unwrap();
    let long = "ct1.".to_owned() + &"x".repeat(5_000);
    for word in [
        "",
        "ct",
        "ct1",
        "ct1.",
        "ct0.x",
        "ct99999999999999.x",
        "ct-1.x",
        "nonsense",
        &long,
        &format!("{route}.{secret}x"),
        &format!("ct2.{secret}"),
    ] {
        assert_eq!(refused(&confirm(&clinic, word).await), refusal("TOKEN_INVALID", "token"), "{word}");
    }
    assert_eq!(refused(&cancel(&clinic, &yes).await), refusal("TOKEN_INVALID", "token"), "who confirms cannot cancel");
    assert_eq!(refused(&confirm(&clinic, &no).await), refusal("TOKEN_INVALID", "token"));
    clinic
        .centre
        .run("UPDATE capability_tokens SET revoked_at = created_at WHERE purpose = 'APPOINTMENT_CONFIRM'", vec![])
        .await;
    assert_eq!(refused(&confirm(&clinic, &yes).await), refusal("TOKEN_INVALID", "token"));
    clinic.centre.run("UPDATE capability_tokens SET revoked_at = NULL", vec![]).await;
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
}

#[tokio::test]
async fn a_link_ends_when_the_appointment_begins() {
    let clinic = Clinic::open().await;
    let (one, yes, no) = mailed(&clinic, "2026-07-16T12:00:00-04:00").await;
    clinic.app.clock.set("2026-07-16T16:00:00Z".parse().unwrap());
    let before = fingerprint(&clinic.app, "alfa").await;
    assert_eq!(refused(&confirm(&clinic, &yes).await), refusal("EXPIRED", "token"));
    assert_eq!(refused(&cancel(&clinic, &no).await), refusal("EXPIRED", "token"));
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
    assert_eq!(status(&clinic, &one).await["status"], "BOOKED");
}

/// Moves it without a mail to the patient.
async fn move_quietly(clinic: &Clinic, one: &Value, start: &str) {
    let input = json!({
        "idempotencyKey": key(), "appointmentId": one["id"], "version": one["version"], "notifyPatient": false,
        "items": [clinic.item(clinic.professionals[0], start)],
    });
    let admin = clinic.app.admin("alfa").await;
    done(&call(&admin, "rescheduleAppointment", json!({ "input": input })).await);
}

/// What the page behind a link says of it.
async fn standing(clinic: &Clinic, token: &str) -> Standing {
    link_view::run(&clinic.app.app.cx, token, "test").await.unwrap().unwrap().standing
}

#[tokio::test]
async fn moved_to_an_earlier_time_the_link_ends_earlier() {
    let clinic = Clinic::open().await;
    let (one, yes, no) = mailed(&clinic, "2026-07-17T12:00:00-04:00").await;
    move_quietly(&clinic, &one, "2026-07-15T10:00:00-04:00").await;
    // A link whose end has not moved along, as one that was issued for some other time.
    clinic
        .centre
        .run(
            "UPDATE capability_tokens SET expires_at = expires_at + interval '1 day' WHERE purpose = 'APPOINTMENT_MANAGE'",
            vec![],
        )
        .await;
    clinic.app.clock.set("2026-07-15T13:59:59Z".parse().unwrap());
    assert_eq!(standing(&clinic, &yes).await, Standing::Open);
    clinic.app.clock.set("2026-07-15T14:00:00Z".parse().unwrap());
    let before = fingerprint(&clinic.app, "alfa").await;
    for word in [&yes, &no] {
        assert_eq!(standing(&clinic, word).await, Standing::Expired);
    }
    assert_eq!(refused(&confirm(&clinic, &yes).await), refusal("EXPIRED", "token"));
    assert_eq!(refused(&cancel(&clinic, &no).await), refusal("EXPIRED", "token"));
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
    assert_eq!(status(&clinic, &one).await["status"], "BOOKED");
}

#[tokio::test]
async fn moved_to_a_later_time_the_link_holds_longer() {
    let clinic = Clinic::open().await;
    let (one, yes, no) = mailed(&clinic, "2026-07-15T10:00:00-04:00").await;
    // Issued by hand for an hour: it is not to outlive that.
    let short = format!("ct{}.{}", clinic.actor.tenant.key, Uuid::new_v4().simple());
    let values = vec![
        Uuid::new_v4().into(),
        token_hash(&short).into(),
        clinic.number(&one).into(),
        (clinic.app.now() + chrono::TimeDelta::hours(1)).into(),
        clinic.app.now().into(),
    ];
    let sql = "INSERT INTO capability_tokens (id, token_hash, purpose, resource_id, expires_at, created_at)
        VALUES ($1, $2, 'APPOINTMENT_CONFIRM', $3, $4, $5)";
    clinic.centre.run(sql, values).await;
    move_quietly(&clinic, &one, "2026-07-17T12:00:00-04:00").await;
    clinic.app.clock.set("2026-07-16T15:00:00Z".parse().unwrap());
    for word in [&yes, &no] {
        assert_eq!(standing(&clinic, word).await, Standing::Open);
    }
    assert_eq!(refused(&confirm(&clinic, &short).await), refusal("EXPIRED", "token"));
    assert_eq!(done(&confirm(&clinic, &yes).await)["status"], "CONFIRMED");
    assert_eq!(done(&cancel(&clinic, &no).await)["status"], "CANCELLED");
}

#[tokio::test]
async fn a_link_goes_along_when_the_branchs_clock_changes() {
    let clinic = Clinic::open().await;
    let (one, yes, _) = mailed(&clinic, "2026-07-16T12:00:00-04:00").await;
    // Noon in Tijuana is three hours later.
    let branch = json!({
        "id": clinic.id(Kind::Branch, clinic.branch), "version": 1, "name": "Santiago", "timeZone": "America/Tijuana",
    });
    let payload = upsert(&clinic.admin, "upsertBranch", "BranchInput", "branch { timeZone }", branch).await;
    assert_eq!(payload["userErrors"], json!([]));
    clinic.app.clock.set("2026-07-16T18:59:59Z".parse().unwrap());
    assert_eq!(done(&confirm(&clinic, &yes).await)["status"], "CONFIRMED");
    clinic.app.clock.set("2026-07-16T19:00:00Z".parse().unwrap());
    assert_eq!(standing(&clinic, &yes).await, Standing::Expired);
    assert_eq!(status(&clinic, &one).await["status"], "CONFIRMED");
}

#[tokio::test]
async fn a_link_waits_for_the_move_that_lets_it_hold_longer() {
    let clinic = Clinic::open().await;
    let (_, yes, _) = mailed(&clinic, "2026-07-15T10:00:00-04:00").await;
    clinic.app.clock.set("2026-07-15T14:00:00Z".parse().unwrap());
    let later = "WITH links AS (UPDATE capability_tokens SET expires_at = expires_at + interval '1 day')
                 UPDATE appointments SET start_at = start_at + interval '1 day', end_at = end_at + interval '1 day'";
    let desk = clinic.centre.locking(later, vec![]).await;
    let (confirmed, ()) = tokio::join!(confirm(&clinic, &yes), async {
        clinic.app.blocked(1).await;
        desk.commit().await.unwrap();
    });
    assert_eq!(done(&confirmed)["status"], "CONFIRMED");
}

#[tokio::test]
async fn a_patient_is_told_of_the_steps_that_a_link_still_takes() {
    let ask = "mutation($token: String!) {
        redeemCapability(token: $token) { grantedResource { ... on Appointment { allowedTransitions } } } }";
    // By the branch's 24 hours.
    for (now, steps) in
        [("2026-07-15T16:00:00Z", json!(["CONFIRMED", "CANCELLED"])), ("2026-07-15T16:00:01Z", json!(["CONFIRMED"]))]
    {
        let clinic = Clinic::open().await;
        let (_, _, no) = mailed(&clinic, "2026-07-16T12:00:00-04:00").await;
        clinic.app.clock.set(now.parse().unwrap());
        let said = clinic.app.anonymous().ok(ask, json!({ "token": no })).await;
        assert_eq!(said["redeemCapability"]["grantedResource"]["allowedTransitions"], steps, "{now}");
    }
}

#[tokio::test]
async fn too_late_to_cancel_leaves_the_link_for_when_the_centre_gives_in() {
    let clinic = Clinic::open().await;
    let (one, _, no) = mailed(&clinic, "2026-07-16T12:00:00-04:00").await;
    // One second too late, by the branch's 24 hours.
    clinic.app.clock.set("2026-07-15T16:00:01Z".parse().unwrap());
    let before = fingerprint(&clinic.app, "alfa").await;
    assert_eq!(refused(&cancel(&clinic, &no).await), refusal("NOTICE_TOO_SHORT", "token"));
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
    assert_eq!(status(&clinic, &one).await["status"], "BOOKED");
    clinic.cancel_notice(3_600).await;
    assert_eq!(done(&cancel(&clinic, &no).await)["status"], "CANCELLED");
}

#[tokio::test]
async fn exactly_the_notice_is_early_enough() {
    let clinic = Clinic::open().await;
    let (_, _, no) = mailed(&clinic, "2026-07-16T12:00:00-04:00").await;
    clinic.app.clock.set("2026-07-15T16:00:00Z".parse().unwrap());
    assert_eq!(done(&cancel(&clinic, &no).await)["status"], "CANCELLED");
}

#[tokio::test]
async fn a_step_that_cannot_be_taken_does_not_use_the_link_up() {
    let clinic = Clinic::open().await;
    let (one, yes, no) = mailed(&clinic, "2026-07-16T12:00:00-04:00").await;
    let admin = clinic.app.admin("alfa").await;
    let step = |version: i32, to: &str| json!({"id": one["id"], "version": version, "to": to});
    done(&call(&admin, "transitionAppointment", step(1, "CANCELLED")).await);
    let before = fingerprint(&clinic.app, "alfa").await;
    let payload = confirm(&clinic, &yes).await;
    assert_eq!(refused(&payload), refusal("INVALID_TRANSITION", "token"));
    assert_eq!(payload["userErrors"][0]["allowed"], json!([]));
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
    // It is cancelled already, by the centre; by whom of its people is not for the patient.
    let ask = "mutation($token: String!) { patientCancel(token: $token) { appointment { version cancelledBy { kind id displayName } } } }";
    let said = clinic.app.anonymous().ok(ask, json!({ "token": no })).await["patientCancel"]["appointment"].take();
    let centre = json!({"kind": "USER", "id": null, "displayName": "USER"});
    assert_eq!(said, json!({"version": 2, "cancelledBy": centre}));
}

#[tokio::test]
async fn who_has_arrived_does_not_cancel_by_the_link() {
    let clinic = Clinic::open().await;
    let (one, _, no) = mailed(&clinic, "2026-07-16T12:00:00-04:00").await;
    clinic.centre.run("UPDATE appointments SET status = 'ARRIVED'", vec![]).await;
    let before = fingerprint(&clinic.app, "alfa").await;
    assert_eq!(refused(&cancel(&clinic, &no).await), refusal("INVALID_TRANSITION", "token"));
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
    assert_eq!(status(&clinic, &one).await["status"], "ARRIVED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_uses_at_once_are_one() {
    let clinic = Clinic::open().await;
    let one = clinic.booked(clinic.professionals[0], "2026-07-16T12:00:00-04:00").await;
    let word = format!("ct{}.{}", clinic.actor.tenant.key, Uuid::new_v4().simple());
    let sql = "INSERT INTO capability_tokens (id, token_hash, purpose, resource_id, expires_at, created_at)
        VALUES ($1, $2, 'APPOINTMENT_CONFIRM', $3, $4, $5)";
    let until = clinic.app.now() + chrono::TimeDelta::hours(1);
    let values = vec![
        Uuid::new_v4().into(),
        token_hash(&word).into(),
        clinic.number(&one).into(),
        until.into(),
        clinic.app.now().into(),
    ];
    clinic.centre.run(sql, values).await;
    let answers = join_all((0..16).map(|_| confirm(&clinic, &word))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| !answer["appointment"].is_null());
    assert_eq!((won.len(), lost.len()), (1, 15));
    assert!(lost.iter().all(|answer| refused(answer).0 == "TOKEN_USED"));
    assert_eq!(clinic.centre.count("SELECT count(*) FROM events WHERE type = 'appointment.status_changed'").await, 1);
    assert_eq!(clinic.centre.count("SELECT max(uses)::bigint FROM capability_tokens").await, 1);
}
