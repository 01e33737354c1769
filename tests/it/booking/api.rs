//! Bookings as clients send them.

use horae::schema::id::{GlobalIds, Kind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Clinic;
use crate::support::app::Client;

/// Everything that a client may learn of an appointment, and of a refusal.
const FRAGMENTS: &str = "
fragment A on Appointment {
    id version code status start end localStart timeZone channel overbooked overbookReason notes holdExpiresAt allowedTransitions
    cancelReason patient { id givenNames paternalSurname } resources { name }
    items { treatment { name } professional { name } room { name } start end price { amount currency } }
}
fragment E on UserError {
    __typename code message field
    ... on SlotTakenError { conflictingResourceIds alternatives { start localStart timeZone token professional { name } room { name } } }
    ... on VersionConflictError { currentVersion }
    ... on InvalidTransitionError { from to allowed }
    ... on QuotaError { quota limit used resetsAt }
    ... on NonexistentLocalTimeError { requested timeZone nextValid }
    ... on AmbiguousLocalTimeError { requested timeZone candidates }
}";

/// A mutation with its payload's appointment and errors, by name.
fn document(name: &str) -> String {
    let (head, more) = match name {
        "bookAppointment" => {
            ("($input: BookAppointmentInput!) { bookAppointment(input: $input)", "replayed warnings { ...E }")
        }
        "publicBook" => ("($input: PublicBookInput!) { publicBook(input: $input)", "replayed warnings { ...E }"),
        "holdSlot" => ("($input: HoldSlotInput!) { holdSlot(input: $input)", ""),
        "rescheduleAppointment" => {
            ("($input: RescheduleInput!) { rescheduleAppointment(input: $input)", "warnings { ...E }")
        }
        "transitionAppointment" => (
            "($id: ID!, $version: Int!, $to: AppointmentStatus!, $reason: String, $key: IdempotencyKey) {
                 transitionAppointment(id: $id, version: $version, to: $to, reason: $reason, idempotencyKey: $key)",
            "",
        ),
        "patientConfirm" => ("($token: String!) { patientConfirm(token: $token)", ""),
        "patientCancel" => ("($token: String!, $reason: String) { patientCancel(token: $token, reason: $reason)", ""),
        other => panic!("no document for {other}"),
    };
    format!("mutation{head} {{ appointment {{ ...A }} {more} userErrors {{ ...E }} }} }} {FRAGMENTS}")
}

/// The payload of a mutation; top-level errors fail the test.
pub async fn call(client: &Client, name: &str, variables: Value) -> Value {
    client.ok(&document(name), variables).await[name].clone()
}

/// The whole answer of a mutation.
pub async fn attempt(client: &Client, name: &str, variables: Value) -> Value {
    client.send(&document(name), variables).await
}

/// The appointment of a payload without errors.
#[track_caller]
pub fn done(payload: &Value) -> Value {
    assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
    payload["appointment"].clone()
}

/// The one refusal of a payload: code and dotted field.
#[track_caller]
pub fn refused(payload: &Value) -> (String, String) {
    assert_eq!(payload["appointment"], Value::Null, "{payload:#}");
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{payload:#}");
    (errors[0]["code"].as_str().unwrap().to_owned(), field(&errors[0]))
}

/// What [`refused`] answers with.
pub fn refusal(code: &str, field: &str) -> (String, String) {
    (code.to_owned(), field.to_owned())
}

/// The path of a user error.
pub fn field(error: &Value) -> String {
    let parts = error["field"].as_array().map(Vec::as_slice).unwrap_or_default();
    parts.iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join(".")
}

pub fn key() -> Value {
    json!(Uuid::new_v4())
}

impl Clinic {
    pub fn ids(&self) -> GlobalIds {
        GlobalIds::new(self.centre.cx.seal.clone(), &self.centre.system.tenant)
    }

    pub fn id(&self, kind: Kind, id: Uuid) -> Value {
        json!(self.ids().encode(kind, id))
    }

    /// The number of an appointment that was answered.
    pub fn number(&self, appointment: &Value) -> Uuid {
        self.ids().open(Kind::Appointment, &appointment["id"].as_str().unwrap().into()).unwrap()
    }

    /// The treatment with a professional in any free room.
    pub fn item(&self, professional: Uuid, start: &str) -> Value {
        json!({
            "treatmentId": self.id(Kind::Treatment, self.treatment),
            "professionalId": self.id(Kind::Resource, professional),
            "start": start,
        })
    }

    /// A booking of one item.
    pub fn input(&self, professional: Uuid, start: &str) -> Value {
        json!({
            "idempotencyKey": key(),
            "branchId": self.id(Kind::Branch, self.branch),
            "patientId": self.id(Kind::Patient, self.patient),
            "items": [self.item(professional, start)],
        })
    }

    /// Books as the administrator; the payload.
    pub async fn book(&self, input: &Value) -> Value {
        call(&self.admin, "bookAppointment", json!({ "input": input })).await
    }

    /// Books an hour that is free.
    pub async fn booked(&self, professional: Uuid, start: &str) -> Value {
        done(&self.book(&self.input(professional, start)).await)
    }

    /// One setting of the branch, by fixture.
    pub async fn cancel_notice(&self, seconds: i32) {
        let sql = "UPDATE branches SET min_cancel_notice_s = $2 WHERE id = $1";
        self.centre.run(sql, vec![self.branch.into(), seconds.into()]).await;
    }

    /// The free slots that patients, or the desk, are offered.
    pub async fn slots(&self, client: &Client, public: bool, from: &str, to: &str) -> Vec<Value> {
        let input = json!({
            "branchId": self.id(Kind::Branch, self.branch),
            "treatmentIds": [self.id(Kind::Treatment, self.treatment)],
            "range": {"from": from, "to": to},
        });
        let fields = "start end localStart timeZone token professional { name } room { name } price { amount }";
        let (query, name) = if public {
            (
                format!(
                    "query($i: AvailabilityInput!) {{ publicAvailability(tenantSlug: \"alfa\", input: $i) {{ {fields} }} }}"
                ),
                "publicAvailability",
            )
        } else {
            (format!("query($i: AvailabilityInput!) {{ availability(input: $i) {{ {fields} }} }}"), "availability")
        };
        client.ok(&query, json!({ "i": input })).await[name].as_array().unwrap().clone()
    }
}
