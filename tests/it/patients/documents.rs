//! Documents and telephone numbers.

use serde_json::json;

use super::Desk;
use crate::centre::refused;

#[tokio::test]
async fn a_rut_is_kept_in_one_form_and_belongs_to_one_patient() {
    let desk = Desk::open().await;
    let rut = |number: &str| json!({"kind": "RUT", "number": number, "country": "CL"});
    let first = desk.created(json!({"givenNames": "Ana", "document": rut("10.000.013-k")})).await;
    assert_eq!(first["document"], json!({"kind": "RUT", "number": "10000013-K", "country": "CL"}));
    for same in ["10000013K", "10.000.013-K", "010000013-k", " 10 000 013 k"] {
        let payload = desk.create(json!({"givenNames": "Otra", "document": rut(same)})).await;
        assert_eq!(refused(&payload), ["ALREADY_EXISTS document.number"], "{same}");
        assert_eq!(desk.names(json!({"document": same})).await, ["Ana"], "{same}");
    }
    let other = desk.created(json!({"givenNames": "Berta", "document": rut("12.345.678-5")})).await;
    let payload = desk.update(&other, json!({"givenNames": "Berta", "document": rut("10.000.013-k")})).await;
    assert_eq!(refused(&payload), ["ALREADY_EXISTS document.number"]);
    assert_eq!(desk.patient(&other["id"]).await, other, "a refusal changes nothing");
    assert_eq!(desk.names(json!({"document": "1"})).await, [""; 0], "exactly, not the beginning");
}

#[tokio::test]
async fn what_is_no_document_is_refused_at_its_field() {
    let desk = Desk::open().await;
    for (kind, number, country, field) in [
        ("RUT", "12.345.678-4", "CL", "document.number"),
        ("RUT", "12.345.678-5", "AR", "document.country"),
        ("DNI", "12345678A", "ES", "document.number"),
        ("NIE", "X1234567A", "ES", "document.number"),
        ("CURP", "HEGG560427MVZRRL05", "MX", "document.number"),
        ("RFC", "HEGG561327AB1", "MX", "document.number"),
        ("CI", "1710034066", "EC", "document.number"),
        ("CI", "12345673", "UY", "document.number"),
        ("CC", "12A", "CO", "document.number"),
        ("PASSPORT", "1", "FR", "document.number"),
    ] {
        let document = json!({"kind": kind, "number": number, "country": country});
        let payload = desk.create(json!({"givenNames": "Ana", "document": document})).await;
        assert_eq!(refused(&payload), [format!("INVALID {field}")], "{document}");
    }
    let payload =
        desk.create(json!({"givenNames": "Ana", "document": {"kind": "DNI", "number": ".-", "country": "ES"}})).await;
    assert_eq!(refused(&payload), ["REQUIRED document.number"]);
    assert_eq!(desk.names(json!({})).await, [""; 0]);
}

#[tokio::test]
async fn a_telephone_number_needs_no_code_in_its_own_country() {
    let desk = Desk::open().await;
    let written = json!(["9 6123 4567", "(2) 2345-6789", "+34 612 345 678", "+56961234567"]);
    let one = desk.created(json!({"givenNames": "Ana", "phones": written})).await;
    assert_eq!(one["phones"], json!(["+56961234567", "+56223456789", "+34612345678"]), "each once");
    let payload = desk.create(json!({"givenNames": "Eva", "phones": ["+56961234567", "12345"]})).await;
    assert_eq!(refused(&payload), ["INVALID phones.1"]);
    let document = "mutation($phones: [PhoneNumber!]) { createPatient(input: {givenNames: \"Eva\", phones: $phones}, idempotencyKey: \"7a1b6a52-4d3c-4bd0-9f0e-1f6c6a0f7a11\") { userErrors { code } } }";
    assert_eq!(desk.admin.error_code(document, json!({"phones": ["no soy un número"]})).await, "BAD_USER_INPUT");
    // Branches are not patients: their number is what the world calls.
    let branch = "mutation { upsertBranch(input: {name: \"Sur\", timeZone: \"America/Santiago\", phone: \"223456789\"}) { userErrors { code message field } } }";
    let payload = desk.admin.ok(branch, json!({})).await["upsertBranch"].clone();
    assert_eq!(refused(&payload), ["INVALID phone"]);
}
