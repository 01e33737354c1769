//! Sending a mail of the log again.

use futures::future::join_all;
use horae::{
    auth::BuiltinRole,
    domain::notifications::AppointmentTimes,
    schema::id::{GlobalIds, Kind},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Desk,
    desk::{Sent, states},
};
use crate::support::app::Client;

const RESEND: &str = "mutation($id: ID!, $key: IdempotencyKey!) { resendEmail(id: $id, idempotencyKey: $key) {
    message { id kind to status dedupKey messageId relatedId dueAt } userErrors { code message field } } }";
const CONFIRM: &str = "APPOINTMENT_CONFIRMATION";
const START: &str = "2026-08-03T14:00:00Z";

async fn resend(client: &Client, id: &Value, key: Uuid) -> Value {
    client.ok(RESEND, json!({"id": id, "key": key})).await["resendEmail"].clone()
}

/// The one refusal: code, dotted field, and a word of the message.
#[track_caller]
fn refused(payload: &Value, code: &str, says: &str) {
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{payload}");
    assert_eq!((&errors[0]["code"], &payload["message"]), (&json!(code), &Value::Null), "{payload}");
    assert!(errors[0]["message"].as_str().unwrap().contains(says), "{payload}");
    if code != "FORBIDDEN" {
        assert_eq!(errors[0]["field"], json!(["id"]), "{payload}");
    }
}

impl Desk {
    async fn change(&self, sql: &'static str, values: Vec<sea_orm::Value>) {
        let tx = self.tx().await;
        tx.run(sql, values).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The mails about an appointment through the API.
    async fn listed(&self, client: &Client, appointment: Uuid) -> Vec<Value> {
        let ids = GlobalIds::new(self.app.app.cx.seal.clone(), &self.system.tenant);
        let query = "query($id: ID!) { appointment(id: $id) { emails { id kind status to messageId dedupKey } } }";
        let found = client.ok(query, json!({"id": ids.encode(Kind::Appointment, appointment)})).await;
        found["appointment"]["emails"].as_array().unwrap().clone()
    }

    /// A booking whose confirmation has gone out, and that mail.
    async fn confirmed(&self, client: &Client) -> (horae::domain::centre::model::Branch, AppointmentTimes, Value) {
        let branch = self.branch("Centro", "America/Santiago", &[]).await;
        let booked = self.book(&branch, START, "maria@example.com").await;
        self.at("2026-07-13T12:05:00Z").await;
        let mail = self.listed(client, booked.id).await.remove(0);
        assert_eq!(mail["status"], "SENT");
        (branch, booked, mail)
    }
}

#[tokio::test]
async fn it_is_a_new_mail_about_the_appointment_of_now_to_the_address_of_now() {
    let desk = Desk::open().await;
    let client = desk.app.admin("alfa").await;
    let (_, booked, mail) = desk.confirmed(&client).await;
    desk.change("UPDATE patients SET email = 'maria.nueva@example.com'", vec![]).await;
    desk.change("UPDATE centre_profile SET trade_name = 'Centro renovado'", vec![]).await;
    let payload = resend(&client, &mail["id"], Uuid::new_v4()).await;
    let new = &payload["message"];
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!((&new["kind"], &new["to"]), (&json!(CONFIRM), &json!("maria.nueva@example.com")));
    assert_eq!(new["status"], "SCHEDULED");
    for distinct in ["id", "messageId", "dedupKey"] {
        assert_ne!(new[distinct], mail[distinct], "{distinct}");
    }
    desk.app.run_jobs().await;
    assert_eq!(desk.states(booked.id).await, states(&[(CONFIRM, "SENT"), (CONFIRM, "SENT")]));
    let sent = desk.sent();
    assert_eq!(sent.len(), 2);
    let again = sent.iter().find(|sent| sent.to.contains("maria.nueva@example.com")).unwrap();
    let renewed = |mail: &&Sent| mail.text.contains("Centro renovado");
    assert!(renewed(&again) && sent.iter().filter(renewed).count() == 1);
    assert_eq!(json!(again.message_id), new["messageId"]);

    // The entry tells of which mail this is a repetition.
    let ids = GlobalIds::new(desk.app.app.cx.seal.clone(), &desk.system.tenant);
    let original = ids.open(Kind::EmailMessage, &mail["id"].as_str().unwrap().into()).unwrap();
    let tx = desk.tx().await;
    let told: Option<Value> =
        tx.scalar("SELECT after FROM audit_entries WHERE action = 'resendEmail'", []).await.unwrap();
    assert_eq!(told, Some(json!({"kind": CONFIRM, "resendOf": original, "status": "SCHEDULED"})));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_at_once_with_one_key_are_one_mail_and_another_key_is_another() {
    let desk = Desk::open().await;
    let client = desk.app.admin("alfa").await;
    let (_, booked, mail) = desk.confirmed(&client).await;
    let key = Uuid::new_v4();
    let payloads = join_all((0..20).map(|_| resend(&client, &mail["id"], key))).await;
    for payload in &payloads {
        assert_eq!(payload["userErrors"], json!([]));
        assert_eq!(payload["message"]["id"], payloads[0]["message"]["id"]);
    }
    desk.app.run_jobs().await;
    assert_eq!(desk.sent().len(), 2, "the confirmation, and once more");
    let late = resend(&client, &mail["id"], key).await;
    assert_eq!((&late["message"]["id"], &late["message"]["status"]), (&payloads[0]["message"]["id"], &json!("SENT")));

    // Somebody else's equal key is no reason to send it again either.
    let colleague = desk.app.user("alfa", BuiltinRole::Administrator).await;
    assert_eq!(resend(&colleague, &mail["id"], key).await["message"]["id"], payloads[0]["message"]["id"]);
    assert_eq!(desk.emails(booked.id).await.len(), 2);
    let tx = desk.tx().await;
    let entries: Option<i64> =
        tx.scalar("SELECT count(*) FROM audit_entries WHERE action = 'resendEmail'", []).await.unwrap();
    assert_eq!(entries, Some(1));
    tx.commit().await.unwrap();

    let another = resend(&client, &mail["id"], Uuid::new_v4()).await;
    assert_ne!(another["message"]["id"], payloads[0]["message"]["id"]);
    let other = resend(&client, &another["message"]["id"], key).await;
    assert_eq!(other["userErrors"][0]["code"], "IDEMPOTENCY_KEY_REUSED", "{other}");
}

#[tokio::test]
async fn what_waits_is_over_or_does_not_arrive_is_refused() {
    let desk = Desk::open().await;
    let client = desk.app.admin("alfa").await;
    let (branch, booked, mail) = desk.confirmed(&client).await;
    let id = &mail["id"];

    let waiting = desk.book(&branch, "2026-08-04T14:00:00Z", "ana@example.com").await;
    let waits = desk.listed(&client, waiting.id).await.remove(0);
    refused(&resend(&client, &waits["id"], Uuid::new_v4()).await, "INVALID", "still waits");
    desk.cancel(&waiting).await;
    refused(&resend(&client, &waits["id"], Uuid::new_v4()).await, "INVALID", "overtaken");

    desk.change(
        "INSERT INTO suppressions (id, email, reason, at) VALUES ($1, 'maria@example.com', 'HARD_BOUNCE', now())",
        vec![Uuid::new_v4().into()],
    )
    .await;
    refused(&resend(&client, id, Uuid::new_v4()).await, "INVALID", "gets no mail");
    desk.change("DELETE FROM suppressions", vec![]).await;
    desk.change("UPDATE appointments SET status = 'NO_SHOW' WHERE id = $1", vec![booked.id.into()]).await;
    refused(&resend(&client, id, Uuid::new_v4()).await, "INVALID", "state");
    desk.change("UPDATE appointments SET status = 'BOOKED' WHERE id = $1", vec![booked.id.into()]).await;
    desk.app.clock.set(START.parse().unwrap());
    let client = desk.app.admin("alfa").await;
    refused(&resend(&client, id, Uuid::new_v4()).await, "EXPIRED", "begun");
    assert_eq!(desk.emails(booked.id).await.len(), 1, "nothing was written");
}

#[tokio::test]
async fn who_may_not_change_the_appointment_sends_nothing() {
    let desk = Desk::open().await;
    let client = desk.app.admin("alfa").await;
    let (_, booked, mail) = desk.confirmed(&client).await;
    let cashier = desk.app.user("alfa", BuiltinRole::Cashier).await;
    refused(&resend(&cashier, &mail["id"], Uuid::new_v4()).await, "FORBIDDEN", "");
    let beta = desk.app.admin("beta").await;
    refused(&resend(&beta, &mail["id"], Uuid::new_v4()).await, "NOT_FOUND", "");
    let ids = GlobalIds::new(desk.app.app.cx.seal.clone(), &desk.system.tenant);
    for id in [ids.encode(Kind::EmailMessage, Uuid::new_v4()), ids.encode(Kind::Appointment, booked.id)] {
        refused(&resend(&client, &json!(id), Uuid::new_v4()).await, "NOT_FOUND", "");
    }

    // Whose password was asked for: the administrator is told how, nobody else learns that there is such a mail.
    let forgot = "mutation { requestPasswordReset(email: \"admin@alfa.test\", tenantSlug: \"alfa\") { accepted } }";
    desk.app.anonymous().ok(forgot, json!({})).await;
    desk.app.run_jobs().await;
    let tx = desk.tx().await;
    let account: Option<Uuid> =
        tx.scalar("SELECT id FROM email_messages WHERE kind = 'PASSWORD_RESET'", []).await.unwrap();
    tx.commit().await.unwrap();
    let account = json!(ids.encode(Kind::EmailMessage, account.unwrap()));
    refused(&resend(&client, &account, Uuid::new_v4()).await, "INVALID", "requestPasswordReset");
    let desk_clerk = desk.app.user("alfa", BuiltinRole::Receptionist).await;
    refused(&resend(&desk_clerk, &account, Uuid::new_v4()).await, "NOT_FOUND", "");
    assert_eq!(resend(&desk_clerk, &mail["id"], Uuid::new_v4()).await["userErrors"], json!([]));
}

#[tokio::test]
async fn a_reminder_that_is_sent_again_does_not_stand_for_the_one_of_the_day() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let mut booked = desk.book(&branch, "2026-07-14T14:00:00Z", "maria@example.com").await;
    desk.at("2026-07-14T12:00:00Z").await;
    let client = desk.app.admin("alfa").await;
    let mails = desk.listed(&client, booked.id).await;
    let reminder = mails.iter().find(|mail| mail["kind"] == "APPOINTMENT_REMINDER").unwrap();
    assert_eq!(reminder["status"], "SENT");
    desk.move_to(&branch, &mut booked, "2026-07-20T14:00:00Z", false).await;
    assert_eq!(resend(&client, &reminder["id"], Uuid::new_v4()).await["userErrors"], json!([]));
    desk.at("2026-07-19T12:00:00Z").await;
    desk.at("2026-07-20T12:00:00Z").await;
    let reminders: Vec<_> =
        desk.emails(booked.id).await.into_iter().filter(|mail| mail.0 == "APPOINTMENT_REMINDER").collect();
    assert_eq!(reminders.iter().map(|mail| mail.1.as_str()).collect::<Vec<_>>(), ["SENT", "SENT", "SENT"]);
}
