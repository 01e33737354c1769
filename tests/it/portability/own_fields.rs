//! Fields of the centre's own that hold sensitive values: sealed when they come in, given to who may see them, and gone
//! with the person.

use horae::schema::id::Kind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Office, counts, file_of};
use crate::{
    patients::{merge_as, names},
    record::Ward,
    support::app::Client,
};

/// Defines a field that everybody sees, and a sensitive one.
async fn define(admin: &Client) {
    define_as(admin, false).await;
}

/// The same, and whether the sensitive one has to be filled in.
async fn define_as(admin: &Client, required: bool) {
    let document = "mutation($fields: [TemplateFieldInput!]!) {
        setPatientFields(fields: $fields) { userErrors { code message field } } }";
    let fields = json!([
        {"key": "club", "label": "Club", "type": "TEXT", "position": 1},
        {"key": "allergy", "label": "Alergia", "type": "TEXT", "sensitive": true, "required": required, "position": 2},
        {"key": "papers", "label": "Papeles", "type": "FILE", "position": 3},
    ]);
    let answer = admin.ok(document, json!({ "fields": fields })).await;
    assert_eq!(answer["setPatientFields"]["userErrors"], json!([]));
}

const LIST: &str = "Nombre;Club;Alergia\nRosa;Verde;Penicilinazul\nLuis;Rojo;\n";

#[tokio::test]
async fn what_is_imported_is_sealed_and_only_who_may_see_it_may_bring_it() {
    let office = Office::open().await;
    let admin = office.app.admin("alfa").await;
    define(&admin).await;
    // The clerk does not see the field, so no column can be it.
    let file = office.bring_text(LIST.as_bytes()).await;
    let mapping = json!({"columns": {"Nombre": "givenNames", "Alergia": "customFields.allergy"}});
    let refused = office.import(&file, mapping.clone()).await;
    assert_eq!(refused["userErrors"][0]["field"], json!(["mapping", "columns", "Alergia"]), "{refused:#}");

    let actor = office.app.actor_of(&admin).await;
    let office = Office { clerk: admin, actor, ..office };
    let file = office.bring_text(LIST.as_bytes()).await;
    let job = office.imported(&file, json!({})).await;
    assert_eq!(counts(&job), (&json!("SUCCEEDED"), 2, 0, 0), "{job:#}");
    assert_eq!(office.centre.count("SELECT count(*) FROM patient_values").await, 1);
    for sql in [
        "SELECT count(*) FROM patients t WHERE t::text ~* 'penicilinazul'",
        "SELECT count(*) FROM patient_values t WHERE t::text ~* 'penicilinazul' OR encode(value_sealed, 'escape') ~* 'penicilinazul'",
        "SELECT count(*) FROM imported_rows t WHERE t::text ~* 'penicilinazul'",
        "SELECT count(*) FROM background_jobs t WHERE t::text ~* 'penicilinazul'",
        "SELECT count(*) FROM events t WHERE t::text ~* 'penicilinazul'",
        "SELECT count(*) FROM audit_entries t WHERE t::text ~* 'penicilinazul'",
    ] {
        assert_eq!(office.centre.count(sql).await, 0, "{sql}");
    }
    let by =
        async |key: &str, value: &str| names(&office.clerk, json!({"customField": {"key": key, "value": value}})).await;
    assert_eq!(
        (by("allergy", "penicilinazul").await, by("club", "Rojo").await),
        (vec!["Rosa".to_owned()], vec!["Luis".to_owned()])
    );
}

#[tokio::test]
async fn an_import_writes_no_field_that_its_sender_does_not_see() {
    let office = Office::open().await;
    // Hidden and required: it cannot be filled in, so it stands in nobody's way.
    define_as(&office.app.admin("alfa").await, true).await;
    let before = office.patients().await;
    let file = office.bring_text(LIST.as_bytes()).await;
    let job = office.imported(&file, json!({})).await;
    assert_eq!(counts(&job), (&json!("SUCCEEDED"), 2, 0, 0), "{job:#}");
    assert_eq!(office.patients().await, before + 2);
    assert_eq!(office.centre.count("SELECT count(*) FROM patient_values").await, 0);
    let seen = "SELECT count(*) FROM patients WHERE custom_values ->> 'club' IN ('Verde', 'Rojo')";
    assert_eq!(office.centre.count(seen).await, 2);

    // A job of before, which does not say who sent it, runs as it would have.
    let file = office.bring_text(b"Nombre;Alergia\nEva;Penicilinazul\n").await;
    let payload = office.import(&file, json!({})).await;
    office.centre.run("UPDATE background_jobs SET input = input - 'permissions'", vec![]).await;
    office.app.run_jobs().await;
    let job = office.job(&payload["job"]["id"]).await;
    assert_eq!(counts(&job), (&json!("SUCCEEDED"), 1, 0, 0), "{job:#}");
    assert_eq!(office.centre.count("SELECT count(*) FROM patient_values").await, 1);
}

#[tokio::test]
async fn a_sensitive_value_is_exported_to_who_may_see_it_and_goes_when_the_person_does() {
    let ward = Ward::open().await;
    define(&ward.admin).await;
    let patient = ward.id(Kind::Patient, ward.patient);
    let document = "mutation($id: ID!, $version: Int!, $input: PatientInput!) {
        updatePatient(id: $id, version: $version, input: $input) { userErrors { code message field } } }";
    let values = json!([{"key": "club", "value": "Verde"}, {"key": "allergy", "value": "Penicilinazul"}]);
    let input = json!({"givenNames": "Rosa", "customFields": values});
    let saved = ward.admin.ok(document, json!({"id": patient, "version": 1, "input": input})).await;
    assert_eq!(saved["updatePatient"]["userErrors"], json!([]));

    let rights = ["AGENDA_READ", "PATIENT_READ", "PATIENT_WRITE", "RECORD_READ"];
    for (rights, fields) in
        [(&rights[..], json!({"club": "Verde", "allergy": "Penicilinazul"})), (&rights[..3], json!({"club": "Verde"}))]
    {
        let client = ward.somebody(rights).await;
        let data: Value = serde_json::from_slice(&super::export::data(&ward, &client).await).unwrap();
        assert_eq!(data["patient"]["customFields"], fields, "{rights:?}");
    }

    ward.centre.run("UPDATE appointments SET status = 'COMPLETED'", vec![]).await;
    let gone = super::anonymise::anonymise(&ward, ward.patient).await;
    assert_eq!(gone["userErrors"], json!([]), "{gone:#}");
    assert_eq!(ward.centre.count("SELECT count(*) FROM patient_values").await, 0);
    assert_eq!(ward.centre.count("SELECT count(*) FROM patients t WHERE t::text ~* 'penicilinazul|verde'").await, 0);
}

#[tokio::test]
async fn a_file_in_a_field_is_the_patients_own_also_after_a_merge() {
    let ward = Ward::open().await;
    define(&ward.admin).await;
    let (other, _) = ward.patient("Eva").await;
    let mine = ward.id(Kind::Attachment, file_of(&ward, ward.patient, "mía.csv", b"1").await);
    let theirs = ward.id(Kind::Attachment, file_of(&ward, other, "ajena.csv", b"2").await);
    let unknown = ward.id(Kind::Attachment, Uuid::new_v4());
    let document = "mutation($id: ID!, $version: Int!, $input: PatientInput!) {
        updatePatient(id: $id, version: $version, input: $input) {
            patient { customFields { key value } } userErrors { code message field } } }";
    let give = async |files: Value| {
        let input = json!({"givenNames": "Rosa", "customFields": [{"key": "papers", "value": files}]});
        let variables = json!({"id": ward.id(Kind::Patient, ward.patient), "version": 1, "input": input});
        ward.admin.ok(document, variables).await["updatePatient"].clone()
    };
    for stranger in [&theirs, &unknown] {
        let refused = give(json!([mine, stranger])).await["userErrors"][0].clone();
        assert_eq!(
            (&refused["code"], &refused["field"][0]),
            (&json!("NOT_FOUND"), &json!("customFields")),
            "{refused:#}"
        );
    }
    let given = give(json!(mine)).await;
    assert_eq!(given["userErrors"], json!([]), "{given:#}");
    let papers = |patient: &Value| {
        let fields = patient["customFields"].as_array().unwrap();
        fields.iter().find(|one| one["key"] == "papers").unwrap()["value"].clone()
    };
    assert_eq!(papers(&given["patient"]), json!([mine]));

    let (keep, gone) =
        (json!({"id": ward.id(Kind::Patient, other)}), json!({"id": ward.id(Kind::Patient, ward.patient)}));
    let merged = merge_as(&ward.admin, &keep, &gone, Uuid::new_v4()).await;
    assert_eq!(merged["userErrors"], json!([]), "{merged:#}");
    assert_eq!(papers(&merged["patient"]), json!([mine]), "the file came along with what names it");
}
