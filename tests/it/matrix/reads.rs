//! How each query is sent, and each field below the root that has an `@auth`.

use horae::schema::id::Kind;
use serde_json::{Value, json};

use super::{
    call::Call,
    stage::{About, Credential, Place, Stage},
};

/// The call for a line of the table about this place; none: there is no arm for it here.
pub fn call(stage: &Stage, name: &str, about: About<'_>, place: &Place) -> Option<Call> {
    let id = |kind, id| stage.id(kind, id);
    let branch = id(Kind::Branch, place.branch);
    let professional = id(Kind::Resource, place.professional);
    let appointment = id(Kind::Appointment, place.appointment);
    let operation = name.split('.').nth(1)?;
    let plain = |document: &str| Call::new(operation, document, json!({}));
    // All of a list, which shows this id.
    let list = |fields: &str, shown: &Value| {
        plain(&format!("{{ {operation}(first: 100) {{ nodes {{ {fields} }} }} }}")).showing(shown.to_string())
    };
    let one = |fields: &str| {
        let document = format!("query($id: ID!) {{ appointment(id: $id) {{ {fields} }} }}");
        Call::new("appointment", document, json!({ "id": appointment }))
    };
    let slots = json!({
        "branchId": branch, "treatmentIds": [id(Kind::Treatment, stage.world.clinic.treatment)],
        "range": {"from": "2026-07-14T14:00:00Z", "to": "2026-07-14T15:00:00Z"},
    });
    Some(match name {
        "Query.agenda" => {
            let document = "query($branch: ID!, $day: LocalDate!) {
                agenda(branchId: $branch, from: $day, to: $day, groupBy: PROFESSIONAL) { columns { appointments { id } } }
            }";
            let variables = json!({"branch": branch, "day": &place.start[..10]});
            Call::new(operation, document, variables).showing(appointment.to_string())
        }
        "Query.apiKeys" => list("name", &json!("KAR")),
        "Query.appointment" => one("id").showing(appointment.to_string()),
        "Query.appointments" => {
            let document = "query($from: DateTime!) {
                appointments(filter: {range: {from: $from, to: \"2026-08-01T00:00:00Z\"}}, first: 100) { nodes { id } }
            }";
            Call::new(operation, document, json!({ "from": place.start })).showing(appointment.to_string())
        }
        "Query.auditEntries" => plain("{ auditEntries(first: 1) { nodes { action } } }").showing("action"),
        "Query.availability" => {
            let document = "query($input: AvailabilityInput!) { availability(input: $input) { professional { id } } }";
            Call::new(operation, document, json!({ "input": slots })).showing(professional.to_string())
        }
        "Query.branches" => list("id", &branch),
        "Query.emailMessages" => list("relatedId", &appointment),
        "Query.equipment" => list("id", &id(Kind::Resource, place.equipment)),
        "Query.explainUnavailable" => {
            // At a time that is taken, so that there is something to explain.
            let document =
                "query($input: BookAppointmentInput!) { explainUnavailable(input: $input) { resourceId cause } }";
            let input = stage.world.clinic.input(place.professional, &place.start);
            Call::new(operation, document, json!({ "input": input })).showing(professional.to_string())
        }
        "Query.job" => {
            let job = id(Kind::BackgroundJob, stage.job);
            Call::new(operation, "query($id: ID!) { job(id: $id) { id } }", json!({ "id": job }))
                .showing(job.to_string())
        }
        "Query.node" | "Query.nodes" => {
            let argument = if operation == "node" { "id: $id" } else { "ids: [$id]" };
            let document = format!("query($id: ID!) {{ {operation}({argument}) {{ id }} }}");
            Call::new(operation, document, json!({ "id": appointment })).showing(appointment.to_string())
        }
        "Query.patient" => {
            let document = "query($id: ID!) { patient(id: $id) { id } }";
            let patient = id(Kind::Patient, place.patient);
            Call::new(operation, document, json!({ "id": patient })).showing(patient.to_string())
        }
        "Query.patientCategories" => plain("{ patientCategories { id } }"),
        "Query.patientDuplicates" => {
            let document = "query($id: ID!) { patientDuplicates(id: $id) { id } }";
            let twin = id(Kind::Patient, place.twin);
            Call::new(operation, document, json!({ "id": id(Kind::Patient, place.patient) })).showing(twin.to_string())
        }
        "Query.patientFields" => plain("{ patientFields { key } }"),
        "Query.patients" => list("id", &id(Kind::Patient, place.patient)),
        "Query.professionals" => list("id", &professional),
        "Query.publicAvailability" => {
            let document = "query($input: AvailabilityInput!) {
                publicAvailability(tenantSlug: \"alfa\", input: $input) { professional { id } }
            }";
            Call::new(operation, document, json!({ "input": slots })).showing(professional.to_string())
        }
        "Query.publicBookingPage" => plain("{ publicBookingPage(tenantSlug: \"alfa\") { tenantName } }"),
        "Query.recordTemplates" => plain("{ recordTemplates(first: 1) { nodes { id } } }").showing("nodes"),
        "Query.roles" => plain("{ roles { name } }").showing("name"),
        "Query.rooms" => list("id", &id(Kind::Resource, place.rooms[0])),
        "Query.schedules" => {
            let document = "query($branch: ID!) { schedules(branchId: $branch) { resource { id } } }";
            Call::new(operation, document, json!({ "branch": branch })).showing(professional.to_string())
        }
        "Query.sessions" => {
            let user = match about {
                About::Own(caller) => match caller.credential {
                    Credential::User(_) => None,
                    _ => return None,
                },
                About::Others => Some(id(Kind::User, place.user)),
            };
            let document = "query($user: ID) { sessions(userId: $user, first: 1) { nodes { id } } }";
            Call::new(operation, document, json!({ "user": user })).showing("\"id\"")
        }
        "Query.suppressions" => plain("{ suppressions(first: 1) { nodes { email } } }"),
        "Query.timeZones" => plain("{ timeZones(country: \"CL\") { id } }").showing("America/Santiago"),
        "Query.treatmentCategories" => plain("{ treatmentCategories { id } }"),
        "Query.treatments" => list("id", &id(Kind::Treatment, stage.world.clinic.treatment)),
        "Query.users" => list("id", &id(Kind::User, place.user)),
        "Query.verifyAuditChain" => plain("{ verifyAuditChain { ok } }").showing("true"),
        "Query.viewer" => plain("{ viewer { actor { kind } } }").showing("kind"),
        "Patient.record" => one("patient { record { entries(first: 1) { nodes { id } } } }").showing("\"record\":{"),
        "Appointment.emails" => one("emails { id }").showing("\"emails\":[{\"id\""),
        "Appointment.patient" => one("patient { id }").showing("\"patient\":{\"id\""),
        "AuditEntry.ip" => one("history(first: 10) { nodes { ip } }").showing("203.0.113.9"),
        _ => return None,
    })
}
