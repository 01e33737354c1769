//! One id from the client's header to the mail that is sent hours later.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use chrono::TimeDelta;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
use tracing_subscriber::fmt::MakeWriter;

use super::{Owner, send_as};
use crate::{booking::Clinic, support::app::TestApp};

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The ids that a line names, by itself and by its spans.
fn ids(line: &Value) -> Vec<&str> {
    let spans = line["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let places = std::iter::once(&line["request.id"]).chain(spans.iter().map(|span| &span["request.id"]));
    places.filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn a_booking_has_one_id_in_header_trail_log_job_and_mail() {
    const ID: &str = "front-desk-0042";
    let clinic = Clinic::open().await;
    let log = Log::default();
    // The test's thread runs everything of this test.
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(log.clone())
        .finish();
    // As long as there is one listener alone, a place that another test's thread reaches first is taken to be unheard.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    let logging = tracing::subscriber::set_default(subscriber);
    // Tests that run beside this one may have registered these places while nobody listened.
    tracing::callsite::rebuild_interest_cache();
    let book = "mutation($input: BookAppointmentInput!) { bookAppointment(input: $input) { appointment { id } userErrors { code } } }";
    let input = clinic.input(clinic.professionals[0], "2026-07-14T10:00:00-04:00");
    let (headers, answer) = send_as(&clinic.admin, ID, book, &json!({ "input": input })).await;
    let one = clinic.number(&answer["data"]["bookAppointment"]["appointment"]);
    assert_eq!(headers["x-request-id"], ID);
    assert_eq!(answer["extensions"]["requestId"], ID);

    let mut owner = Owner::of(&clinic.app, "alfa").await;
    for sql in [
        format!("SELECT request_id FROM audit_entries WHERE subject_id = '{one}'"),
        format!("SELECT request_id FROM events WHERE subject_id = '{one}'"),
        format!("SELECT request_id FROM email_messages WHERE related_id = '{one}' AND kind = 'APPOINTMENT_CONFIRMATION'"),
        format!(
            "SELECT j.payload -> 'cause' ->> 'request_id' FROM queue.jobs j JOIN email_messages m ON m.id::text = j.payload ->> 'email_id'
             WHERE m.related_id = '{one}' AND m.kind = 'APPOINTMENT_CONFIRMATION'"
        ),
    ] {
        assert_eq!(owner.one::<String>(&sql).await, ID, "{sql}");
    }

    clinic.app.clock.advance(TimeDelta::minutes(6));
    tracing::callsite::rebuild_interest_cache();
    clinic.app.run_jobs().await;
    drop(logging);
    let mails = clinic.app.mails();
    assert!(mails.len() == 1 && mails[0].contains(&format!("X-Request-Id: {ID}\r\n")), "{mails:?}");
    let sent =
        "SELECT e.request_id || ' ' || a.request_id FROM events e JOIN audit_entries a ON a.subject_id = e.subject_id
        WHERE e.type = 'email.sent' AND a.action = 'sendEmail'";
    assert_eq!(owner.one::<String>(sent).await, format!("{ID} {ID}"));

    let lines = log.lines();
    let answered = lines.iter().find(|line| line["message"] == "Answered a request.").expect("the request is logged");
    assert_eq!(ids(answered).first(), Some(&ID), "{answered}");
    let ran = lines.iter().find(|line| line["message"] == "Ran a job" && line["job.kind"] == "mail.send");
    assert_eq!(ids(ran.expect("the job is logged")), [ID], "{ran:?}");
}

#[tokio::test]
async fn a_held_slot_ends_under_the_id_of_who_held_it() {
    let clinic = Clinic::open().await;
    let slots = clinic.slots(&clinic.admin, false, "2026-07-14T08:00:00-04:00", "2026-07-14T12:00:00-04:00").await;
    let hold =
        "mutation($input: HoldSlotInput!) { holdSlot(input: $input) { appointment { id } userErrors { code } } }";
    let input = json!({"idempotencyKey": clinic.app.app.cx.new_id(), "slotToken": slots[0]["token"]});
    send_as(&clinic.admin, "who-held-it", hold, &json!({ "input": input })).await;
    clinic.app.clock.advance(TimeDelta::minutes(6));
    clinic.app.run_jobs().await;
    let mut owner = Owner::of(&clinic.app, "alfa").await;
    let told =
        "SELECT actor_kind || ' ' || actor_name || ' ' || request_id FROM audit_entries WHERE action = 'expireHold'";
    assert_eq!(owner.one::<String>(told).await, "SYSTEM jobs who-held-it");
}

#[tokio::test]
async fn an_operation_on_a_socket_is_written_down_under_its_own_id() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let mut request = format!("ws://{}/graphql", app.listen().await).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    request.headers_mut().insert("x-request-id", "the-socket".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let token = format!("Bearer {}", admin.token.unwrap());
    let mut owner = Owner::of(&app, "alfa").await;
    let say = |message: Value| Message::text(message.to_string());
    socket.send(say(json!({"type": "connection_init", "payload": {"Authorization": token}}))).await.unwrap();
    let mut seen = Vec::new();
    for name in ["Uno", "Dos"] {
        let query = format!("mutation {{ upsertTreatmentCategory(name: \"{name}\") {{ userErrors {{ code }} }} }}");
        socket.send(say(json!({"type": "subscribe", "id": name, "payload": {"query": query}}))).await.unwrap();
        let id = loop {
            let message = tokio::time::timeout(std::time::Duration::from_secs(10), socket.next()).await.unwrap();
            let Message::Text(text) = message.unwrap().unwrap() else { continue };
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["type"] == "next" {
                break message["payload"]["extensions"]["requestId"].as_str().unwrap().to_owned();
            }
        };
        let told = format!("SELECT after ->> 'name' FROM audit_entries WHERE request_id = '{id}'");
        assert_eq!(owner.one::<String>(&told).await, name);
        seen.push(id);
    }
    assert_ne!(seen[0], seen[1]);
}
