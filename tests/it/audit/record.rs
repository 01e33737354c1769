//! How the mutations of clinical records are sent, each about a patient of its own who comes to the professional.

use horae::schema::id::Kind;
use serde_json::json;

use super::rows::{Row, World};
use crate::support::fixtures::Booking;

pub async fn row(world: &mut World, mutation: &str) -> Option<Row> {
    let admin = world.clinic.app.admin("alfa").await;
    let field = json!({"key": "note", "label": "Nota", "type": "TEXT", "sensitive": true, "position": 1});
    let form = |name: &str| json!({"name": name, "fields": [field], "publish": true});
    if mutation == "upsertRecordTemplate" {
        let name = format!("Ficha {}", world.used);
        return Some(Row::input(&admin, "($input: RecordTemplateInput!)", &form(&name), &form("")));
    }
    let upsert = "mutation($input: RecordTemplateInput!) { upsertRecordTemplate(input: $input) { template { id } } }";
    let made = admin.ok(upsert, json!({"input": form("Ficha")})).await;
    let start = world.start();
    let clinic = &world.clinic;
    let patient = clinic.centre.patient("Rosamunda", "Rosamunda").await;
    let visit = Booking::new(clinic.branch, patient, clinic.treatment, &start, 30).with(clinic.professionals[0]);
    clinic.centre.book(visit).await;
    let input = |key: &str| {
        json!({
            "patientId": clinic.id(Kind::Patient, patient), "templateId": made["upsertRecordTemplate"]["template"]["id"],
            "values": [{"key": key, "value": "rosamunda"}],
        })
    };
    if mutation == "saveRecordEntry" {
        return Some(Row::input(&admin, "($input: RecordEntryInput!)", &input("note"), &input("nowhere")));
    }
    let save = "mutation($input: RecordEntryInput!) { saveRecordEntry(input: $input) { entry { id } userErrors { code field } } }";
    let saved = admin.ok(save, json!({"input": input("note")})).await["saveRecordEntry"].clone();
    let id = saved["entry"]["id"].clone();
    let about = |version: i32| json!({"id": id, "version": version, "reason": "rosamunda"});
    let (declares, passes) = ("($id: ID!, $version: Int!)", "(id: $id, version: $version)");
    Some(match mutation {
        "signRecordEntry" => {
            let about = |version: i32| json!({"id": id, "version": version});
            Row::new(&admin, declares, passes, about(1), about(9))
        }
        "voidRecordEntry" => {
            let declares = "($id: ID!, $version: Int!, $reason: String!)";
            let passes = "(id: $id, version: $version, reason: $reason)";
            Row::new(&admin, declares, passes, about(1), about(9))
        }
        _ => {
            let sign = "mutation($id: ID!) { signRecordEntry(id: $id, version: 1) { entry { id } } }";
            admin.ok(sign, json!({ "id": id })).await;
            let about = |key: &str| json!({"id": id, "input": input(key), "reason": "rosamunda"});
            let declares = "($id: ID!, $input: RecordEntryInput!, $reason: String!)";
            Row::new(&admin, declares, "(id: $id, input: $input, reason: $reason)", about("note"), about("nowhere"))
        }
    })
}
