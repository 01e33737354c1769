//! Taking a resource out of use, with and without somebody who takes over.

use horae::{auth::BuiltinRole, schema::id::Kind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{contents, events_after, global, refused, text};
use crate::support::{
    app::{Client, TestApp},
    fixtures::{Booking, Centre},
};

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
    assert_eq!(events_after(&s.centre, head).await.0, ["resource.deactivated"]);

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
        ["appointment.rescheduled", "appointment.rescheduled", "resource.deactivated"]
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
