//! Who sees which patients.

use horae::{auth::BuiltinRole, schema::id::Kind};
use serde_json::json;

use super::{Desk, names};
use crate::{identity::people::People, support::fixtures::Booking};

#[tokio::test]
async fn a_professional_sees_the_own_patients_and_who_answers_for_them() {
    let desk = Desk::open().await;
    let centre = &desk.centre;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let (ana, eva) = (centre.professional("Ana", branch).await, centre.professional("Eva", branch).await);
    let treatment = centre.treatment("Corte", 30).await;
    let client = desk.app.user("alfa", BuiltinRole::Professional).await;
    assert_eq!(names(&client, json!({})).await, [""; 0], "nobody's column");
    let user = desk.app.actor_of(&client).await.id.unwrap();
    centre.is_user(ana, user).await;
    let client = desk.app.login("alfa", &email(&desk, user).await).await;
    let mother = desk.created(json!({"givenNames": "Madre"})).await;
    desk.created(json!({"givenNames": "Habitual", "usualProfessionalId": desk.id(Kind::Resource, ana)})).await;
    desk.created(json!({"givenNames": "Nadie"})).await;
    for (name, with, guardians) in [("Suya", ana, json!([mother["id"]])), ("Ajena", eva, json!([]))] {
        let one = desk.created(json!({"givenNames": name, "guardianIds": guardians})).await;
        let id = crate::centre::local(&desk.app, "alfa", Kind::Patient, &one["id"]).await;
        centre.book(Booking::new(branch, id, treatment, "2026-07-15T13:00:00Z", 30).with(with)).await;
    }
    assert_eq!(names(&client, json!({})).await, ["Habitual", "Madre", "Suya"]);
    assert_eq!(names(&client, json!({"text": "ajena"})).await, [""; 0]);
    let query = "{ patients(first: 9, filter: {text: \"suya\"}) { nodes { guardians { givenNames } } } }";
    let found = client.ok(query, json!({})).await;
    assert_eq!(found["patients"]["nodes"][0]["guardians"], json!([{"givenNames": "Madre"}]));
}

#[tokio::test]
async fn who_works_in_one_branch_sees_who_comes_there_and_who_has_been_nowhere() {
    let desk = Desk::open().await;
    let centre = &desk.centre;
    let (north, south) =
        (centre.branch("Norte", "America/Santiago").await, centre.branch("Sur", "America/Santiago").await);
    let treatment = centre.treatment("Corte", 30).await;
    for (name, branch) in [("Norteña", Some(north)), ("Sureña", Some(south)), ("Nueva", None)] {
        let id = centre.patient(name, "Soto").await;
        if let Some(branch) = branch {
            centre.book(Booking::new(branch, id, treatment, "2026-07-15T13:00:00Z", 30)).await;
        }
    }
    let client = desk.app.user("alfa", BuiltinRole::Receptionist).await;
    let user = desk.app.actor_of(&client).await.id.unwrap();
    centre.run("UPDATE users SET branch_ids = ARRAY[$2] WHERE id = $1", vec![user.into(), north.into()]).await;
    let client = desk.app.login("alfa", &email(&desk, user).await).await;
    assert_eq!(names(&client, json!({})).await, ["Norteña", "Nueva"]);
    assert_eq!(desk.names(json!({})).await, ["Norteña", "Nueva", "Sureña"]);
}

#[tokio::test]
async fn one_who_was_merged_is_seen_by_who_sees_the_one_that_was_kept() {
    let desk = Desk::open().await;
    let centre = &desk.centre;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let (ana, eva) = (centre.professional("Ana", branch).await, centre.professional("Eva", branch).await);
    let client = desk.app.user("alfa", BuiltinRole::Professional).await;
    let user = desk.app.actor_of(&client).await.id.unwrap();
    centre.is_user(ana, user).await;
    let client = desk.app.login("alfa", &email(&desk, user).await).await;
    let of = |name: &str, professional| json!({"givenNames": name, "usualProfessionalId": desk.id(Kind::Resource, professional)});
    let (hers, other) = (desk.created(of("Suya", ana)).await, desk.created(of("Ajena", eva)).await);
    let find = "query($id: ID!) { patient(id: $id) { givenNames } }";
    assert_eq!(client.ok(find, json!({"id": hers["id"]})).await["patient"]["givenNames"], "Suya");
    // She is somebody of Eva's now, whatever the old row says of Ana.
    assert_eq!(desk.merge(&other, &hers).await["userErrors"], json!([]));
    for id in [&hers["id"], &other["id"]] {
        assert_eq!(client.error_code(find, json!({ "id": id })).await, "NOT_FOUND");
    }
    assert_eq!(names(&client, json!({"status": "MERGED"})).await, [""; 0]);
    // And who sees the one sees the other: by the usual professional, and in one branch those who have been nowhere.
    let third = desk.created(of("Tercera", ana)).await;
    assert_eq!(desk.merge(&third, &desk.patient(&other["id"]).await).await["userErrors"], json!([]));
    let clerk = desk.app.user("alfa", BuiltinRole::Receptionist).await;
    let user = desk.app.actor_of(&clerk).await.id.unwrap();
    centre.run("UPDATE users SET branch_ids = ARRAY[$2] WHERE id = $1", vec![user.into(), branch.into()]).await;
    let clerk = desk.app.login("alfa", &email(&desk, user).await).await;
    for id in [&third["id"], &other["id"], &hers["id"]] {
        for who in [&client, &clerk] {
            assert!(who.ok(find, json!({ "id": id })).await["patient"]["givenNames"].is_string(), "{id}");
        }
    }
}

async fn email(desk: &Desk, user: uuid::Uuid) -> String {
    crate::centre::text(&desk.centre, "SELECT email FROM users WHERE id = $1", vec![user.into()]).await
}

#[tokio::test]
async fn who_sees_nothing_of_the_agenda_sees_patients_without_appointments() {
    let people = People::open().await;
    let centre = &people.centre;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let (treatment, rosa) = (centre.treatment("Corte", 30).await, centre.patient("Rosa", "Soto").await);
    centre.book(Booking::new(branch, rosa, treatment, "2026-07-15T13:00:00Z", 30)).await;
    let role = people.role("Fichero", &["PATIENT_READ"]).await;
    people.hire("fichero@alfa.test", &[role], &[]).await;
    let clerk = people.login("fichero@alfa.test").await;
    let query = "query($id: ID!) { patient(id: $id) { givenNames appointments(first: 5) { nodes { status } } } }";
    let rosa = json!({"id": people.id(Kind::Patient, rosa)});
    let seen = |nodes: serde_json::Value| json!({"givenNames": "Rosa", "appointments": {"nodes": nodes}});
    assert_eq!(clerk.ok(query, rosa.clone()).await["patient"], seen(json!([])));
    assert_eq!(people.admin.ok(query, rosa).await["patient"], seen(json!([{"status": "BOOKED"}])));
}

#[tokio::test]
async fn what_is_refused_of_one_filter_is_not_refused_of_another() {
    let people = People::open().await;
    let centre = &people.centre;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let (treatment, rosa) = (centre.treatment("Corte", 30).await, centre.patient("Rosa", "Soto").await);
    centre.book(Booking::new(branch, rosa, treatment, "2026-07-15T13:00:00Z", 30)).await;
    let query = "query($id: ID!, $no: ID!) {
        one: patient(id: $id) { appointments(first: 5) { nodes { status } } }
        two: patient(id: $id) { appointments(first: 5, filter: {branchId: $no}) { nodes { status } } }
        three: patient(id: $id) { appointments(first: 5, filter: {branchId: $no}) { nodes { status } } } }";
    let nobodys = people.id(Kind::Branch, uuid::Uuid::from_u128(7));
    let answer = people.admin.send(query, json!({"id": people.id(Kind::Patient, rosa), "no": nobodys})).await;
    assert_eq!(answer["data"]["one"]["appointments"]["nodes"], json!([{"status": "BOOKED"}]));
    let errors = answer["errors"].as_array().unwrap();
    let said = |at: usize| (&errors[at]["extensions"]["code"], &errors[at]["extensions"]["field"]);
    assert_eq!(errors.len(), 2, "{answer}");
    assert_eq!(said(0), (&json!("NOT_FOUND"), &json!(["filter", "branchId"])));
    assert_eq!(said(0), said(1));
}
