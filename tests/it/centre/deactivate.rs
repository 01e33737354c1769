//! Taking a resource out of use, with and without somebody who takes over.

use horae::{
    auth::BuiltinRole,
    domain::{
        booking::book,
        centre::{
            deactivate_resource,
            upsert_room::{self, Thing},
        },
        refusal::Code,
    },
    schema::id::Kind,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{contents, events_after, global, refused, text};
use crate::{
    agenda::{at, refused as refusals},
    booking::Clinic,
    support::{
        app::{Client, TestApp},
        fixtures::{Booking, Centre},
    },
};

/// A booking reads the patient when it is planned, and before it is written.
const PATIENT: &str = "SELECT 1 FROM patients WHERE id = $1 FOR UPDATE";

struct Scene {
    app: TestApp,
    admin: Client,
    centre: Centre,
    branch: Uuid,
    treatment: Uuid,
    rosa: Uuid,
    ana: Uuid,
    eva: Uuid,
}

async fn scene() -> Scene {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let branch = centre.branch("A", "America/Santiago").await;
    let (treatment, rosa) = (centre.treatment("T", 60).await, centre.patient("Rosa", "Soto").await);
    let (ana, eva) = (centre.professional("Ana", branch).await, centre.professional("Eva", branch).await);
    Scene { app, admin, centre, branch, treatment, rosa, ana, eva }
}

impl Scene {
    fn at(&self, start: &str) -> Booking {
        Booking::new(self.branch, self.rosa, self.treatment, start, 60)
    }

    async fn deactivate(&self, client: &Client, id: &str, version: i32, to: Value) -> Value {
        let query = "mutation($id: ID!, $version: Int!, $to: ID) { deactivateResource(id: $id, version: $version, reassignTo: $to) {
            affectedAppointments userErrors { code message field ... on SlotTakenError { conflictingResourceIds } } } }";
        client.ok(query, json!({"id": id, "version": version, "to": to})).await["deactivateResource"].clone()
    }

    async fn resource(&self, id: Uuid) -> String {
        global(&self.app, "alfa", Kind::Resource, id).await
    }

    async fn busy(&self, resource: Uuid) -> String {
        let sql = "SELECT coalesce(string_agg(to_char(lower(during) AT TIME ZONE 'UTC', 'DD HH24:MI') || '/' || unit, ', ' ORDER BY during, unit), '')
            FROM occupancies WHERE resource_id = $1 AND active";
        text(&self.centre, sql, vec![resource.into()]).await
    }
}

#[tokio::test]
async fn alone_it_goes_out_of_use_and_its_appointments_stay() {
    let s = scene().await;
    s.centre.book(s.at("2026-07-13T11:30:00Z").with(s.ana)).await;
    s.centre.book(s.at("2026-07-14T14:00:00Z").with(s.ana)).await;
    s.centre.book(s.at("2026-07-15T14:00:00Z").with(s.ana).status("CANCELLED")).await;
    let (_, head) = events_after(&s.centre, 0).await;
    let ana = s.resource(s.ana).await;
    let done = s.deactivate(&s.admin, &ana, 1, Value::Null).await;
    assert_eq!(done, json!({"affectedAppointments": 1, "userErrors": []}));
    assert_eq!(s.busy(s.ana).await, "13 11:30/0, 14 14:00/0");
    let listed =
        s.admin.ok("{ professionals(filter: {active: false}, first: 5) { nodes { name version } } }", json!({})).await;
    assert_eq!(listed["professionals"]["nodes"], json!([{"name": "Ana", "version": 2}]));
    assert_eq!(events_after(&s.centre, head).await.0, ["resource.deactivated", "schedule.changed"]);

    let before = contents(&s.centre).await;
    assert_eq!(s.deactivate(&s.admin, &ana, 2, Value::Null).await["affectedAppointments"], 1);
    assert_eq!(contents(&s.centre).await, before, "a repetition is no change");
    let branch = global(&s.app, "alfa", Kind::Branch, s.branch).await;
    let back = json!({"id": ana, "version": 2, "name": "Ana", "branchIds": [branch], "active": true});
    let back =
        super::upsert(&s.admin, "upsertProfessional", "ProfessionalInput", "professional { active version }", back)
            .await;
    assert_eq!(back["professional"], json!({"active": true, "version": 3}));
}

#[tokio::test]
async fn another_takes_over_everything_ahead() {
    let s = scene().await;
    s.centre.book(s.at("2026-07-13T11:30:00Z").with(s.ana)).await;
    let one = s.centre.book(s.at("2026-07-14T14:00:00Z").with(s.ana)).await;
    s.centre.book(s.at("2026-07-14T16:00:00Z").with(s.ana)).await;
    s.centre.book(s.at("2026-07-14T15:00:00Z").with(s.eva)).await;
    let (_, head) = events_after(&s.centre, 0).await;
    let done = s.deactivate(&s.admin, &s.resource(s.ana).await, 1, json!(s.resource(s.eva).await)).await;
    assert_eq!(done, json!({"affectedAppointments": 2, "userErrors": []}));
    assert_eq!(s.busy(s.ana).await, "13 11:30/0", "what has begun stays");
    assert_eq!(s.busy(s.eva).await, "14 14:00/0, 14 15:00/0, 14 16:00/0");
    let item = text(
        &s.centre,
        "SELECT professional_id::text FROM appointment_items WHERE appointment_id = $1",
        vec![one.into()],
    )
    .await;
    assert_eq!(item, s.eva.to_string());
    assert_eq!(
        events_after(&s.centre, head).await.0,
        ["appointment.rescheduled", "appointment.rescheduled", "resource.deactivated", "schedule.changed"]
    );
}

#[tokio::test]
async fn one_collision_and_nothing_moves() {
    let s = scene().await;
    s.centre.book(s.at("2026-07-14T14:00:00Z").with(s.ana)).await;
    let hit = s.centre.book(s.at("2026-07-14T16:00:00Z").with(s.ana)).await;
    s.centre.book(s.at("2026-07-14T16:30:00Z").with(s.eva)).await;
    let before = contents(&s.centre).await;
    let eva = s.resource(s.eva).await;
    let payload = s.deactivate(&s.admin, &s.resource(s.ana).await, 1, json!(eva)).await;
    assert_eq!(refused(&payload), ["SLOT_TAKEN reassignTo"]);
    assert_eq!(payload["userErrors"][0]["conflictingResourceIds"], json!([eva]));
    assert!(payload["userErrors"][0]["message"].as_str().unwrap().contains(&hit.simple().to_string()), "{payload}");
    assert_eq!(contents(&s.centre).await, before);
}

#[tokio::test]
async fn a_room_with_more_places_takes_over_what_fits_into_any() {
    let s = scene().await;
    let (small, big) = (s.centre.room("Box", s.branch, 2).await, s.centre.room("Sala", s.branch, 2).await);
    s.centre.book(s.at("2026-07-14T14:00:00Z").in_room(small)).await;
    s.centre.book(s.at("2026-07-14T16:00:00Z").in_room(small).unit(1)).await;
    s.centre.book(s.at("2026-07-14T14:30:00Z").in_room(big)).await;
    let done = s.deactivate(&s.admin, &s.resource(small).await, 1, json!(s.resource(big).await)).await;
    assert_eq!(done, json!({"affectedAppointments": 2, "userErrors": []}));
    assert_eq!(s.busy(big).await, "14 14:00/1, 14 14:30/0, 14 16:00/0");
}

#[tokio::test]
async fn who_does_not_fit_or_may_not_is_refused() {
    let s = scene().await;
    s.centre.book(s.at("2026-07-14T14:00:00Z").with(s.ana)).await;
    let elsewhere = s.centre.branch("B", "America/Santiago").await;
    let far = s.centre.professional("Far", elsewhere).await;
    let picky = s.centre.professional("Picky", s.branch).await;
    let other = s.centre.treatment("Other", 30).await;
    s.centre.offers_only(picky, &[other]).await;
    let retired = s.centre.professional("Retired", s.branch).await;
    s.centre.run("UPDATE resources SET active = false WHERE id = $1", vec![retired.into()]).await;
    let room = s.centre.room("Box", s.branch, 1).await;
    let beta = Centre::of(&s.app, "beta").await;
    let foreign = beta.professional("X", beta.branch("B", "Europe/Madrid").await).await;
    let foreign = global(&s.app, "beta", Kind::Resource, foreign).await;
    let ana = s.resource(s.ana).await;
    let before = contents(&s.centre).await;
    for to in [s.ana, far, picky, retired, room] {
        let payload = s.deactivate(&s.admin, &ana, 1, json!(s.resource(to).await)).await;
        assert_eq!(refused(&payload), ["INVALID reassignTo"], "{payload}");
    }
    let unknown = s.resource(s.centre.cx.new_id()).await;
    for (id, version, to, expected) in [
        (&ana, 1, json!(unknown), "NOT_FOUND reassignTo"),
        (&ana, 1, json!(foreign), "NOT_FOUND reassignTo"),
        (&ana, 5, Value::Null, "VERSION_CONFLICT version"),
        (&unknown, 1, Value::Null, "NOT_FOUND id"),
        (&foreign, 1, Value::Null, "NOT_FOUND id"),
    ] {
        assert_eq!(refused(&s.deactivate(&s.admin, id, version, to).await), [expected]);
    }
    let reception = s.app.user("alfa", BuiltinRole::Receptionist).await;
    assert_eq!(refused(&s.deactivate(&reception, &ana, 1, Value::Null).await), ["FORBIDDEN "]);
    assert_eq!(contents(&s.centre).await, before);
}

#[tokio::test]
async fn who_replaces_an_assistant_does_what_the_assistant_was_for() {
    let s = scene().await;
    let (porter, nurse) =
        (s.centre.professional("Porter", s.branch).await, s.centre.professional("Nurse", s.branch).await);
    let other = s.centre.treatment("Other", 60).await;
    s.centre.needs(s.treatment, &[("PROFESSIONAL", 1, &[s.ana]), ("PROFESSIONAL", 1, &[s.eva, nurse])]).await;
    // No item names Eva: she assists Ana.
    s.centre.book(s.at("2026-07-14T14:00:00Z").with(s.ana).also(s.eva)).await;
    let eva = s.resource(s.eva).await;
    let refusal = s.deactivate(&s.admin, &eva, 1, json!(s.resource(porter).await)).await;
    assert_eq!(refused(&refusal), ["INVALID reassignTo"], "the treatment does not take the porter");
    s.centre.offers_only(nurse, &[other]).await;
    let refusal = s.deactivate(&s.admin, &eva, 1, json!(s.resource(nurse).await)).await;
    assert_eq!(refused(&refusal), ["INVALID reassignTo"], "the nurse does not do it");
    s.centre.offers_only(nurse, &[s.treatment]).await;
    let done = s.deactivate(&s.admin, &eva, 1, json!(s.resource(nurse).await)).await;
    assert_eq!(done, json!({"affectedAppointments": 1, "userErrors": []}));
}

#[tokio::test]
async fn two_that_hand_over_to_each_other_do_not_lose_an_appointment() {
    let s = scene().await;
    s.centre.book(s.at("2026-07-14T14:00:00Z").with(s.ana)).await;
    s.centre.book(s.at("2026-07-14T16:00:00Z").with(s.eva)).await;
    let (ana, eva) = (s.resource(s.ana).await, s.resource(s.eva).await);
    let (one, other) =
        tokio::join!(s.deactivate(&s.admin, &ana, 1, json!(eva)), s.deactivate(&s.admin, &eva, 1, json!(ana)),);
    let mut told = [refused(&one), refused(&other)];
    told.sort();
    assert_eq!(told, [vec![], vec!["INVALID reassignTo".to_owned()]]);
    assert_eq!(s.centre.count("SELECT count(*) FROM occupancies WHERE active").await, 2);
}

#[tokio::test]
async fn a_booking_that_was_planned_with_it_is_counted_and_handed_over() {
    let clinic = Clinic::open().await;
    let (app, cx, actor) = (&clinic.app, &clinic.app.app.cx, &clinic.actor);
    let [ana, berta] = clinic.professionals[..] else { panic!("two professionals") };
    let patient = clinic.centre.locking(PATIENT, vec![clinic.patient.into()]).await;
    let (booked, affected, ()) = tokio::join!(
        book::run(cx, actor, clinic.booking(ana, at("2026-07-14T14:00:00Z"))),
        async {
            app.blocked(1).await;
            let input = deactivate_resource::Input { id: ana, version: 1, reassign_to: Some(berta) };
            deactivate_resource::run(cx, actor, input).await
        },
        async {
            app.blocked(2).await;
            patient.commit().await.unwrap();
        },
    );
    booked.unwrap();
    assert_eq!(affected.unwrap(), 1);
    let sql =
        "SELECT string_agg(r.name, ', ' ORDER BY r.name) FROM occupancies o JOIN resources r ON r.id = o.resource_id";
    assert_eq!(text(&clinic.centre, sql, vec![]).await, "Berta, Box 1");
}

#[tokio::test]
async fn what_is_cancelled_meanwhile_is_not_handed_over() {
    let clinic = Clinic::open().await;
    let (app, cx, actor) = (&clinic.app, &clinic.app.app.cx, &clinic.actor);
    let [ana, berta] = clinic.professionals[..] else { panic!("two professionals") };
    book::run(cx, actor, clinic.booking(ana, at("2026-07-14T14:00:00Z"))).await.unwrap();
    let sql = "WITH freed AS (UPDATE occupancies SET active = false) UPDATE appointments SET status = 'CANCELLED'";
    let desk = clinic.centre.locking(sql, vec![]).await;
    let input = deactivate_resource::Input { id: ana, version: 1, reassign_to: Some(berta) };
    let (affected, ()) = tokio::join!(deactivate_resource::run(cx, actor, input), async {
        app.blocked(1).await;
        desk.commit().await.unwrap();
    });
    assert_eq!(affected.unwrap(), 0);
    assert_eq!(clinic.centre.count("SELECT count(*) FROM events WHERE type = 'appointment.rescheduled'").await, 0);
}

#[tokio::test]
async fn a_booking_that_begins_later_finds_it_out_of_use() {
    let clinic = Clinic::open().await;
    let (app, cx, actor) = (&clinic.app, &clinic.app.app.cx, &clinic.actor);
    let ana = clinic.professionals[0];
    let log = clinic.centre.locking("SELECT 1 FROM event_head FOR UPDATE", vec![]).await;
    let (affected, booked, ()) = tokio::join!(
        deactivate_resource::run(cx, actor, deactivate_resource::Input { id: ana, version: 1, reassign_to: None }),
        async {
            app.blocked(1).await;
            book::run(cx, actor, clinic.booking(ana, at("2026-07-14T14:00:00Z"))).await
        },
        async {
            app.blocked(2).await;
            log.commit().await.unwrap();
        },
    );
    assert_eq!(affected.unwrap(), 0);
    assert_eq!(refusals(booked), [(Code::NotFound, "items.0.professionalId".to_owned())]);
    assert_eq!(clinic.centre.count("SELECT count(*) FROM occupancies").await, 0);
}

#[tokio::test]
async fn a_room_does_not_shrink_below_what_is_being_booked() {
    let clinic = Clinic::open().await;
    let (app, cx, actor) = (&clinic.app, &clinic.app.app.cx, &clinic.actor);
    let room = clinic.centre.room("Sala", clinic.branch, 2).await;
    let booking = |professional| {
        let mut booking = clinic.booking(professional, at("2026-07-14T14:00:00Z"));
        booking.items[0].room = Some(room);
        book::run(cx, actor, booking)
    };
    booking(clinic.professionals[0]).await.unwrap();
    let patient = clinic.centre.locking(PATIENT, vec![clinic.patient.into()]).await;
    let (booked, changed, ()) = tokio::join!(
        booking(clinic.professionals[1]),
        async {
            app.blocked(1).await;
            let input = upsert_room::Input {
                thing: Thing::Room,
                id: Some(room),
                version: Some(1),
                branch_id: clinic.branch,
                name: "Sala".to_owned(),
                color: None,
                capacity: Some(1),
                active: None,
            };
            upsert_room::run(cx, actor, input).await
        },
        async {
            app.blocked(2).await;
            patient.commit().await.unwrap();
        },
    );
    booked.unwrap();
    assert_eq!(refusals(changed), [(Code::Invalid, "capacity".to_owned())]);
}
