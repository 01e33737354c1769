//! Duplicates, and two that become one.

use std::collections::BTreeSet;

use horae::{auth::BuiltinRole, domain::patients::references::REFERENCES, schema::id::Kind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Desk, merge_as};
use crate::{
    centre::{events_after, local, refused},
    support::fixtures::Booking,
};

#[tokio::test]
async fn duplicates_are_alike_in_one_of_four_ways() {
    let desk = Desk::open().await;
    let document = json!({"kind": "DNI", "number": "30123456", "country": "AR"});
    let me = desk
        .created(json!({"givenNames": "Ana", "paternalSurname": "Núñez", "birthDate": "1990-05-01", "email": "ana@example.com",
            "phones": ["+56961234567", "+56961234568"], "document": document}))
        .await;
    for (name, more) in [
        ("Documento", json!({"document": {"kind": "OTHER", "number": "30.123.456", "country": "UY"}})),
        ("Correo", json!({"email": "ANA@example.com"})),
        ("Teléfono", json!({"phones": ["+56961234568"]})),
        ("ANA", json!({"paternalSurname": "nunez", "birthDate": "1990-05-01"})),
    ] {
        let mut input = json!({"givenNames": name});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        desk.created(input).await;
    }
    desk.created(json!({"givenNames": "Ana", "paternalSurname": "Núñez", "birthDate": "1990-05-02"})).await;
    let query = "query($id: ID!) { patientDuplicates(id: $id) { givenNames } }";
    let from = desk.app.app.cx.db.statements();
    let found = desk.admin.ok(query, json!({"id": me["id"]})).await;
    assert!(desk.app.app.cx.db.statements() - from <= 3, "constant statements");
    let found: BTreeSet<&str> =
        found["patientDuplicates"].as_array().unwrap().iter().map(|one| one["givenNames"].as_str().unwrap()).collect();
    assert_eq!(found, BTreeSet::from(["ANA", "Correo", "Documento", "Teléfono"]));
    let nobody = json!({"id": desk.id(Kind::Patient, Uuid::new_v4())});
    assert_eq!(desk.admin.error_code(query, nobody).await, "NOT_FOUND");
}

#[tokio::test]
async fn who_may_not_merge_is_told_so_before_anything_else() {
    let desk = Desk::open().await;
    let me = desk.created(json!({"givenNames": "Ana"})).await;
    let cashier = desk.app.user("alfa", BuiltinRole::Cashier).await;
    let payload = merge_as(&cashier, &me, &me, Uuid::new_v4()).await;
    assert_eq!(payload["userErrors"][0]["code"], "FORBIDDEN", "{payload:#}");
    let payload = merge_as(&desk.admin, &me, &me, Uuid::new_v4()).await;
    assert_eq!(payload["userErrors"][0]["code"], "INVALID", "{payload:#}");
}

#[tokio::test]
async fn everything_goes_to_the_one_that_is_kept() {
    let desk = Desk::open().await;
    let centre = &desk.centre;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let treatment = centre.treatment("Corte", 30).await;
    let child = desk.created(json!({"givenNames": "Niño"})).await;
    let father = desk.created(json!({"givenNames": "Padre"})).await;
    let keep = desk
        .created(
            json!({"givenNames": "Ana", "email": "ana@example.com", "phones": ["+56961234567"], "comments": ["Suya"],
            "marketingConsent": true}),
        )
        .await;
    desk.app.clock.advance(chrono::TimeDelta::minutes(5));
    let merge = desk
        .created(json!({"givenNames": "Anita", "paternalSurname": "Rojas", "email": "otra@example.com", "phones": ["+56961234568"],
            "document": {"kind": "RUT", "number": "12345678-5", "country": "CL"}, "birthDate": "1990-05-01", "sex": "FEMALE", "rating": 5,
            "comments": ["Ajena"], "guardianIds": [father["id"]], "marketingConsent": false}))
        .await;
    desk.update(&child, json!({"givenNames": "Niño", "guardianIds": [merge["id"]]})).await;
    let old = local(&desk.app, "alfa", Kind::Patient, &merge["id"]).await;
    let mut visits = Vec::new();
    for start in ["2026-07-15T13:00:00Z", "2026-07-16T13:00:00Z"] {
        let visit = centre.book(Booking::new(branch, old, treatment, start, 30)).await;
        visits.push(desk.id(Kind::Appointment, visit));
    }
    let (_, head) = events_after(centre, 0).await;
    let payload = desk.merge(&keep, &merge).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
    assert_eq!(events_after(centre, head).await.0, ["patient.merged"]);
    let kept = desk.patient(&keep["id"]).await;
    assert_eq!(kept, payload["patient"]);
    for (field, value) in [
        ("givenNames", json!("Ana")),
        ("paternalSurname", json!("Rojas")),
        ("email", json!("ana@example.com")),
        ("phones", json!(["+56961234567", "+56961234568"])),
        ("document", json!({"kind": "RUT", "number": "12345678-5", "country": "CL"})),
        ("birthDate", json!("1990-05-01")),
        ("sex", json!("FEMALE")),
        ("rating", json!(5)),
        ("comments", json!(["Suya", "Ajena"])),
        ("guardians", json!([{"id": father["id"], "givenNames": "Padre"}])),
        ("version", json!(2)),
    ] {
        assert_eq!(kept[field], value, "{field}");
    }
    assert_eq!(kept["marketingConsent"]["granted"], false, "the later no counts");
    assert_eq!(desk.patient(&child["id"]).await["guardians"][0]["id"], keep["id"]);

    // The old id stays good wherever it is used.
    let gone = desk.patient(&merge["id"]).await;
    assert_eq!((&gone["status"], &gone["mergedInto"]["id"]), (&json!("MERGED"), &keep["id"]));
    assert_eq!(desk.names(json!({"text": "anita"})).await, [""; 0]);
    assert_eq!(desk.names(json!({"status": "MERGED"})).await, ["Anita"]);
    for id in [&keep["id"], &merge["id"]] {
        let query = "query($id: ID!) {
            patient(id: $id) { appointments(first: 5) { nodes { id patient { id } } totalCount } }
            appointments(filter: {patientId: $id}, first: 5) { nodes { id } totalCount } }";
        let found = desk.admin.ok(query, json!({ "id": id })).await;
        for list in [&found["patient"]["appointments"], &found["appointments"]] {
            let ids: Vec<&Value> = list["nodes"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
            assert_eq!((ids, &list["totalCount"]), (visits.iter().collect(), &json!(2)), "{id}");
        }
        assert_eq!(found["patient"]["appointments"]["nodes"][0]["patient"]["id"], keep["id"]);
    }
    let mut stale = gone.clone();
    assert_eq!(refused(&desk.update(&stale, json!({"givenNames": "x"})).await), ["INVALID id"]);
    stale["version"] = json!(1);
    assert_eq!(desk.merge(&keep, &merge).await["patient"]["id"], keep["id"], "done is done");
    assert_eq!(desk.patient(&keep["id"]).await["version"], 2, "and not done again");
}

#[tokio::test]
async fn a_booking_with_an_old_id_or_document_is_the_kept_ones() {
    let clinic = crate::booking::Clinic::open().await;
    let merge = json!({"id": clinic.id(Kind::Patient, clinic.patient)});
    let document = json!({"kind": "RUT", "number": "12345678-5", "country": "CL"});
    let owner = super::create(
        &clinic.admin,
        &json!({"givenNames": "Rosario", "document": {"kind": "PASSPORT", "number": "AB12345", "country": "FR"}}),
        Uuid::new_v4(),
    )
    .await["patient"]
        .clone();
    let sql = "UPDATE patients SET document_kind = 'RUT', document_number = '123456785', document_country = 'CL' WHERE id = $1";
    clinic.centre.run(sql, vec![clinic.patient.into()]).await;
    assert_eq!(merge_as(&clinic.admin, &owner, &merge, Uuid::new_v4()).await["userErrors"], json!([]));
    let by_id = clinic.input(clinic.professionals[0], "2026-07-14T10:00:00-04:00");
    let mut by_document = clinic.input(clinic.professionals[0], "2026-07-14T11:00:00-04:00");
    by_document.as_object_mut().unwrap().remove("patientId");
    by_document["newPatient"] = json!({"givenNames": "Quien sea", "document": document});
    for input in [by_id, by_document] {
        let booked = crate::booking::api::done(
            &crate::booking::api::call(&clinic.admin, "bookAppointment", json!({ "input": input })).await,
        );
        assert_eq!(booked["patient"]["id"], owner["id"]);
    }
}

#[tokio::test]
async fn chains_of_merges_lead_to_the_end() {
    let desk = Desk::open().await;
    let mut all = Vec::new();
    for name in ["A", "B", "C", "D"] {
        all.push(desk.created(json!({ "givenNames": name })).await);
    }
    for pair in all.windows(2) {
        assert_eq!(desk.merge(&pair[1], &pair[0]).await["userErrors"], json!([]));
    }
    for one in &all[..3] {
        assert_eq!(desk.patient(&one["id"]).await["mergedInto"]["id"], all[3]["id"]);
    }
    assert_eq!(refused(&desk.merge(&all[0], &all[3]).await), ["INVALID keepId"]);
    assert_eq!(refused(&desk.merge(&all[3], &all[3]).await), ["INVALID mergeId"]);
    let other = desk.created(json!({"givenNames": "E"})).await;
    assert_eq!(refused(&desk.merge(&other, &all[0]).await), ["INVALID mergeId"]);
    let mut nobody = other.clone();
    nobody["id"] = desk.id(Kind::Patient, Uuid::new_v4());
    assert_eq!(refused(&desk.merge(&nobody, &other).await), ["NOT_FOUND keepId"]);
    assert_eq!(refused(&desk.merge(&other, &nobody).await), ["NOT_FOUND mergeId"]);
}

/// Whoever adds a table with a patient's id says here what becomes of its rows.
#[tokio::test]
async fn every_foreign_key_to_patients_is_in_the_list_of_what_goes_over() {
    let desk = Desk::open().await;
    let tx = desk.centre.cx.read(&desk.centre.system).await.unwrap();
    let found: Vec<String> = tx
        .scalars(
            "SELECT c.conrelid::regclass::text || '.' || a.attname FROM pg_constraint c
             CROSS JOIN LATERAL unnest(c.conkey) AS k (attnum) JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
             WHERE c.contype = 'f' AND c.confrelid = 'patients'::regclass",
            [],
        )
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let found: BTreeSet<String> = found.into_iter().collect();
    let listed: BTreeSet<String> =
        REFERENCES.iter().map(|reference| format!("{}.{}", reference.column.0, reference.column.1)).collect();
    assert_eq!(found, listed, "src/domain/patients/references.rs lists every foreign key to patients");
}

#[tokio::test]
async fn a_second_document_and_many_guardians_do_not_stand_in_the_way() {
    let desk = Desk::open().await;
    let mut guardians = Vec::new();
    for n in 0..6 {
        guardians.push(desk.created(json!({"givenNames": format!("Tutor {n}")})).await["id"].clone());
    }
    let passport = |number: &str| json!({"kind": "PASSPORT", "number": number, "country": "CL"});
    let keep = json!({"givenNames": "Ana", "document": passport("AA111"), "guardianIds": guardians[..3]});
    let merge = json!({"givenNames": "Anita", "document": passport("BB222"), "guardianIds": guardians[3..]});
    let (keep, merge) = (desk.created(keep).await, desk.created(merge).await);
    let kept = desk.merge(&keep, &merge).await["patient"].clone();
    assert_eq!(kept["guardians"].as_array().unwrap().len(), 6);
    // Either document leads to who was kept.
    for number in ["AA111", "bb-222"] {
        assert_eq!(desk.names(json!({"document": number})).await, ["Ana"], "{number}");
    }
    assert_eq!(desk.names(json!({"document": "BB222", "status": "MERGED"})).await, ["Anita"]);
    let changed = desk.update(&kept, json!({"givenNames": "Ana", "email": "ana@example.com"})).await;
    assert_eq!(changed["userErrors"], json!([]));
    let more = desk.update(&changed["patient"], json!({"givenNames": "Ana", "guardianIds": guardians})).await;
    assert_eq!(refused(&more), ["INVALID guardianIds"]);
}
