//! What treatments take that need several of one kind, or another time than usual.

use horae::{auth::BuiltinRole, schema::id::Kind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Clinic,
    api::{call, done, refusal, refused},
};
use crate::support::fixtures::Booking;

/// A clinic whose treatment needs Ana and Berta, any room and Box 1.
async fn surgery() -> Clinic {
    let mut clinic = Clinic::open().await;
    clinic.treatment = clinic.centre.treatment("Implante", 30).await;
    let (ana, berta, first) = (clinic.professionals[0], clinic.professionals[1], clinic.rooms[0]);
    let needs: &[(&str, i32, &[Uuid])] =
        &[("PROFESSIONAL", 1, &[ana]), ("PROFESSIONAL", 1, &[berta]), ("ROOM", 1, &[]), ("ROOM", 1, &[first])];
    clinic.centre.needs(clinic.treatment, needs).await;
    clinic
}

/// Why it cannot be booked like that: causes, and who or what.
async fn why(clinic: &Clinic, input: &Value) -> Vec<(String, Value)> {
    let query = "query($input: BookAppointmentInput!) { explainUnavailable(input: $input) { cause resourceId } }";
    let reasons = clinic.admin.ok(query, json!({ "input": input })).await["explainUnavailable"].take();
    let one = |reason: &Value| (reason["cause"].as_str().unwrap().to_owned(), reason["resourceId"].clone());
    reasons.as_array().unwrap().iter().map(one).collect()
}

fn taken(appointment: &Value) -> Vec<&str> {
    let mut names: Vec<_> =
        appointment["resources"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn two_of_a_kind_are_two_different_ones() {
    let clinic = surgery().await;
    let (ana, berta) = (clinic.professionals[0], clinic.professionals[1]);
    let all = ["Ana", "Berta", "Box 1", "Box 2"];
    // As it is offered.
    let slots = clinic.slots(&clinic.admin, false, "2026-07-14T10:00:00-04:00", "2026-07-14T11:00:00-04:00").await;
    let mut by_token = clinic.input(ana, "2026-07-14T10:00:00-04:00");
    by_token["items"] = json!([]);
    by_token["slotToken"] = slots[0]["token"].clone();
    assert_eq!(taken(&done(&clinic.book(&by_token).await)), all);
    // Whoever of them is named, and whichever room.
    assert_eq!(taken(&clinic.booked(ana, "2026-07-14T12:00:00-04:00").await), all);
    assert_eq!(taken(&clinic.booked(berta, "2026-07-14T13:00:00-04:00").await), all);
    for (room, hour) in clinic.rooms.iter().zip([14, 15]) {
        let mut input = clinic.input(berta, &format!("2026-07-14T{hour}:00:00-04:00"));
        input["items"][0]["roomId"] = clinic.id(Kind::Resource, *room);
        assert_eq!(taken(&done(&clinic.book(&input).await)), all);
    }
}

#[tokio::test]
async fn a_slot_that_was_asked_for_with_somebody_is_booked_with_them() {
    let mut clinic = Clinic::open().await;
    let (berta, second) = (clinic.professionals[1], clinic.rooms[1]);
    let carla = clinic.centre.professional("Carla", clinic.branch).await;
    clinic.centre.works(carla, clinic.branch, &[(1..=7, "08:00", "20:00")]).await;
    let query =
        "query($i: AvailabilityInput!) { availability(input: $i) { token professional { name } room { name } } }";
    // Whichever need comes first; by name others would come before them.
    let (any, hers, theirs): (&[Uuid], &[Uuid], &[Uuid]) = (&[], &[berta], &[berta, carla]);
    for (first, then, who, name) in
        [(any, theirs, carla, "Carla"), (hers, any, carla, "Carla"), (any, hers, berta, "Berta")]
    {
        clinic.treatment = clinic.centre.treatment("Implante", 30).await;
        let needs = [("PROFESSIONAL", 1, first), ("PROFESSIONAL", 1, then), ("ROOM", 1, any)];
        clinic.centre.needs(clinic.treatment, &needs).await;
        let asked = json!({
            "branchId": clinic.id(Kind::Branch, clinic.branch),
            "treatmentIds": [clinic.id(Kind::Treatment, clinic.treatment)],
            "professionalId": clinic.id(Kind::Resource, who),
            "roomId": clinic.id(Kind::Resource, second),
            "range": {"from": "2026-07-14T10:00:00-04:00", "to": "2026-07-14T16:00:00-04:00"},
        });
        let slots = clinic.admin.ok(query, json!({ "i": asked })).await["availability"].take();
        assert_eq!((&slots[0]["professional"]["name"], &slots[0]["room"]["name"]), (&json!(name), &json!("Box 2")));
        let mut by_token = clinic.input(who, "2026-07-14T10:00:00-04:00");
        by_token["items"] = json!([]);
        by_token["slotToken"] = slots[0]["token"].clone();
        let one = done(&clinic.book(&by_token).await);
        let names = taken(&one);
        assert!(names.len() == 3 && names.contains(&name) && names.contains(&"Box 2"), "{names:?}");
    }
}

#[tokio::test]
async fn one_of_two_is_not_enough() {
    let clinic = surgery().await;
    let (ana, second) = (clinic.professionals[0], clinic.rooms[1]);
    let cleaning = Booking::new(clinic.branch, clinic.patient, clinic.treatment, "2026-07-14T14:00:00Z", 30);
    clinic.centre.book(cleaning.in_room(second)).await;
    let at_ten = clinic.input(ana, "2026-07-14T10:00:00-04:00");
    let at_noon = clinic.input(ana, "2026-07-14T12:00:00-04:00");
    assert_eq!(why(&clinic, &at_noon).await, []);
    assert_eq!(why(&clinic, &at_ten).await, [("BUSY".to_owned(), clinic.id(Kind::Resource, second))]);
    let payload = clinic.book(&at_ten).await;
    assert_eq!(refused(&payload), refusal("SLOT_TAKEN", "items.0"));
    assert_eq!(payload["userErrors"][0]["conflictingResourceIds"], json!([clinic.id(Kind::Resource, second)]));
    let carla = clinic.centre.professional("Carla", clinic.branch).await;
    clinic.centre.works(carla, clinic.branch, &[(1..=7, "08:00", "20:00")]).await;
    let with_her = clinic.input(carla, "2026-07-14T12:00:00-04:00");
    assert_eq!(why(&clinic, &with_her).await, [("DOES_NOT_OFFER".to_owned(), clinic.id(Kind::Resource, carla))]);
    let other = clinic.book(&with_her).await;
    assert_eq!(refused(&other), refusal("INVALID", "items.0.professionalId"), "she is not one of the two");
    clinic.centre.run("UPDATE resources SET active = false WHERE id = $1", vec![second.into()]).await;
    assert_eq!(why(&clinic, &at_noon).await, [("TOO_FEW".to_owned(), clinic.id(Kind::Branch, clinic.branch))]);
    let closed = clinic.book(&at_noon).await;
    assert_eq!(refused(&closed), refusal("OUTSIDE_AVAILABILITY", "items.0"));
}

#[tokio::test]
async fn whoever_takes_part_may_take_it_on() {
    let clinic = surgery().await;
    let berta = clinic.app.user("alfa", BuiltinRole::Professional).await;
    let known = clinic.app.actor_of(&berta).await;
    clinic.centre.is_user(clinic.professionals[1], known.id.unwrap()).await;
    clinic.app.app.authenticator.forget(known.tenant.id, known.session.unwrap()).await;
    let one = clinic.booked(clinic.professionals[0], "2026-07-13T15:00:00-04:00").await;
    let step = |version: i32, to: &str| json!({"id": one["id"], "version": version, "to": to});
    done(&call(&clinic.admin, "transitionAppointment", step(1, "ARRIVED")).await);
    let query = "query($id: ID!) { appointment(id: $id) { allowedTransitions } }";
    let seen = berta.ok(query, json!({"id": one["id"]})).await;
    assert_eq!(seen["appointment"]["allowedTransitions"], json!(["IN_PROGRESS", "COMPLETED"]));
    let answer = done(&call(&berta, "transitionAppointment", step(2, "IN_PROGRESS")).await);
    assert_eq!(answer["status"], "IN_PROGRESS");
}

#[tokio::test]
async fn alternatives_are_as_long_as_what_was_asked_for() {
    let clinic = Clinic::open().await;
    let ana = clinic.professionals[0];
    for start in ["2026-07-14T10:00:00-04:00", "2026-07-14T11:00:00-04:00"] {
        clinic.booked(ana, start).await;
    }
    let mut long = clinic.input(ana, "2026-07-14T10:00:00-04:00");
    long["items"][0]["durationMinutes"] = json!(120);
    let payload = clinic.book(&long).await;
    assert_eq!(refused(&payload), refusal("SLOT_TAKEN", "items.0.professionalId"));
    let alternative = payload["userErrors"][0]["alternatives"][0].clone();
    assert_eq!(alternative["localStart"], "2026-07-14T11:30", "half an hour at 10:30 is not enough");
    let mut by_token = clinic.input(ana, "2026-07-14T10:00:00-04:00");
    by_token["items"] = json!([]);
    by_token["slotToken"] = alternative["token"].clone();
    let one = done(&clinic.book(&by_token).await);
    assert_eq!(
        (&one["start"], &one["end"]),
        (&json!("2026-07-14T11:30:00-04:00"), &json!("2026-07-14T13:30:00-04:00"))
    );
}

/// A hall with places, and a class that takes one for as long as it is asked for.
pub(super) async fn hall(clinic: &Clinic, places: i32) -> (Uuid, Uuid) {
    let hall = clinic.centre.room("Sala", clinic.branch, places).await;
    let class = clinic.centre.treatment("Clase", 30).await;
    clinic.centre.needs(class, &[("ROOM", 1, &[hall])]).await;
    (hall, class)
}

#[tokio::test]
async fn a_place_is_free_where_fewer_are_taken_at_every_instant() {
    let clinic = Clinic::open().await;
    clinic.centre.run("UPDATE centre_profile SET operating_mode = 'BY_ROOM'", vec![]).await;
    let (hall, class) = hall(&clinic, 2).await;
    let (hall, class) = (clinic.id(Kind::Resource, hall), clinic.id(Kind::Treatment, class));
    let book = |start: &'static str, minutes: i32| {
        let mut input = clinic.input(clinic.professionals[0], start);
        input["items"] = json!([{
            "treatmentId": class, "roomId": hall, "start": format!("2026-07-14T{start}:00-04:00"),
            "durationMinutes": minutes,
        }]);
        let clinic = &clinic;
        async move { clinic.book(&input).await }
    };
    for (start, minutes) in [("09:00", 60), ("11:00", 60), ("09:30", 60)] {
        done(&book(start, minutes).await);
    }
    // One place is free until eleven, the other from half past ten: never more than two are taken.
    done(&book("10:00", 90).await);
    assert_eq!(refused(&book("10:00", 30).await).0, "SLOT_TAKEN");
    done(&book("10:30", 30).await);
    assert_eq!(refused(&book("10:30", 30).await).0, "SLOT_TAKEN");
    let input = json!({
        "branchId": clinic.id(Kind::Branch, clinic.branch), "treatmentIds": [class],
        "range": {"from": "2026-07-14T08:00:00-04:00", "to": "2026-07-14T12:00:00-04:00"},
    });
    let query = "query($i: AvailabilityInput!) { availability(input: $i) { localStart remainingCapacity } }";
    let slots = clinic.admin.ok(query, json!({ "i": input })).await["availability"].clone();
    let free = slots.as_array().unwrap().iter().map(|slot| {
        let start = slot["localStart"].as_str().unwrap();
        (&start[11..], slot["remainingCapacity"].as_i64().unwrap())
    });
    let expected = [("08:00", 2), ("08:15", 2), ("08:30", 2), ("08:45", 1), ("09:00", 1), ("11:30", 1), ("11:45", 1)];
    assert_eq!(free.collect::<Vec<_>>(), expected);
}
