//! Whom a booking on the centre's page is written to, and of what.

use serde_json::{Value, json};

use super::{
    Clinic,
    api::{call, done, key},
    public::{book, booking, hold, tuesday},
};
use crate::support::app::Client;

/// The address that is typed on the page.
const SARA: &str = "sara@example.com";

/// The first slot of an afternoon, held on the page.
async fn held(clinic: &Clinic, page: &Client, day: &str) -> Value {
    let slots = clinic.slots(page, true, &format!("{day}T15:00:00-04:00"), &format!("{day}T20:00:00-04:00")).await;
    done(&call(page, "holdSlot", hold(&slots[0])).await)
}

/// The mails about an appointment that went out, oldest first: kind and recipient.
async fn told(clinic: &Clinic) -> Vec<(String, String)> {
    let tx = clinic.centre.cx.read(&clinic.centre.system).await.unwrap();
    let sql =
        "SELECT jsonb_build_array(kind, recipient) FROM email_messages WHERE status = 'SENT' ORDER BY sent_at, kind";
    let rows: Vec<Value> = tx.scalars(sql, []).await.unwrap();
    tx.commit().await.unwrap();
    rows.into_iter().map(|row| serde_json::from_value(row).unwrap()).collect()
}

fn of(told: &[(&str, &str)]) -> Vec<(String, String)> {
    told.iter().map(|(kind, to)| ((*kind).to_owned(), (*to).to_owned())).collect()
}

/// The mails that went out, with soft line breaks and escapes of headers left out.
fn mails(clinic: &Clinic) -> Vec<String> {
    clinic.app.mails().iter().map(|mail| mail.replace("=\r\n", "")).collect()
}

impl Clinic {
    /// Moves the clock and runs what is due.
    async fn at(&self, instant: &str) {
        self.app.clock.set(instant.parse().unwrap());
        self.app.run_jobs().await;
    }

    /// Rosa's document on file, and no address.
    async fn rosas_document(&self) -> Value {
        let sql = "UPDATE patients SET email = NULL, document_kind = 'RUT', document_number = '123456785', document_country = 'CL' WHERE id = $1";
        self.centre.run(sql, vec![self.patient.into()]).await;
        json!({"kind": "RUT", "number": "12.345.678-5", "country": "CL"})
    }
}

#[tokio::test]
async fn who_books_after_the_hour_of_the_reminder_gets_none_however_early_it_was_held() {
    let clinic = Clinic::open().await;
    let page = clinic.app.page("alfa").await;
    clinic.app.clock.set("2026-07-13T11:59:00Z".parse().unwrap());
    let held = held(&clinic, &page, "2026-07-13").await;
    clinic.app.clock.set("2026-07-13T12:02:00Z".parse().unwrap());
    done(&book(&page, &booking(&held)).await);
    clinic.at("2026-07-13T12:15:00Z").await;
    clinic.at("2026-07-13T12:45:00Z").await;
    assert_eq!(told(&clinic).await, of(&[("APPOINTMENT_CONFIRMATION", SARA)]));
}

#[tokio::test]
async fn who_is_approved_after_the_hour_of_the_reminder_gets_none_however_early_it_was_asked_for() {
    let clinic = Clinic::open().await;
    clinic.centre.run("UPDATE treatments SET requires_approval = true", vec![]).await;
    let page = clinic.app.page("alfa").await;
    let asked = done(&book(&page, &booking(&held(&clinic, &page, "2026-07-14").await)).await);
    clinic.at("2026-07-14T13:00:00Z").await;
    let admin = clinic.app.admin("alfa").await;
    let step = json!({"id": asked["id"], "version": asked["version"], "to": "BOOKED"});
    done(&call(&admin, "transitionAppointment", step).await);
    clinic.at("2026-07-14T13:15:00Z").await;
    clinic.at("2026-07-14T13:45:00Z").await;
    assert_eq!(told(&clinic).await, of(&[("APPOINTMENT_CONFIRMATION", SARA)]));
}

#[tokio::test]
async fn who_has_no_address_on_file_is_written_to_where_the_booking_said() {
    let clinic = Clinic::open().await;
    let document = clinic.rosas_document().await;
    let page = clinic.app.page("alfa").await;
    let mut input = booking(&held(&clinic, &page, "2026-07-20").await);
    input["patient"]["document"] = document;
    let one = done(&book(&page, &input).await);
    assert_eq!(clinic.centre.count("SELECT count(*) FROM patients").await, 1, "it is Rosa's");
    clinic.at("2026-07-13T12:05:00Z").await;
    assert_eq!(told(&clinic).await, of(&[("APPOINTMENT_CONFIRMATION", SARA)]));

    let admin = clinic.app.admin("alfa").await;
    let to = |version: i32, start: &str| {
        json!({"input": {
            "idempotencyKey": key(), "appointmentId": one["id"], "version": version,
            "items": [clinic.item(clinic.professionals[0], start)],
        }})
    };
    let version = i32::try_from(one["version"].as_i64().unwrap()).unwrap();
    done(&call(&admin, "rescheduleAppointment", to(version, "2026-07-21T15:00:00-04:00")).await);
    clinic.at("2026-07-13T12:06:00Z").await;
    clinic.at("2026-07-21T12:00:00Z").await;
    let admin = clinic.app.admin("alfa").await;
    let step = json!({"id": one["id"], "version": version + 1, "to": "CANCELLED"});
    done(&call(&admin, "transitionAppointment", step).await);
    clinic.at("2026-07-21T12:01:00Z").await;
    let kinds =
        ["APPOINTMENT_CONFIRMATION", "APPOINTMENT_RESCHEDULED", "APPOINTMENT_REMINDER", "APPOINTMENT_CANCELLED"];
    assert_eq!(told(&clinic).await, of(&kinds.map(|kind| (kind, SARA))));
    // Who may only know the number learns nothing of the file, and the file nothing of who booked.
    for mail in mails(&clinic) {
        assert!(mail.contains("Hola, Sara Vera:") && !mail.contains("Rosa") && !mail.contains("Soto"), "{mail}");
    }
    assert_eq!(clinic.centre.count("SELECT count(*) FROM patients WHERE email IS NULL").await, 1);
}

#[tokio::test]
async fn an_address_on_file_stays_the_one_that_is_written_to() {
    let clinic = Clinic::open().await;
    let document = clinic.rosas_document().await;
    let page = clinic.app.page("alfa").await;
    let slots = clinic.slots(&page, true, "2026-07-20T15:00:00-04:00", "2026-07-20T20:00:00-04:00").await;
    let request = async |slot: &Value| {
        let mut input = booking(&done(&call(&page, "holdSlot", hold(slot)).await));
        input["patient"]["document"] = document.clone();
        done(&book(&page, &input).await)
    };
    // Typed while there was none on file, and then there is one: the file's is written to.
    request(&slots[0]).await;
    clinic.centre.run("UPDATE patients SET email = 'rosa@example.com'", vec![]).await;
    request(slots.last().unwrap()).await;
    clinic.at("2026-07-13T12:05:00Z").await;
    let confirmed = ("APPOINTMENT_CONFIRMATION", "rosa@example.com");
    assert_eq!(told(&clinic).await, of(&[confirmed, confirmed]));
    assert!(mails(&clinic).iter().all(|mail| mail.contains("Hola, Rosa Soto:") && !mail.contains("sara@")));
    let kept = "SELECT count(*) FROM patients WHERE email = 'rosa@example.com'";
    assert_eq!((clinic.centre.count(kept).await, clinic.centre.count("SELECT count(*) FROM patients").await), (1, 1));
    assert_eq!(clinic.centre.count("SELECT count(*) FROM appointments WHERE contact_email IS NOT NULL").await, 1);
}

#[tokio::test]
async fn who_asked_and_is_refused_is_told() {
    let clinic = Clinic::open().await;
    clinic.centre.run("UPDATE treatments SET requires_approval = true", vec![]).await;
    let document = clinic.rosas_document().await;
    let page = clinic.app.page("alfa").await;
    let slots = tuesday(&clinic, &page).await;
    let ask = async |slot: &Value, document: Option<&Value>| {
        let mut input = booking(&done(&call(&page, "holdSlot", hold(slot)).await));
        if let Some(document) = document {
            input["patient"]["document"] = document.clone();
        }
        done(&book(&page, &input).await)
    };
    // One of somebody new, one of a patient whose address nobody had, and one that is approved.
    let (new, known, approved) =
        (ask(&slots[0], None).await, ask(&slots[8], Some(&document)).await, ask(slots.last().unwrap(), None).await);
    for (one, to, reason) in [
        (&new, "REJECTED", json!("Ese día no atendemos")),
        (&known, "CANCELLED", Value::Null),
        (&approved, "BOOKED", Value::Null),
    ] {
        let step = json!({"id": one["id"], "version": one["version"], "to": to, "reason": reason});
        assert_eq!(done(&call(&clinic.admin, "transitionAppointment", step).await)["cancelReason"], reason);
    }
    clinic.at("2026-07-13T12:00:59Z").await;
    assert_eq!(told(&clinic).await, of(&[]), "changes of a minute are one mail");
    clinic.at("2026-07-13T12:01:00Z").await;
    let refused = ("APPOINTMENT_CANCELLED", SARA);
    assert_eq!(told(&clinic).await, of(&[refused, refused]));
    let sent = mails(&clinic);
    let (rejected, cancelled): (Vec<&String>, Vec<&String>) =
        sent.iter().partition(|mail| mail.contains("no puede atenderle a la hora que pidi"));
    assert_eq!((rejected.len(), cancelled.len()), (1, 1), "{sent:#?}");
    assert!(rejected[0].contains("no atendemos"), "the centre's reason: {}", rejected[0]);
    assert!(!rejected[0].contains("text/calendar"), "no calendar knows of what was never booked");
    assert!(cancelled[0].contains("METHOD:CANCEL"), "{}", cancelled[0]);
    // Once approved it is an appointment like any other: cancelled before anything was sent, nothing is.
    let step = json!({"id": approved["id"], "version": approved["version"].as_i64().unwrap() + 1, "to": "CANCELLED"});
    done(&call(&clinic.admin, "transitionAppointment", step).await);
    clinic.at("2026-07-13T12:30:00Z").await;
    assert_eq!(told(&clinic).await.len(), 2);
}
