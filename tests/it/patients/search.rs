//! Finding patients.

use horae::schema::id::Kind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Desk, PATIENT};
use crate::support::fixtures::Booking;

async fn people(desk: &Desk) {
    for (given, paternal, maternal, more) in [
        (
            "María José",
            "Ñúñez",
            "O'Higgins",
            json!({"email": "majo.nunez@ejemplo.cl", "phones": ["+56961234567"], "fileNumber": "F-1024"}),
        ),
        ("Jose", "Pérez-Rojas", "Soto", json!({"document": {"kind": "RUT", "number": "12345678-5", "country": "CL"}})),
        (
            "Zoë",
            "Müller",
            "",
            json!({"document": {"kind": "RUT", "number": "10000013-K", "country": "CL"}, "phones": ["+34698765432"]}),
        ),
        ("Íñigo", "Álvarez", "Güell", json!({"fileNumber": "0012"})),
    ] {
        let mut input = json!({"givenNames": given, "paternalSurname": paternal, "maternalSurname": maternal});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        desk.created(input).await;
    }
}

#[tokio::test]
async fn words_are_found_whatever_the_case_the_accents_and_their_order() {
    let desk = Desk::open().await;
    people(&desk).await;
    let (majo, jose, zoe, inigo) = ("María José", "Jose", "Zoë", "Íñigo");
    for (text, expected) in [
        ("maria jose", vec![majo]),
        ("JOSÉ MARÍA", vec![majo]),
        ("jose", vec![majo, jose]),
        ("nunez", vec![majo]),
        ("ÑÚÑEZ", vec![majo]),
        ("núñez o'higgins", vec![majo]),
        ("ohiggins", vec![majo]),
        ("O’Higgins", vec![majo]),
        ("higgins", vec![majo]),
        ("perez rojas", vec![jose]),
        ("pérez-rojas", vec![jose]),
        ("rojas", vec![jose]),
        ("muller", vec![zoe]),
        ("ZOE", vec![zoe]),
        ("iñigo guell", vec![inigo]),
        ("inigo", vec![inigo]),
        ("ro", vec![jose]),
        ("al", vec![inigo]),
        ("12.345.678-5", vec![jose]),
        ("12345678-5", vec![jose]),
        ("123456785", vec![jose]),
        ("12.345", vec![jose]),
        ("10.000.013-k", vec![zoe]),
        ("10000013K", vec![zoe]),
        ("majo.nunez@ejemplo.cl", vec![majo]),
        ("MAJO.NUNEZ@", vec![majo]),
        ("+56 9 6123 4567", vec![majo]),
        ("56961234567", vec![majo]),
        ("9 6123 4567", vec![majo]),
        ("6123-4567", vec![majo]),
        ("4567", vec![majo]),
        ("698 765 432", vec![zoe]),
        ("f-1024", vec![majo]),
        ("F1024", vec![majo]),
        ("1024", vec![majo]),
        ("0012", vec![inigo]),
        ("jose soto rojas", vec![jose]),
        ("jose muller", vec![]),
        ("arez", vec![]),
        ("--", vec![]),
        ("%", vec![]),
        ("x' | 'jose", vec![]),
        ("jose:*|zoe", vec![]),
    ] {
        assert_eq!(desk.names(json!({ "text": text })).await, expected, "{text}");
    }
    assert_eq!(
        desk.names(json!({"text": "  "})).await,
        [inigo, zoe, majo, jose],
        "nothing is asked for: all, by surname"
    );
    let long = json!({"filter": {"text": "x".repeat(201)}});
    let document = "query($filter: PatientFilter) { patients(filter: $filter, first: 1) { nodes { id } } }";
    assert_eq!(desk.admin.error_code(document, long).await, "INVALID");
    assert_eq!(desk.admin.error_code(document, json!({"filter": {"text": "a\u{0}"}})).await, "INVALID");
    // One that is many letters when it is written out.
    assert_eq!(desk.admin.error_code(document, json!({"filter": {"text": "㌖".repeat(200)}})).await, "INVALID");
}

#[tokio::test]
async fn filters_narrow_together() {
    let desk = Desk::open().await;
    let upsert = "mutation { upsertPatientCategory(name: \"Socios\") { category { id } } }";
    let category = desk.admin.ok(upsert, json!({})).await["upsertPatientCategory"]["category"]["id"].clone();
    let leap = desk.created(json!({"givenNames": "Leap", "birthDate": "2000-02-29", "categoryId": category})).await;
    desk.created(json!({"givenNames": "Feb", "birthDate": "1990-02-28", "status": "INACTIVE"})).await;
    desk.created(json!({"givenNames": "Mar", "birthDate": "1990-03-01"})).await;
    for (filter, expected) in [
        (json!({"birthdayOn": "2026-02-28"}), vec!["Feb", "Leap"]),
        (json!({"birthdayOn": "2028-02-28"}), vec!["Feb"]),
        (json!({"birthdayOn": "2028-02-29"}), vec!["Leap"]),
        (json!({"birthdayOn": "2026-03-01"}), vec!["Mar"]),
        (json!({"birthdayOn": "2026-02-28", "status": "INACTIVE"}), vec!["Feb"]),
        (json!({"categoryId": category}), vec!["Leap"]),
        (json!({"categoryId": category, "text": "feb"}), vec![]),
        (json!({"status": "ACTIVE"}), vec!["Leap", "Mar"]),
        (json!({"status": "DECEASED"}), vec![]),
    ] {
        assert_eq!(desk.names(filter.clone()).await, expected, "{filter}");
    }
    desk.app.clock.advance(chrono::TimeDelta::minutes(2));
    let since = desk.app.now().to_rfc3339();
    desk.update(&leap, json!({"givenNames": "Leap"})).await;
    assert_eq!(desk.names(json!({"updatedSince": since})).await, ["Leap"]);
    let nothing = json!({"filter": {"categoryId": desk.id(Kind::PatientCategory, Uuid::new_v4())}});
    let document = "query($filter: PatientFilter) { patients(filter: $filter, first: 1) { nodes { id } } }";
    assert_eq!(desk.admin.error_code(document, nothing).await, "NOT_FOUND");
}

#[tokio::test]
async fn the_last_visit_is_the_last_that_took_place() {
    let desk = Desk::open().await;
    let centre = &desk.centre;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let treatment = centre.treatment("Corte", 30).await;
    for (name, visits) in [
        ("Antigua", vec![("2026-03-01T13:00:00Z", "COMPLETED"), ("2026-06-01T13:00:00Z", "CANCELLED")]),
        ("Reciente", vec![("2026-03-02T13:00:00Z", "COMPLETED"), ("2026-06-02T13:00:00Z", "COMPLETED")]),
        ("Nunca", vec![("2026-03-03T13:00:00Z", "NO_SHOW")]),
    ] {
        let patient = centre.patient(name, "Soto").await;
        for (start, status) in visits {
            centre.book(Booking::new(branch, patient, treatment, start, 30).status(status)).await;
        }
    }
    assert_eq!(desk.names(json!({"lastVisitBefore": "2026-05-01"})).await, ["Antigua"]);
    assert_eq!(desk.names(json!({"lastVisitBefore": "2026-06-03"})).await, ["Antigua", "Reciente"]);
    assert_eq!(desk.names(json!({"lastVisitBefore": "2026-03-01"})).await, [""; 0], "before, not on");
}

#[tokio::test]
async fn pages_go_through_everybody_both_ways() {
    let desk = Desk::open().await;
    for n in 0..7 {
        desk.created(
            json!({"givenNames": format!("N{n}"), "paternalSurname": if n % 2 == 0 { "Álamo" } else { "alamo" }}),
        )
        .await;
    }
    let document = "query($f: PatientFilter, $first: Int, $after: String, $last: Int, $before: String) {
        patients(filter: $f, first: $first, after: $after, last: $last, before: $before) {
            nodes { givenNames } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }";
    for filter in [json!({}), json!({"text": "álamo"}), json!({"updatedSince": "2020-01-01T00:00:00Z"})] {
        for forwards in [true, false] {
            let mut seen: Vec<String> = Vec::new();
            let mut cursor = Value::Null;
            loop {
                let variables = if forwards {
                    json!({"f": filter, "first": 3, "after": cursor})
                } else {
                    json!({"f": filter, "last": 3, "before": cursor})
                };
                let page = desk.admin.ok(document, variables).await["patients"].clone();
                assert_eq!(page["totalCount"], 7, "{filter}");
                let names: Vec<String> = page["nodes"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|n| n["givenNames"].as_str().unwrap().to_owned())
                    .collect();
                let (more, at) =
                    if forwards { ("hasNextPage", "endCursor") } else { ("hasPreviousPage", "startCursor") };
                if forwards {
                    seen.extend(names)
                } else {
                    seen.splice(0..0, names).for_each(drop)
                }
                if page["pageInfo"][more] == false {
                    break;
                }
                cursor = page["pageInfo"][at].clone();
            }
            assert_eq!(seen, ["N0", "N1", "N2", "N3", "N4", "N5", "N6"], "{filter} {forwards}");
        }
    }
}

#[tokio::test]
async fn the_number_of_statements_does_not_grow_with_the_page() {
    let desk = Desk::open().await;
    let centre = &desk.centre;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let ana = centre.professional("Ana", branch).await;
    let treatment = centre.treatment("Corte", 30).await;
    let fields = "mutation { setPatientFields(fields: [{key: \"club\", label: \"Club\", type: TEXT, position: 1}]) { userErrors { code } } }";
    desk.admin.ok(fields, json!({})).await;
    let professional = desk.id(Kind::Resource, ana);
    let mut before = desk.created(json!({"givenNames": "Cero"})).await;
    for n in 0..6 {
        let custom = json!([{"key": "club", "value": "sí"}]);
        before = desk
            .created(json!({"givenNames": format!("N{n}"), "usualProfessionalId": professional, "guardianIds": [before["id"]], "customFields": custom}))
            .await;
        let id = crate::centre::local(&desk.app, "alfa", Kind::Patient, &before["id"]).await;
        let start = format!("2026-07-15T1{n}:00:00Z");
        centre.book(Booking::new(branch, id, treatment, &start, 30).with(ana)).await;
    }
    let document = format!(
        "query($first: Int) {{ patients(first: $first) {{ totalCount nodes {{ {PATIENT} appointments(first: 2) {{ nodes {{ id branch {{ name }} items {{ treatment {{ name }} }} }} totalCount }} }} }} }}"
    );
    let mut counted = Vec::new();
    for first in [1, 2, 7, 7] {
        let from = desk.app.app.cx.db.statements();
        let found = desk.admin.ok(&document, json!({ "first": first })).await;
        assert_eq!(found["patients"]["nodes"].as_array().unwrap().len(), first);
        counted.push(desk.app.app.cx.db.statements() - from);
    }
    println!("a page of patients with everything: {counted:?} statements for 1, 2, 7 and 7 of them");
    assert_eq!(counted[2], counted[3]);
    // One patient without professional, guardians and appointments asks for less; from then on it is constant.
    assert!(counted[2] <= counted[1] + 2, "{counted:?}");
}
