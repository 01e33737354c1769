//! How each mutation is sent so that it succeeds for who may. Most of it is known from the test of the audit trail.

use horae::schema::id::Kind;
use serde_json::{Value, json};

use super::{
    call::Call,
    stage::{About, Caller, Credential, Stage},
};
use crate::{
    audit::{files, rows},
    identity::people::GOOD,
    support::{app::PASSWORD, fixtures::Booking},
};

/// The call for a line of the table, with something fresh to change; none: nobody knows how to send it.
pub async fn call(stage: &mut Stage, name: &str, about: About<'_>) -> Option<Call> {
    let place = stage.turn(about);
    let operation = name.split(['.', '/']).nth(1)?;
    if let Some(call) = own(stage, name, about).await {
        return Some(call);
    }
    Some(match name {
        "Mutation.changePassword" => {
            let document = "mutation($current: String!, $next: String!) {
                changePassword(current: $current, next: $next) { userErrors { code message } }
            }";
            Call::new(operation, document, json!({"current": PASSWORD, "next": GOOD}))
        }
        "Mutation.issueCapability/appointment" => {
            stage.world.clinic.admin = stage.app().admin("alfa").await;
            let booked = stage.world.booked().await;
            let input = json!({"purpose": "APPOINTMENT_MANAGE", "resourceId": booked["id"], "ttlSeconds": 3_600});
            issue(&input)
        }
        "Mutation.requestUpload/import" => {
            let centre = stage.id(Kind::Tenant, stage.world.clinic.actor.tenant.id.0);
            let document = "mutation($input: RequestUploadInput!) {
                requestUpload(input: $input) { userErrors { code message field } }
            }";
            Call::new(operation, document, json!({"input": files::file_input(&centre, 4)}))
        }
        "Mutation.upsertBranch" => {
            let sql = "SELECT version FROM branches WHERE id = $1";
            let version: i32 = stage.world.one(sql, vec![place.branch.into()]).await;
            let id = stage.id(Kind::Branch, place.branch);
            let input = json!({"id": id, "version": version, "name": format!("Sede {version} {}", place.branch), "timeZone": "America/Santiago"});
            let document =
                "mutation($input: BranchInput!) { upsertBranch(input: $input) { userErrors { code message field } } }";
            Call::new(operation, document, json!({ "input": input }))
        }
        _ => {
            // Another name and another time each.
            stage.world.used += 1;
            let row = rows::row(&mut stage.world, operation).await?;
            Call::new(operation, row.document(operation), row.good)
        }
    })
}

/// What is called otherwise when it is about the caller's own.
async fn own(stage: &mut Stage, name: &str, about: About<'_>) -> Option<Call> {
    let About::Own(caller) = about else { return None };
    let place = stage.turn(about);
    match name {
        "Mutation.disableMfa" => {
            let document = "mutation { disableMfa(code: \"000000\") { userErrors { code message } } }";
            Some(Call::new("disableMfa", document, json!({})))
        }
        "Mutation.revokeSession" => {
            let Credential::User(user) = caller.credential else { return None };
            let (session, _) = stage.login(user).await;
            let document = "mutation($id: ID!) { revokeSession(sessionId: $id) { userErrors { code message } } }";
            Some(Call::new("revokeSession", document, json!({"id": stage.id(Kind::Session, session)})))
        }
        "Mutation.transitionAppointment" => {
            // The step that who attends may take.
            let (start, clinic) = (stage.world.start(), &stage.world.clinic);
            let arrived = Booking::new(place.branch, clinic.patient, clinic.treatment, &start, 30);
            let id = clinic.centre.book(arrived.with(place.professional).status("ARRIVED")).await;
            let document = "mutation($id: ID!) {
                transitionAppointment(id: $id, version: 1, to: COMPLETED) { userErrors { code message } }
            }";
            Some(Call::new("transitionAppointment", document, json!({"id": stage.id(Kind::Appointment, id)})))
        }
        "Mutation.issueCapability" if has_column(caller) => Some(issue(&feed(stage, &place))),
        "Mutation.revokeCapability" if has_column(caller) => {
            let document =
                "mutation($input: IssueCapabilityInput!) { issueCapability(input: $input) { capability { id } } }";
            let input = json!({"input": feed(stage, &place)});
            let issued = stage.app().admin("alfa").await.ok(document, input).await;
            let document = "mutation($id: ID!) { revokeCapability(id: $id) { userErrors { code message } } }";
            let id = issued["issueCapability"]["capability"]["id"].clone();
            Some(Call::new("revokeCapability", document, json!({ "id": id })))
        }
        _ => None,
    }
}

/// Who sees one column, and not the branch's whole agenda.
fn has_column(caller: &Caller) -> bool {
    caller.code != "BRA"
}

fn feed(stage: &Stage, place: &super::stage::Place) -> Value {
    let id = stage.id(Kind::Resource, place.professional);
    json!({"purpose": "CALENDAR_FEED", "resourceId": id, "ttlSeconds": 3_600})
}

fn issue(input: &Value) -> Call {
    let document = "mutation($input: IssueCapabilityInput!) { issueCapability(input: $input) { userErrors { code message field } } }";
    Call::new("issueCapability", document, json!({ "input": input }))
}
