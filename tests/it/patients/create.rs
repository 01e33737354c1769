//! Creating patients, every field of them, and what bookings write.

use horae::{auth::BuiltinRole, schema::id::Kind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Desk, PATIENT, create};
use crate::centre::{events_after, refused};

#[tokio::test]
async fn every_field_of_the_profile_is_kept() {
    let desk = Desk::open().await;
    let branch = desk.centre.branch("Centro", "America/Santiago").await;
    let ana = desk.id(Kind::Resource, desk.centre.professional("Ana", branch).await);
    let category = category(&desk, "Socios").await;
    let mother = desk.created(json!({"givenNames": "Marta"})).await;
    let (_, head) = events_after(&desk.centre, 0).await;
    let input = json!({
        "fileNumber": "F-77", "givenNames": " Sofía ", "paternalSurname": "Ñúñez", "maternalSurname": "De la O",
        "document": {"kind": "PASSPORT", "number": "ab-123456", "country": "FR"}, "isForeign": true,
        "email": "Sofia@Example.com", "phones": ["+56961234567"], "sex": "FEMALE", "birthDate": "2015-02-28",
        "status": "INACTIVE", "usualProfessionalId": ana, "categoryId": category["id"], "referralSource": "Instagram",
        "rating": 4, "comments": ["Prefiere la tarde", "Llega tarde"], "guardianIds": [mother["id"]],
        "marketingConsent": true, "marketingConsentSource": "ficha firmada",
    });
    let made = desk.created(input).await;
    for (field, value) in [
        ("version", json!(1)),
        ("fileNumber", json!("F-77")),
        ("givenNames", json!("Sofía")),
        ("paternalSurname", json!("Ñúñez")),
        ("maternalSurname", json!("De la O")),
        ("document", json!({"kind": "PASSPORT", "number": "AB123456", "country": "FR"})),
        ("isForeign", json!(true)),
        ("email", json!("sofia@example.com")),
        ("phones", json!(["+56961234567"])),
        ("sex", json!("FEMALE")),
        ("birthDate", json!("2015-02-28")),
        ("status", json!("INACTIVE")),
        ("usualProfessional", json!({"id": ana, "name": "Ana"})),
        ("category", category),
        ("referralSource", json!("Instagram")),
        ("rating", json!(4)),
        ("comments", json!(["Prefiere la tarde", "Llega tarde"])),
        ("customFields", json!([])),
        ("guardians", json!([{"id": mother["id"], "givenNames": "Marta"}])),
        ("mergedInto", json!(null)),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
    let consent = &made["marketingConsent"];
    assert_eq!((&consent["granted"], &consent["source"]), (&json!(true), &json!("ficha firmada")));
    assert!(consent["at"].is_string());
    assert_eq!(desk.patient(&made["id"]).await, made);
    assert_eq!(events_after(&desk.centre, head).await.0, ["patient.created"]);
}

#[tokio::test]
async fn a_key_creates_once_and_says_whom_it_may_be() {
    let desk = Desk::open().await;
    let first =
        desk.created(json!({"givenNames": "Ana", "paternalSurname": "Rojas", "phones": ["+56961234567"]})).await;
    let input = json!({"givenNames": "Anita", "phones": ["9 6123 4567"]});
    let key = Uuid::new_v4();
    let made = create(&desk.admin, &input, key).await;
    assert_eq!(made["possibleDuplicates"], json!([{"id": first["id"], "givenNames": "Ana"}]));
    assert_eq!(create(&desk.admin, &input, key).await, made, "the same answer");
    assert_eq!(desk.centre.count("SELECT count(*) FROM patients").await, 2);
    let other = create(&desk.admin, &json!({"givenNames": "Otra"}), key).await;
    assert_eq!(refused(&other), ["IDEMPOTENCY_KEY_REUSED idempotencyKey"]);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_at_its_field_and_nothing_is_written() {
    let desk = Desk::open().await;
    let branch = desk.centre.branch("Centro", "America/Santiago").await;
    let room = desk.id(Kind::Resource, desk.centre.room("Box", branch, 1).await);
    let nothing = desk.id(Kind::PatientCategory, Uuid::new_v4());
    let nobody = desk.id(Kind::Patient, Uuid::new_v4());
    let stranger = desk.id(Kind::Resource, Uuid::new_v4());
    let long = "x".repeat(201);
    for (more, expected) in [
        (json!({"givenNames": " "}), "REQUIRED givenNames"),
        (json!({"givenNames": long}), "INVALID givenNames"),
        (json!({"paternalSurname": "a\nb"}), "INVALID paternalSurname"),
        (json!({"maternalSurname": "a\u{0}b"}), "INVALID maternalSurname"),
        (json!({"fileNumber": long}), "INVALID fileNumber"),
        (json!({"referralSource": long}), "INVALID referralSource"),
        (json!({"birthDate": "2099-01-01"}), "INVALID birthDate"),
        (json!({"rating": 0}), "INVALID rating"),
        (json!({"rating": 6}), "INVALID rating"),
        (json!({"status": "MERGED"}), "INVALID status"),
        (json!({"phones": vec!["+56961234567"; 6]}), "INVALID phones"),
        (json!({"comments": vec!["x"; 51]}), "INVALID comments"),
        (json!({"comments": ["x".repeat(2_001)]}), "INVALID comments.0"),
        (json!({"categoryId": nothing}), "NOT_FOUND categoryId"),
        (json!({"usualProfessionalId": stranger}), "NOT_FOUND usualProfessionalId"),
        (json!({"usualProfessionalId": room}), "INVALID usualProfessionalId"),
        (json!({"guardianIds": [nobody]}), "NOT_FOUND guardianIds.0"),
        (json!({"customFields": [{"key": "nada", "value": 1}]}), "NOT_FOUND customFields.0.key"),
        (json!({"marketingConsent": true, "marketingConsentSource": long}), "INVALID marketingConsentSource"),
    ] {
        let mut input = json!({"givenNames": "Ana"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(refused(&desk.create(input).await), [expected], "{more}");
    }
    assert_eq!(desk.centre.count("SELECT count(*) FROM patients").await, 0);
    let both = desk.create(json!({"givenNames": "", "rating": 9})).await;
    assert_eq!(refused(&both), ["INVALID rating", "REQUIRED givenNames"], "everything at once");
}

#[tokio::test]
async fn categories_have_a_name_each() {
    let desk = Desk::open().await;
    let one = category(&desk, "Socios").await;
    assert_eq!(one["color"], "#3A7BD5");
    let upsert = "mutation($id: ID, $name: String!, $color: String) { upsertPatientCategory(id: $id, name: $name, color: $color) {
        category { id name color } userErrors { code message field } } }";
    let send = async |variables: Value| desk.admin.ok(upsert, variables).await["upsertPatientCategory"].clone();
    assert_eq!(refused(&send(json!({"name": "Socios"})).await), ["ALREADY_EXISTS name"]);
    assert_eq!(refused(&send(json!({"name": ""})).await), ["REQUIRED name"]);
    assert_eq!(refused(&send(json!({"name": "A", "color": "rojo"})).await), ["INVALID color"]);
    let nothing = desk.id(Kind::PatientCategory, Uuid::new_v4());
    assert_eq!(refused(&send(json!({"id": nothing, "name": "A"})).await), ["NOT_FOUND id"]);
    let renamed = send(json!({"id": one["id"], "name": "Club"})).await["category"].clone();
    assert_eq!(renamed, json!({"id": one["id"], "name": "Club", "color": "#3A7BD5"}));
    let plain = send(json!({"id": one["id"], "name": "Club", "color": ""})).await["category"].clone();
    assert_eq!(plain["color"], json!(null));
    let list = desk.admin.ok("{ patientCategories { id name color } }", json!({})).await;
    assert_eq!(list["patientCategories"], json!([plain]));
}

#[tokio::test]
async fn who_only_books_says_who_the_patient_is_and_nothing_of_the_centre() {
    let clinic = crate::booking::Clinic::open().await;
    let book = async |new: Value| {
        let mut input = clinic.input(clinic.professionals[0], "2026-07-14T10:00:00-04:00");
        input.as_object_mut().unwrap().remove("patientId");
        input["newPatient"] = new;
        crate::booking::api::call(&clinic.admin, "bookAppointment", json!({ "input": input })).await
    };
    for (more, expected) in [
        (json!({"rating": 5}), "INVALID newPatient.rating"),
        (json!({"comments": ["x"]}), "INVALID newPatient.comments"),
        (json!({"status": "INACTIVE"}), "INVALID newPatient.status"),
        (json!({"customFields": []}), "INVALID newPatient.customFields"),
        (json!({"guardianIds": []}), "INVALID newPatient.guardianIds"),
        (json!({"phones": ["123"]}), "INVALID newPatient.phones.0"),
        (json!({"document": {"kind": "RUT", "number": "1-1", "country": "CL"}}), "INVALID newPatient.document.number"),
    ] {
        let mut new = json!({"givenNames": "Ana"});
        new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        if more.get("phones").is_some() {
            // Too short for a telephone number anywhere, so the scalar itself refuses it.
            continue;
        }
        assert_eq!(refused(&book(new).await), [expected], "{more}");
    }
    let new =
        json!({"givenNames": "Ana", "phones": ["961234567"], "referralSource": "Instagram", "marketingConsent": true});
    let booked = crate::booking::api::done(&book(new).await);
    let document = format!("query($id: ID!) {{ patient(id: $id) {{ {PATIENT} }} }}");
    let patient = clinic.admin.ok(&document, json!({"id": booked["patient"]["id"]})).await["patient"].clone();
    assert_eq!(patient["phones"], json!(["+56961234567"]));
    assert_eq!(
        (&patient["referralSource"], &patient["marketingConsent"]["source"]),
        (&json!("Instagram"), &json!("BOOKING"))
    );
}

#[tokio::test]
async fn who_may_not_write_is_refused() {
    let desk = Desk::open().await;
    let cashier = desk.app.user("alfa", BuiltinRole::Cashier).await;
    let payload = create(&cashier, &json!({"givenNames": "Ana"}), Uuid::new_v4()).await;
    assert_eq!(refused(&payload), ["FORBIDDEN "]);
}

async fn category(desk: &Desk, name: &str) -> Value {
    let upsert = "mutation($name: String!) { upsertPatientCategory(name: $name, color: \"#3a7bd5\") { category { id name color } } }";
    desk.admin.ok(upsert, json!({ "name": name })).await["upsertPatientCategory"]["category"].clone()
}
