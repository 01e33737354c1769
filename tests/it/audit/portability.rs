//! How the mutations are sent that bring patients in and take their data out.

use horae::schema::id::Kind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::rows::{Row, World};
use crate::booking::api::key;

pub async fn row(world: &mut World, mutation: &str) -> Option<Row> {
    let admin = world.clinic.admin.clone();
    let (id, centre) = (|kind, id| world.clinic.id(kind, id), &world.clinic.centre);
    let patient = world.clinic.centre.patient("Rosamunda", "Soto").await;
    Some(match mutation {
        "importPatients" => {
            let asker = world.asker.or(world.clinic.actor.id).unwrap();
            let file = id(Kind::Attachment, centre.list_of_patients(asker).await);
            centre.run("UPDATE background_jobs SET status = 'CANCELLED', finished_at = created_at WHERE finished_at IS NULL AND creator_id IS NOT NULL", vec![]).await;
            let input = |mapping: Value| json!({"file": file, "mapping": mapping, "key": key()});
            Row::new(
                &admin,
                "($file: ID!, $mapping: Json!, $key: IdempotencyKey!)",
                "(attachmentId: $file, mapping: $mapping, idempotencyKey: $key)",
                input(json!({})),
                input(json!({"columns": {"rosamunda": "givenNames"}})),
            )
        }
        "exportPatientData" => {
            let visited = id(Kind::Patient, world.clinic.patient);
            let nobody = id(Kind::Patient, Uuid::max());
            Row::new(
                &admin,
                "($patient: ID!)",
                "(patientId: $patient)",
                json!({ "patient": visited }),
                json!({ "patient": nobody }),
            )
        }
        "anonymisePatient" => {
            let input = |reason: &str| json!({"patient": id(Kind::Patient, patient), "reason": reason});
            Row::new(
                &admin,
                "($patient: ID!, $reason: String!)",
                "(patientId: $patient, reason: $reason)",
                input("asked for it"),
                input(" "),
            )
        }
        _ => return None,
    })
}
