//! How the mutations of patients are sent.

use horae::schema::id::Kind;
use serde_json::{Value, json};

use super::rows::{Row, World};
use crate::booking::api::key;

pub async fn row(world: &mut World, mutation: &str) -> Option<Row> {
    let admin = world.clinic.admin.clone();
    Some(match mutation {
        "createPatient" => {
            let input = |mail: &str| json!({"input": {"givenNames": "Rosamunda", "email": mail, "comments": ["rosamunda"]}, "key": key()});
            let declares = "($input: PatientInput!, $key: IdempotencyKey!)";
            let (good, bad) = (input("rosamunda3@example.com"), input("rosamunda"));
            Row::new(&admin, declares, "(input: $input, idempotencyKey: $key)", good, bad)
        }
        "updatePatient" => {
            let patient = world.clinic.centre.patient("Rosamunda", "Paz").await;
            let patient = world.clinic.id(Kind::Patient, patient);
            let input = |version: i32| json!({"id": patient, "version": version, "input": {"givenNames": "Rosamunda"}});
            let declares = "($id: ID!, $version: Int!, $input: PatientInput!)";
            Row::new(&admin, declares, "(id: $id, version: $version, input: $input)", input(1), input(9))
        }
        "mergePatients" => {
            let centre = &world.clinic.centre;
            let (one, other) = (centre.patient("Rosamunda", "Paz").await, centre.patient("Rosa", "Paz").await);
            let (one, other) = (world.clinic.id(Kind::Patient, one), world.clinic.id(Kind::Patient, other));
            let input = |merge: &Value| json!({"keep": one, "merge": merge, "key": key()});
            let declares = "($keep: ID!, $merge: ID!, $key: IdempotencyKey!)";
            let passes = "(keepId: $keep, mergeId: $merge, idempotencyKey: $key)";
            Row::new(&admin, declares, passes, input(&other), input(&one))
        }
        "upsertPatientCategory" => {
            let input = |name: String| json!({ "name": name });
            let good = format!("Club {}", world.clinic.app.app.cx.new_id());
            Row::new(&admin, "($name: String!)", "(name: $name)", input(good), input(String::new()))
        }
        "setPatientFields" => {
            let fields = |key: &str| json!({"fields": [{"key": key, "label": "Club", "type": "TEXT", "position": 1}]});
            Row::new(&admin, "($fields: [TemplateFieldInput!]!)", "(fields: $fields)", fields("club"), fields("1"))
        }
        _ => return None,
    })
}
