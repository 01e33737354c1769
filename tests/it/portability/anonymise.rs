//! Nothing is left of who was anonymised, and nothing that has to be kept is lost.

use horae::{
    domain::{patients::references::REFERENCES, portability::anonymise::TRACES},
    schema::id::Kind,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::process::Command;
use uuid::Uuid;

use super::file_of;
use crate::record::Ward;

pub const ANONYMISE: &str =
    "mutation($patient: ID!, $reason: String!) { anonymisePatient(patientId: $patient, reason: $reason) {
    patient { id givenNames paternalSurname email phones status } userErrors { code message field } } }";

pub async fn anonymise(ward: &Ward, patient: Uuid) -> Value {
    let variables = json!({"patient": ward.id(Kind::Patient, patient), "reason": "asked for it"});
    ward.app.admin("alfa").await.ok(ANONYMISE, variables).await["anonymisePatient"].clone()
}

async fn dump(ward: &Ward) -> String {
    let schema = &ward.centre.system.tenant.schema_name;
    let arguments = ["--dbname", &ward.app.database_url, "--schema", schema, "--inserts"];
    let output = Command::new("pg_dump").args(arguments).output().await.expect("pg_dump runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn of_somebody_who_was_anonymised_a_dump_knows_nothing() {
    let ward = Ward::open().await;
    let (centre, patient) = (&ward.centre, ward.patient);
    // A word in every place where somebody's data can be.
    centre.run(
        "UPDATE patients SET file_number = 'Zafiro-01', given_names = 'Zafiro02', paternal_surname = 'Zafiro03', maternal_surname = 'Zafiro04',
             document_kind = 'OTHER', document_number = 'ZAFIRO05', document_country = 'CL', email = 'zafiro06@example.com',
             phones = '{+56911000007}', birth_date = '1985-12-31', referral_source = 'Zafiro08', comments = '{Zafiro09}',
             custom_values = '{\"k\": \"Zafiro10\"}', marketing_source = 'Zafiro11' WHERE id = $1",
        vec![patient.into()],
    ).await;
    centre.run("UPDATE appointments SET notes = 'Zafiro12', internal_notes = 'Zafiro13', cancel_reason = 'Zafiro14', contact_name = 'Zafiro24', contact_email = 'zafiro25@example.com', status = 'COMPLETED' WHERE patient_id = $1", vec![patient.into()]).await;
    centre.run(
        "INSERT INTO email_messages (id, kind, dedup_key, recipient, subject, status, due_at, message_id, related_id, last_error, created_at, updated_at)
         SELECT $2, 'APPOINTMENT_REMINDER', $2::text, 'zafiro15@example.com', 'Zafiro16', 'FAILED', $3, $2::text, a.id, 'Zafiro17', $3, $3
         FROM appointments a WHERE a.patient_id = $1",
        vec![patient.into(), centre.cx.new_id().into(), ward.app.now().into()],
    ).await;
    let sending = centre.cx.new_id();
    centre.run(
        "INSERT INTO email_messages (id, kind, dedup_key, recipient, subject, status, due_at, message_id, related_id, created_at, updated_at)
         SELECT $2, 'APPOINTMENT_CANCELLED', $2::text, 'zafiro22@example.com', 'Zafiro23', 'SENDING', $3, $2::text, a.id, $3, $3
         FROM appointments a WHERE a.patient_id = $1",
        vec![patient.into(), sending.into(), ward.app.now().into()],
    ).await;
    centre
        .run(
            "INSERT INTO suppressions (id, email, reason, at)
             VALUES ($1, 'zafiro06@example.com', 'HARD_BOUNCE', $3), ($2, 'zafiro25@example.com', 'HARD_BOUNCE', $3)",
            vec![centre.cx.new_id().into(), centre.cx.new_id().into(), ward.app.now().into()],
        )
        .await;
    let merged = centre.patient("Zafiro18", "Zafiro19").await;
    centre
        .run(
            "UPDATE patients SET status = 'MERGED', merged_into = $2 WHERE id = $1",
            vec![merged.into(), patient.into()],
        )
        .await;
    let child = centre.patient("Luis", "Soto").await;
    centre
        .run(
            "INSERT INTO patient_guardians (patient_id, guardian_id, position) VALUES ($1, $2, 1)",
            vec![child.into(), patient.into()],
        )
        .await;
    centre.run("INSERT INTO imported_rows (row_hash, patient_id) VALUES (sha256('x'), $1)", vec![patient.into()]).await;
    file_of(&ward, patient, "Zafiro21", b"Zafiro20").await;
    // Long ago, when the record was written, the clock said so.
    let now = ward.app.now();
    ward.app.clock.set("2005-03-01T12:00:00Z".parse().unwrap());
    centre.run(
        "INSERT INTO record_entries (id, patient_id, template_id, template_version, author_id, status, at, updated_at)
         SELECT $2, $1, t.template_id, t.version, u.id, 'DRAFT', $3, $3 FROM record_template_versions t, users u LIMIT 1",
        vec![patient.into(), centre.cx.new_id().into(), ward.app.now().into()],
    ).await;
    ward.app.clock.set(now);
    assert!(dump(&ward).await.to_lowercase().contains("zafiro"), "the words are there before");

    let done = anonymise(&ward, patient).await;
    assert_eq!(done["userErrors"], json!([]), "{done:#}");
    let gone = &done["patient"];
    assert_eq!((&gone["email"], &gone["phones"], &gone["status"]), (&Value::Null, &json!([]), &json!("INACTIVE")));
    let after = dump(&ward).await;
    let lower = after.to_lowercase();
    let left: Vec<&str> = lower
        .lines()
        .filter(|line| line.contains("zafiro") || line.contains("56911000007") || line.contains("1985-12-31"))
        .collect();
    assert!(left.is_empty(), "{left:#?}");
    // What happened stays, under nobody.
    let visits = centre.count("SELECT count(*) FROM appointments a JOIN patients p ON p.id = a.patient_id WHERE p.anonymised_at IS NOT NULL AND a.status = 'COMPLETED'").await;
    let told = centre.count("SELECT count(*) FROM events WHERE type = 'patient.anonymised'").await;
    assert_eq!((visits, told, centre.count("SELECT count(*) FROM record_entries").await), (1, 1, 0));
    let mails = "SELECT count(*) FROM email_messages WHERE kind = 'APPOINTMENT_CANCELLED' AND status = 'CANCELLED'";
    assert_eq!(centre.count(mails).await, 1, "who is sending it writes nothing back");
    // Again it changes nothing.
    assert_eq!(anonymise(&ward, patient).await["userErrors"], json!([]));
    assert_eq!(centre.count("SELECT count(*) FROM events WHERE type = 'patient.anonymised'").await, 1);
    assert_eq!(centre.count("SELECT count(*) FROM patients WHERE given_names = 'Luis'").await, 1);
}

#[tokio::test]
async fn nothing_is_written_about_somebody_who_was_anonymised() {
    let ward = Ward::open().await;
    ward.centre
        .run("UPDATE appointments SET status = 'CANCELLED' WHERE patient_id = $1", vec![ward.patient.into()])
        .await;
    assert_eq!(anonymise(&ward, ward.patient).await["userErrors"], json!([]));
    let (again, _) = ward.patient("Rosa").await;
    let (gone, again) = (ward.id(Kind::Patient, ward.patient), ward.id(Kind::Patient, again));
    ward.centre.works(ward.professional, ward.branch, &[(1..=7, "08:00", "20:00")]).await;
    let admin = ward.app.admin("alfa").await;
    let version = ward.centre.count("SELECT version::bigint FROM patients WHERE anonymised_at IS NOT NULL").await;
    let branch = ward.id(Kind::Branch, ward.branch);
    let (treatment, professional) =
        (ward.id(Kind::Treatment, ward.treatment), ward.id(Kind::Resource, ward.professional));
    let key = Uuid::new_v4();
    for (name, call, field) in [
        ("updatePatient", format!("updatePatient(id: {gone}, version: {version}, input: {{givenNames: \"Rosa\"}})"), "id"),
        ("mergePatients", format!("mergePatients(keepId: {gone}, mergeId: {again}, idempotencyKey: \"{key}\")"), "keepId"),
        ("mergePatients", format!("mergePatients(keepId: {again}, mergeId: {gone}, idempotencyKey: \"{key}\")"), "mergeId"),
        (
            "bookAppointment",
            format!(
                "bookAppointment(input: {{idempotencyKey: \"{key}\", branchId: {branch}, patientId: {gone}, channel: PHONE,
                     items: [{{treatmentId: {treatment}, professionalId: {professional}, localStart: \"2026-07-20T10:00\"}}]}})"
            ),
            "patientId",
        ),
    ] {
        let answer = admin.ok(&format!("mutation {{ {call} {{ userErrors {{ code field }} }} }}"), json!({})).await;
        let error = &answer[name]["userErrors"][0];
        assert_eq!((&error["code"], &error["field"][0]), (&json!("INVALID"), &json!(field)), "{name}: {answer}");
    }
    let input = ward.input(&[("note", json!("Vuelve"))]);
    let refused = ward.save(&admin, input).await["userErrors"][0].clone();
    assert_eq!((&refused["code"], &refused["field"]), (&json!("INVALID"), &json!(["patientId"])), "{refused}");
    assert_eq!(ward.centre.count("SELECT count(*) FROM patients WHERE merged_into IS NOT NULL").await, 0);
}

#[tokio::test]
async fn it_is_refused_while_the_record_has_to_be_kept_or_something_is_booked() {
    let ward = Ward::open().await;
    let booked = anonymise(&ward, ward.patient).await["userErrors"][0].clone();
    assert_eq!((&booked["code"], &booked["field"]), (&json!("INVALID"), &json!(["patientId"])), "{booked:#}");
    assert!(booked["message"].as_str().unwrap().contains("appointments ahead"));
    ward.signed("Refiere dolor").await;
    ward.centre
        .run("UPDATE appointments SET status = 'COMPLETED' WHERE patient_id = $1", vec![ward.patient.into()])
        .await;
    let kept = anonymise(&ward, ward.patient).await["userErrors"][0].clone();
    assert!(kept["message"].as_str().unwrap().contains("2041-07-13"), "{kept:#}");
    assert_eq!(ward.centre.count("SELECT count(*) FROM patients WHERE anonymised_at IS NOT NULL").await, 0);
    for (permissions, code) in
        [(vec!["PATIENT_READ", "PATIENT_MERGE"], "FORBIDDEN"), (vec!["PATIENT_READ", "RECORD_SIGN"], "FORBIDDEN")]
    {
        let client = ward.somebody(&permissions).await;
        let variables = json!({"patient": ward.id(Kind::Patient, ward.patient), "reason": "x"});
        let refused = client.ok(ANONYMISE, variables).await["anonymisePatient"]["userErrors"][0].clone();
        assert_eq!(refused["code"], code);
    }
}

#[test]
fn every_table_that_refers_to_patients_is_cleared() {
    let cleared: BTreeSet<&str> = TRACES.iter().map(|trace| trace.table).collect();
    let referring: BTreeSet<&str> = REFERENCES.iter().map(|reference| reference.column.0).collect();
    let missing: Vec<_> = referring.difference(&cleared).collect();
    assert!(missing.is_empty(), "src/domain/portability/anonymise/traces.rs needs a line for {missing:?}");
}
