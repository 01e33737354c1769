//! The tabs that GraphiQL opens with: documents that run as they are, with tokens that still hold.

use serde_json::{Value, json};

use super::{
    centres::{self, DemoCentre},
    desk::{Desk, access_token},
};
use crate::{app::App, cli::CliError, http::graphiql::Tab};

const LOGIN: &str = r"mutation LogIn($email: EmailAddress!, $password: String!, $tenantSlug: String!) {
  login(email: $email, password: $password, tenantSlug: $tenantSlug) {
    tokens { accessToken accessExpiresAt refreshToken }
    viewer { actor { displayName } tenant { tradeName } }
    userErrors { code message field }
  }
}";

const WATCH: &str = r"subscription WatchBookings {
  bookingReceived {
    ... on StreamReady { cursor recovered replayCount }
    ... on BookingReceived {
      cursor
      channel
      appointment { code status localStart timeZone start patient { givenNames paternalSurname } items { treatment { name } professional { name } room { name } } }
    }
    ... on StreamReset { reason resumeAfter }
  }
}";

const FIND: &str = r"query FindTime($slug: String!, $input: AvailabilityInput!) {
  publicAvailability(tenantSlug: $slug, input: $input) {
    start localStart timeZone
    professional { name }
    room { name }
    price { amount currency }
    token
  }
}";

const HOLD: &str = r"mutation HoldTime($input: HoldSlotInput!) {
  holdSlot(input: $input) {
    appointment { id code status start holdExpiresAt }
    userErrors { code message field }
  }
}";

const BOOK: &str = r"mutation BookAsPatient($input: PublicBookInput!) {
  publicBook(input: $input) {
    replayed
    appointment { id code status start localStart timeZone }
    userErrors { code message field ... on SlotTakenError { alternatives { start token } } }
  }
}";

const AGENDA: &str = r"query DayAgenda($branch: ID!, $from: LocalDate!, $to: LocalDate!) {
  agenda(branchId: $branch, from: $from, to: $to, groupBy: PROFESSIONAL) {
    cursor
    columns {
      resource { name color }
      appointments { code status localStart end patient { givenNames paternalSurname } items { treatment { name } room { name } } }
      free { start end }
    }
  }
}";

const MAILS: &str = r"query Mails {
  emailMessages(first: 20) { nodes { kind status to subject dueAt sentAt messageId } }
}";

const FIND_PATIENT: &str = r"query FindPatient($text: String!) {
  patients(filter: { text: $text }, first: 10) {
    nodes { id fileNumber givenNames paternalSurname email }
  }
}";

const RECORD: &str = r"query ReadRecord($patient: ID!) {
  node(id: $patient) {
    ... on Patient {
      givenNames paternalSurname
      record {
        entries(first: 10) {
          nodes { status at template { name } templateVersion values { key value } signedBy { displayName } signatureValid }
        }
      }
    }
  }
}";

/// Words that find one of the sample's patients.
const SAMPLE_PATIENT: &str = "rosa fue";

/// Without a demo: the way in.
pub(in crate::cli) fn signed_out() -> Vec<Tab> {
    vec![
        Tab::new("Log in; then send the access token as the header Authorization: Bearer …", LOGIN)
            .variables(json!({"email": "you@example.com", "password": "", "tenantSlug": "your-centre"})),
    ]
}

/// The tour of the README, in order, with fresh tokens and the next free time filled in.
pub(super) async fn for_tour(app: &App, centre: &DemoCentre) -> Vec<Tab> {
    // Somebody who has changed a password or the sample data finds the tabs without them.
    let token = async |local| access_token(app, centre.slug, local).await.ok().flatten().unwrap_or_default();
    let (staff, doctor) = (token("admin").await, token("ana").await);
    let place = place(app, centre).await.unwrap_or_default();
    let sample_patient = patient(app, &doctor).await.unwrap_or_default();
    let [staff, doctor, page] = [&staff, &doctor, &centre.publishable_key].map(|word| format!("Bearer {word}"));
    let now = app.cx.now();
    let today = now.with_timezone(&chrono_tz::America::Santiago).date_naive();
    let range = json!({"from": now, "to": now + chrono::TimeDelta::days(3)});
    let input = json!({"branchId": place["branch"], "treatmentIds": [place["treatment"]], "range": range, "limit": 5});
    let patient = json!({"givenNames": "Carla", "paternalSurname": "Muñoz", "email": "carla.munoz@example.com"});
    vec![
        Tab::new("Log in as the administrator", LOGIN).variables(json!({
            "email": centres::email(centre.slug, "admin"), "password": centres::PASSWORD, "tenantSlug": centre.slug,
        })),
        Tab::new("Watch bookings arrive: run it and leave it open", WATCH).header("Authorization", &staff),
        Tab::new("A booking page asks for free times", FIND)
            .variables(json!({"slug": centre.slug, "input": input}))
            .header("Authorization", &page),
        Tab::new("Hold the next free time for five minutes", HOLD)
            .variables(json!({"input": {"idempotencyKey": app.cx.new_id(), "slotToken": place["token"]}}))
            .header("Authorization", &page),
        Tab::new("Book it as a patient: put the id of the hold into holdId", BOOK)
            .variables(json!({"input": {
                "idempotencyKey": app.cx.new_id(), "tenantSlug": centre.slug, "holdId": "put the id of the held appointment here",
                "patient": patient, "channel": "WEB_WIDGET", "acceptPolicies": true,
            }}))
            .header("Authorization", &page),
        Tab::new("The agenda of today and tomorrow", AGENDA)
            .variables(json!({"branch": place["branch"], "from": today, "to": today + chrono::Days::new(1)}))
            .header("Authorization", &staff),
        Tab::new("Mails: due, sent, failed", MAILS).header("Authorization", &staff),
        Tab::new("Patients by the beginnings of their names, numbers or addresses", FIND_PATIENT)
            .variables(json!({"text": SAMPLE_PATIENT}))
            .header("Authorization", &doctor),
        Tab::new("The clinical record, as the professional who wrote it reads it", RECORD)
            .variables(json!({"patient": sample_patient}))
            .header("Authorization", &doctor),
    ]
}

/// A branch, a treatment and the next free slot, as a booking page sees them.
async fn place(app: &App, centre: &DemoCentre) -> Result<Value, CliError> {
    let page = Desk::of_bearer(app, &centre.publishable_key).await?;
    let document = "query($slug: String!) { publicBookingPage(tenantSlug: $slug) { branches { id name } treatments { id name } } }";
    let shown = page.find("/publicBookingPage", document, json!({"slug": centre.slug})).await?;
    let pick = |list: &str, name: &str| -> Option<Value> {
        let all = shown.get(list)?.as_array()?;
        let found =
            all.iter().find(|one| one.get("name").and_then(Value::as_str).is_some_and(|found| found.starts_with(name)));
        found.or(all.first())?.get("id").cloned()
    };
    let (branch, treatment) = (pick("branches", "Santiago"), pick("treatments", "Consulta"));
    let now = app.cx.now();
    let input = json!({
        "branchId": branch, "treatmentIds": [treatment], "limit": 1, "range": {"from": now, "to": now + chrono::TimeDelta::days(3)},
    });
    let document = "query($slug: String!, $input: AvailabilityInput!) { publicAvailability(tenantSlug: $slug, input: $input) { token } }";
    let slots = page.call(document, json!({"slug": centre.slug, "input": input})).await?;
    Ok(json!({"branch": branch, "treatment": treatment, "token": slots.pointer("/publicAvailability/0/token")}))
}

/// One of the sample's patients, as the professional sees her.
async fn patient(app: &App, token: &str) -> Result<Value, CliError> {
    let document = "query($text: String!) { patients(filter: { text: $text }, first: 1) { nodes { id } } }";
    let desk = Desk::of_bearer(app, token).await?;
    desk.find("/patients/nodes/0/id", document, json!({"text": SAMPLE_PATIENT})).await
}
