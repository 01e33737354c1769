//! From a draft to a signature, and from there to the entry that stands in its place.

use horae::schema::id::Kind;
use serde_json::json;

use super::{Ward, entry, refused, value};

#[tokio::test]
async fn an_entry_is_written_changed_and_signed() {
    let ward = Ward::open().await;
    let mut input = ward.input(&[("weight", json!("70.50"))]);
    input["appointmentId"] = ward.id(Kind::Appointment, ward.appointment);
    let draft = entry(ward.save(&ward.doctor, input.clone()).await);
    assert_eq!((&draft["status"], &draft["version"]), (&json!("DRAFT"), &json!(1)));
    assert_eq!(draft["appointment"]["id"], input["appointmentId"]);
    assert_eq!(value(&draft, "double").unwrap().as_str().unwrap().parse::<f64>().unwrap(), 141.0);
    // What has to be filled holds up the signature, not the draft.
    assert_eq!(refused(&ward.sign(&ward.doctor, &draft).await), ("REQUIRED".to_owned(), "values.note".to_owned()));
    let mut more = ward.input(&[("note", json!("Dolor lumbar"))]);
    (more["id"], more["version"]) = (draft["id"].clone(), json!(1));
    let draft = entry(ward.save(&ward.doctor, more.clone()).await);
    assert_eq!((&draft["version"], value(&draft, "note")), (&json!(2), Some(&json!("Dolor lumbar"))));
    assert!(value(&draft, "weight").is_some_and(|weight| !weight.is_null()), "what was not named stays: {draft}");
    assert_eq!(refused(&ward.save(&ward.doctor, more).await).0, "VERSION_CONFLICT");
    assert!(draft["signatureHash"].is_null() && draft["signatureValid"].is_null());
    let signed = entry(ward.sign(&ward.doctor, &draft).await);
    assert_eq!((&signed["status"], &signed["signatureValid"]), (&json!("SIGNED"), &json!(true)));
    assert_eq!(signed["signatureHash"].as_str().unwrap().len(), 64);
    assert_eq!(signed["signedBy"]["displayName"], signed["author"]["displayName"]);
    let read = ward.entries(&ward.doctor).await;
    assert_eq!(read, std::slice::from_ref(&signed));
    // What is signed is neither written nor signed nor given up again.
    let mut again = ward.input(&[("note", json!("otra"))]);
    (again["id"], again["version"]) = (signed["id"].clone(), signed["version"].clone());
    for payload in [
        ward.save(&ward.doctor, again).await,
        ward.sign(&ward.doctor, &signed).await,
        ward.void(&ward.doctor, &signed, "me equivoqué").await,
    ] {
        assert_eq!(refused(&payload), ("INVALID_TRANSITION".to_owned(), "id".to_owned()));
        assert_eq!(
            (&payload["userErrors"][0]["from"], &payload["userErrors"][0]["allowed"]),
            (&json!("SIGNED"), &json!(["AMENDED"]))
        );
    }
    assert_eq!(ward.entries(&ward.doctor).await, [signed]);
}

#[tokio::test]
async fn amendments_are_a_chain_and_what_they_amend_stays_as_it_was_signed() {
    let ward = Ward::open().await;
    let first = ward.signed("Alergia a la penicilina").await;
    let words = |note: &str| ward.input(&[("note", json!(note))]);
    let draft = entry(ward.amend(&ward.doctor, &first, words("Sin alergias"), "Era de otra paciente").await);
    assert_eq!((&draft["status"], &draft["amends"]["id"]), (&json!("DRAFT"), &first["id"]));
    assert_eq!(draft["amendmentReason"], "Era de otra paciente");
    // It begins with what the other one says.
    assert_eq!(value(&draft, "weight"), value(&first, "weight"));
    // Until it is signed the first one stands, and there is one draft at a time.
    assert_eq!(ward.entry(&ward.doctor, &first["id"]).await["status"], "SIGNED");
    assert_eq!(
        refused(&ward.amend(&ward.admin, &first, words("x"), "y").await),
        ("ALREADY_EXISTS".to_owned(), "id".to_owned())
    );
    let voided = entry(ward.void(&ward.doctor, &draft, "incompleta").await);
    assert_eq!((&voided["status"], &voided["voidReason"]), (&json!("VOIDED"), &json!("incompleta")));
    let draft = entry(ward.amend(&ward.doctor, &first, words("Sin alergias"), "Era de otra paciente").await);
    let second = entry(ward.sign(&ward.doctor, &draft).await);
    let amended = ward.entry(&ward.doctor, &first["id"]).await;
    assert_eq!((&amended["status"], &amended["signatureValid"]), (&json!("AMENDED"), &json!(true)));
    for field in ["values", "signatureHash", "signedAt", "at", "templateVersion"] {
        assert_eq!(amended[field], first[field], "{field}");
    }
    // Who comes late amends the last of the chain.
    let late = ward.amend(&ward.doctor, &first, words("z"), "tarde").await;
    assert_eq!(refused(&late).0, "INVALID_TRANSITION");
    assert_eq!(late["userErrors"][0]["allowed"], json!([]));
    let draft = entry(ward.amend(&ward.doctor, &second, words("Alergia al látex"), "Faltaba").await);
    let third = entry(ward.sign(&ward.doctor, &draft).await);
    let states: Vec<_> = ward.entries(&ward.doctor).await.into_iter().map(|one| one["status"].clone()).collect();
    assert_eq!(states.iter().filter(|status| **status == "AMENDED").count(), 2);
    assert_eq!((&third["amends"]["id"], &third["amends"]["status"]), (&second["id"], &json!("AMENDED")));
}

#[tokio::test]
async fn a_draft_is_its_authors_and_others_may_sign_it() {
    let ward = Ward::open().await;
    let draft = ward.draft("de la doctora").await;
    let mut input = ward.input(&[("note", json!("de otro"))]);
    (input["id"], input["version"]) = (draft["id"].clone(), draft["version"].clone());
    assert_eq!(refused(&ward.save(&ward.admin, input).await), ("FORBIDDEN".to_owned(), "id".to_owned()));
    let writer = ward.somebody(&["AGENDA_READ", "PATIENT_READ", "RECORD_READ", "RECORD_WRITE"]).await;
    assert_eq!(refused(&ward.void(&writer, &draft, "x").await).0, "FORBIDDEN");
    assert_eq!(refused(&ward.sign(&writer, &draft).await).0, "FORBIDDEN");
    let signed = entry(ward.sign(&ward.admin, &draft).await);
    assert_eq!(signed["author"], draft["author"]);
    assert_ne!(signed["signedBy"]["displayName"], signed["author"]["displayName"]);
    // Programs have no name to put under it.
    let document = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }";
    let key =
        json!({"name": "k", "permissions": ["AGENDA_READ", "PATIENT_READ", "RECORD_WRITE"], "publishable": false});
    let secret = ward.admin.ok(document, json!({ "input": key })).await["createApiKey"]["secret"].clone();
    let program = crate::support::app::Client { token: secret.as_str().map(str::to_owned), ..ward.app.anonymous() };
    assert_eq!(refused(&ward.save(&program, ward.input(&[])).await).0, "FORBIDDEN");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_at_its_place_and_nothing_is_written() {
    let ward = Ward::open().await;
    let (other, others_visit) = ward.patient("Eva").await;
    let draft = ward.draft("nota").await;
    let base = || ward.input(&[("note", json!("x"))]);
    let with = |field: &str, value: serde_json::Value| {
        let mut input = base();
        input[field] = value;
        input
    };
    let before = crate::support::fingerprint::fingerprint(&ward.app, "alfa").await;
    for (input, code, field) in [
        (ward.input(&[("weight", json!("500"))]), "INVALID", "values.0.value"),
        (ward.input(&[("weight", json!("setenta"))]), "INVALID", "values.0.value"),
        (ward.input(&[("nowhere", json!("x"))]), "NOT_FOUND", "values.0.key"),
        (ward.input(&[("note", json!("a")), ("note", json!("b"))]), "INVALID", "values.1.key"),
        (ward.input(&[("double", json!("3"))]), "INVALID", "values.0.value"),
        (with("appointmentId", ward.id(Kind::Appointment, others_visit)), "NOT_FOUND", "appointmentId"),
        (with("patientId", ward.id(Kind::Patient, uuid::Uuid::new_v4())), "NOT_FOUND", "patientId"),
        (with("templateId", ward.id(Kind::RecordTemplate, uuid::Uuid::new_v4())), "NOT_FOUND", "templateId"),
        (with("version", json!(1)), "INVALID", "version"),
        (with("id", draft["id"].clone()), "REQUIRED", "version"),
    ] {
        assert_eq!(
            refused(&ward.save(&ward.doctor, input.clone()).await),
            (code.to_owned(), field.to_owned()),
            "{input}"
        );
    }
    // Another patient's record does not take it over.
    let mut moved = with("patientId", ward.id(Kind::Patient, other));
    (moved["id"], moved["version"]) = (draft["id"].clone(), json!(1));
    assert_eq!(refused(&ward.save(&ward.doctor, moved).await), ("NOT_FOUND".to_owned(), "id".to_owned()));
    assert_eq!(refused(&ward.void(&ward.doctor, &draft, " ").await), ("REQUIRED".to_owned(), "reason".to_owned()));
    assert_eq!(crate::support::fingerprint::fingerprint(&ward.app, "alfa").await, before);
}
