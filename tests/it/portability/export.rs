//! Everything of one patient in one archive, for who may see it.

use std::io::{Read, Seek, Write};

use axum::{body::Body, http::Request};
use horae::schema::id::Kind;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{
    anonymise::{ANONYMISE, anonymise},
    file_of,
};
use crate::{
    record::{Ward, again, entry},
    support::{app::Client, fixtures::Booking, python},
};

const EXPORT: &str =
    "mutation($patient: ID!) { exportPatientData(patientId: $patient) { job { id } userErrors { code field } } }";
const JOB: &str = "query($id: ID!) { job(id: $id) { status problem resultUrl } }";

type Archive = zip::ZipArchive<std::fs::File>;

/// The archive that a client gets of the ward's patient.
async fn exported(ward: &Ward, client: &Client) -> Archive {
    let patient = ward.id(Kind::Patient, ward.patient);
    let asked = client.ok(EXPORT, json!({ "patient": patient })).await["exportPatientData"].clone();
    assert_eq!(asked["userErrors"], json!([]), "{asked:#}");
    ward.app.run_jobs().await;
    let job = client.ok(JOB, json!({"id": asked["job"]["id"]})).await["job"].clone();
    assert_eq!(job["status"], "SUCCEEDED", "{job:#}");
    let url = job["resultUrl"].as_str().unwrap();
    let request = Request::get(&url[url.find("/f/").unwrap()..]).body(Body::empty()).unwrap();
    let response = ward.app.router.clone().oneshot(request).await.unwrap();
    assert!(response.status().is_success(), "{:?}", response.status());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.rewind().unwrap();
    zip::ZipArchive::new(file).unwrap()
}

fn part(archive: &mut Archive, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    archive.by_name(name).unwrap_or_else(|_| panic!("no {name}")).read_to_end(&mut bytes).unwrap();
    bytes
}

/// What an export of the ward's patient has for programs.
pub async fn data(ward: &Ward, client: &Client) -> Vec<u8> {
    part(&mut exported(ward, client).await, "datos.json")
}

/// What a second program reads in a PDF.
fn words(pdf: &[u8]) -> String {
    let script = "import io, sys, pypdf
for page in pypdf.PdfReader(io.BytesIO(sys.stdin.buffer.read())).pages:
    sys.stdout.buffer.write((page.extract_text() + '\\n').encode())";
    python::told(script, pdf).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn an_export_brings_the_files_and_the_paper_can_be_read() {
    let ward = Ward::open().await;
    ward.signed("Refiere dolor de espalda").await;
    let (first, second) = (b"una radiograf\xc3\xada".as_slice(), b"otra".as_slice());
    file_of(&ward, ward.patient, "panorámica.csv", first).await;
    ward.app.clock.set(ward.app.now() + chrono::TimeDelta::seconds(1));
    let named = file_of(&ward, ward.patient, "../../etc/passwd.csv", second).await;
    let (stranger, _) = ward.patient("Eva").await;
    file_of(&ward, stranger, "ajena.csv", b"ajena").await;
    let form = ward
        .publish(
            json!({"name": "Imágenes", "fields": [{"key": "files", "label": "Placas", "type": "FILE", "position": 1}]}),
        )
        .await;
    let mut input = ward.input(&[("files", json!([ward.id(Kind::Attachment, named)]))]);
    input["templateId"] = form["id"].clone();
    let draft = entry(ward.save(&ward.doctor, input).await);
    entry(ward.sign(&ward.doctor, &draft).await);

    let doctor = ward.somebody(&["AGENDA_READ", "PATIENT_READ", "PATIENT_WRITE", "RECORD_READ"]).await;
    let mut archive = exported(&ward, &doctor).await;
    assert_eq!(part(&mut archive, "archivos/001 panorámica.csv"), first);
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let other = names.iter().find(|name| name.starts_with("archivos/002 ")).unwrap().clone();
    assert_eq!(other.matches('/').count(), 1, "{other} leads nowhere else");
    assert_eq!(part(&mut archive, &other), second);
    let data: Value = serde_json::from_slice(&part(&mut archive, "datos.json")).unwrap();
    assert_eq!(data["files"][0]["fileName"], "archivos/001 panorámica.csv");
    assert_eq!(data["record"][1]["values"]["files"], json!([other]), "a field tells which file it means");
    let text = words(&part(&mut archive, "ficha.pdf"));
    for said in [
        "Datos personales",
        "Rosa Soto",
        "Consulta",
        "Evolución",
        "Refiere dolor de espalda",
        "70.5 kg",
        "001 panorámica.csv",
    ] {
        assert!(text.contains(said), "{said} is missing: {text}");
    }
}

#[tokio::test]
async fn an_export_has_the_visits_that_its_reader_sees() {
    let ward = Ward::open().await;
    let elsewhere = ward.centre.branch("Norte", "America/Santiago").await;
    let start = ward.app.now() + chrono::TimeDelta::days(2);
    let other = Booking::new(elsewhere, ward.patient, ward.treatment, &start.to_rfc3339(), 30);
    ward.centre.book(other).await;
    let rights = ["AGENDA_READ", "PATIENT_READ", "PATIENT_WRITE"];
    for (rights, branch, visits) in
        [(&rights[..], None, 2), (&rights[..], Some(ward.branch), 1), (&rights[1..], None, 0)]
    {
        let desk = ward.somebody_in(rights, branch).await;
        let data: Value = serde_json::from_slice(&data(&ward, &desk).await).unwrap();
        assert_eq!(data["appointments"].as_array().unwrap().len(), visits, "{rights:?} {branch:?}");
    }
}

#[tokio::test]
async fn an_export_has_no_files_of_fields_that_are_not_for_its_reader() {
    let ward = Ward::open().await;
    let file = file_of(&ward, ward.patient, "placa.csv", b"una").await;
    let form = ward
        .publish(json!({"name": "Imágenes", "fields": [
            {"key": "files", "label": "Placas", "type": "FILE", "position": 1, "visibleTo": ["RECORD_SIGN"]},
        ]}))
        .await;
    let mut input = ward.input(&[("files", json!([ward.id(Kind::Attachment, file)]))]);
    input["templateId"] = form["id"].clone();
    entry(ward.save(&ward.doctor, input).await);
    let rights = ["AGENDA_READ", "PATIENT_READ", "PATIENT_WRITE", "RECORD_READ", "RECORD_SIGN"];
    for (rights, parts) in [(&rights[..], 3), (&rights[..4], 2)] {
        let reader = ward.somebody(rights).await;
        assert_eq!(exported(&ward, &reader).await.len(), parts, "{rights:?}");
    }
}

#[tokio::test]
async fn an_export_of_a_centre_that_keeps_no_records_has_no_files() {
    let ward = Ward::open().await;
    file_of(&ward, ward.patient, "placa.csv", b"una").await;
    let doctor = ward.somebody(&["AGENDA_READ", "PATIENT_READ", "PATIENT_WRITE", "RECORD_READ"]).await;
    assert_eq!(exported(&ward, &doctor).await.len(), 3);
    ward.centre.run("UPDATE centre_profile SET clinical_record = false", vec![]).await;
    let mut archive = exported(&ward, &doctor).await;
    assert_eq!(archive.len(), 2);
    let data: Value = serde_json::from_slice(&part(&mut archive, "datos.json")).unwrap();
    assert_eq!((&data["files"], &data["record"]), (&json!([]), &Value::Null));
}

#[tokio::test]
async fn an_export_holds_what_its_reader_may_see_for_programs_and_for_people() {
    let ward = Ward::open().await;
    ward.signed("Refiere dolor de espalda").await;
    ward.centre
        .run("UPDATE patients SET comments = '{\"Prefiere la mañana\"}' WHERE id = $1", vec![ward.patient.into()])
        .await;
    let doctor = ward.somebody(&["AGENDA_READ", "PATIENT_READ", "PATIENT_WRITE", "RECORD_READ"]).await;
    let mut archive = exported(&ward, &doctor).await;
    let data: Value = serde_json::from_slice(&part(&mut archive, "datos.json")).unwrap();
    assert_eq!(data["patient"]["givenNames"], "Rosa");
    assert_eq!(data["patient"]["comments"], json!(["Prefiere la mañana"]));
    assert_eq!(data["appointments"][0]["items"][0]["treatment"], "Consulta");
    assert_eq!(data["record"][0]["values"]["note"], "Refiere dolor de espalda");
    let paper = part(&mut archive, "ficha.pdf");
    assert!(paper.starts_with(b"%PDF-") && paper.len() > 2_000, "{}", paper.len());
    // Whoever may not read records gets the rest.
    let desk = ward.somebody(&["AGENDA_READ", "PATIENT_READ", "PATIENT_WRITE"]).await;
    let mut archive = exported(&ward, &desk).await;
    let text = String::from_utf8(part(&mut archive, "datos.json")).unwrap();
    let data: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&data["patient"]["givenNames"], &data["record"]), (&json!("Rosa"), &Value::Null));
    assert!(!text.contains("espalda"));
    assert_eq!(archive.len(), 2);
    // That it left the house is in the trail, under who asked.
    let told = ward.centre.count("SELECT count(*) FROM audit_entries WHERE action = 'exportPatientData' AND subject_type = 'Patient' AND actor_kind = 'USER'").await;
    let viewed =
        ward.centre.count("SELECT count(*) FROM events WHERE type = 'record.viewed' AND actor_kind = 'USER'").await;
    assert_eq!((told, viewed), (2, 1));
}

#[tokio::test]
async fn an_archive_with_the_record_is_kept_from_who_may_not_read_records_any_more() {
    let ward = Ward::open().await;
    ward.signed("Refiere dolor de espalda").await;
    let patient = ward.id(Kind::Patient, ward.patient);
    let doctor = ward.somebody(&["AGENDA_READ", "PATIENT_READ", "PATIENT_WRITE", "RECORD_READ"]).await;
    let asked = doctor.ok(EXPORT, json!({ "patient": patient })).await["exportPatientData"].clone();
    ward.app.run_jobs().await;
    let id = json!({"id": asked["job"]["id"]});
    assert!(doctor.ok(JOB, id.clone()).await["job"]["resultUrl"].is_string());

    let user = ward.app.actor_of(&doctor).await.id.unwrap();
    let sql = "UPDATE roles SET permissions = array_remove(permissions, 'RECORD_READ')
        WHERE id IN (SELECT role_id FROM user_roles WHERE user_id = $1) AND 'RECORD_READ' = ANY (permissions)";
    assert_eq!(ward.centre.run(sql, vec![user.into()]).await, 1);
    let doctor = again(&ward.app, &ward.centre, user).await;
    let job = doctor.ok(JOB, id).await["job"].clone();
    assert_eq!((&job["status"], &job["resultUrl"]), (&json!("SUCCEEDED"), &Value::Null), "{job:#}");
}

#[tokio::test]
async fn an_export_is_for_who_asked_and_nobody_else() {
    let ward = Ward::open().await;
    let patient = ward.id(Kind::Patient, ward.patient);
    let desk = ward.somebody(&["AGENDA_READ", "PATIENT_READ", "PATIENT_WRITE"]).await;
    let asked = desk.ok(EXPORT, json!({ "patient": patient })).await["exportPatientData"].clone();
    ward.app.run_jobs().await;
    assert_eq!(ward.admin.error_code(JOB, json!({"id": asked["job"]["id"]})).await, "NOT_FOUND");
    for (client, code) in [
        (ward.somebody(&["AGENDA_READ", "PATIENT_READ", "RECORD_READ"]).await, "FORBIDDEN"),
        (ward.somebody(&["PATIENT_WRITE"]).await, "FORBIDDEN"),
        (ward.app.admin("beta").await, "NOT_FOUND"),
    ] {
        let refused = client.ok(EXPORT, json!({ "patient": patient })).await["exportPatientData"].clone();
        assert_eq!(refused["userErrors"][0]["code"], code, "{refused:#}");
    }
}

#[tokio::test]
async fn an_export_of_somebody_who_is_anonymised_meanwhile_fails_and_leaves_no_archive() {
    let ward = Ward::open().await;
    let patient = ward.id(Kind::Patient, ward.patient);
    let desk = ward.somebody(&["AGENDA_READ", "PATIENT_READ", "PATIENT_WRITE"]).await;
    let asked = desk.ok(EXPORT, json!({ "patient": patient })).await["exportPatientData"].clone();
    assert_eq!(asked["userErrors"], json!([]), "{asked:#}");
    ward.centre.run("UPDATE appointments SET status = 'COMPLETED'", vec![]).await;
    let gone = anonymise(&ward, ward.patient).await;
    assert_eq!(gone["userErrors"], json!([]), "{gone:#}");
    ward.app.run_jobs().await;
    let job = desk.ok(JOB, json!({"id": asked["job"]["id"]})).await["job"].clone();
    assert_eq!((&job["status"], &job["resultUrl"]), (&json!("FAILED"), &Value::Null), "{job:#}");
    assert!(job["problem"].as_str().unwrap().contains("was anonymised"), "{job:#}");
    assert_eq!(ward.centre.count("SELECT count(*) FROM attachments").await, 0);
    // And nobody asks in vain.
    let again = desk.ok(EXPORT, json!({ "patient": patient })).await["exportPatientData"].clone();
    let error = &again["userErrors"][0];
    assert_eq!((&error["code"], &error["field"]), (&json!("INVALID"), &json!(["patientId"])), "{again:#}");
}

#[tokio::test]
async fn whatever_ends_first_somebody_anonymised_has_no_archive() {
    let ward = Ward::open().await;
    let desk = ward.somebody(&["AGENDA_READ", "PATIENT_READ", "PATIENT_WRITE"]).await;
    for round in 0..8 {
        let (patient, _) = ward.patient(&format!("Eva {round}")).await;
        ward.centre
            .run("UPDATE appointments SET status = 'COMPLETED' WHERE patient_id = $1", vec![patient.into()])
            .await;
        let patient = ward.id(Kind::Patient, patient);
        let asked = desk.ok(EXPORT, json!({ "patient": patient })).await["exportPatientData"].clone();
        assert_eq!(asked["userErrors"], json!([]), "{asked:#}");
        let anonymised = ward.admin.ok(ANONYMISE, json!({"patient": patient, "reason": "asked for it"}));
        let (_, gone) = tokio::join!(ward.app.run_jobs(), anonymised);
        assert_eq!(gone["anonymisePatient"]["userErrors"], json!([]), "{gone:#}");
        assert_eq!(ward.centre.count("SELECT count(*) FROM attachments").await, 0, "round {round}");
    }
}
