//! Moving appointments.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use horae::{
    auth::BuiltinRole,
    domain::{
        booking::{
            input::ItemInput,
            reschedule::{self, Reschedule},
        },
        refusal::{Code, Failure},
    },
    schema::id::Kind,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Clinic,
    api::{attempt, call, done, key, refusal, refused},
};
use crate::{
    centre::text,
    support::{
        app::{Client, TestApp},
        fingerprint::fingerprint,
    },
};

fn to(clinic: &Clinic, one: &Value, professional: Uuid, start: &str) -> Value {
    json!({"idempotencyKey": key(), "appointmentId": one["id"], "version": one["version"], "items": [clinic.item(professional, start)]})
}

async fn moved(client: &Client, input: &Value) -> Value {
    call(client, "rescheduleAppointment", json!({ "input": input })).await
}

#[tokio::test]
async fn an_appointment_moves_and_keeps_its_id_and_code() {
    let clinic = Clinic::open().await;
    let (ana, berta) = (clinic.professionals[0], clinic.professionals[1]);
    let one = clinic.booked(ana, "2026-07-14T10:00:00-04:00").await;
    let input = to(&clinic, &one, berta, "2026-07-16T15:00:00-04:00");
    let after = done(&moved(&clinic.admin, &input).await);
    assert_eq!((&after["id"], &after["code"], &after["version"]), (&one["id"], &one["code"], &json!(2)));
    assert_eq!(
        (&after["start"], &after["localStart"]),
        (&json!("2026-07-16T15:00:00-04:00"), &json!("2026-07-16T15:00"))
    );
    assert_eq!(after["items"][0]["professional"]["name"], "Berta");
    assert_eq!(done(&moved(&clinic.admin, &input).await)["version"], 2, "sent again it moves once");
    clinic.booked(ana, "2026-07-14T10:00:00-04:00").await;
    assert_eq!(refused(&clinic.book(&clinic.input(berta, "2026-07-16T15:15:00-04:00")).await).0, "SLOT_TAKEN");
}

#[tokio::test]
async fn onto_somebody_else_it_moves_with_the_permission_to_overbook_only() {
    let clinic = Clinic::open().await;
    let ana = clinic.professionals[0];
    clinic.booked(ana, "2026-07-14T10:00:00-04:00").await;
    let one = clinic.booked(ana, "2026-07-14T11:00:00-04:00").await;
    let mut input = to(&clinic, &one, ana, "2026-07-14T10:00:00-04:00");
    input["overbook"] = json!(true);
    let receptionist = clinic.app.user("alfa", BuiltinRole::Receptionist).await;
    assert_eq!(refused(&moved(&clinic.admin, &input).await), refusal("REQUIRED", "overbookReason"));
    input["overbookReason"] = json!("\u{0}");
    assert_eq!(refused(&moved(&clinic.admin, &input).await), refusal("INVALID", "overbookReason"));
    input["overbookReason"] = json!("urgencia");
    assert_eq!(refused(&moved(&receptionist, &input).await), refusal("OVERBOOK_NOT_ALLOWED", "overbook"));
    let after = done(&moved(&clinic.admin, &input).await);
    assert_eq!((&after["overbooked"], &after["version"]), (&json!(true), &json!(2)));
    let kept =
        "SELECT a.overbook_reason || ' ' || t.reason FROM appointments a JOIN audit_entries t ON t.subject_id = a.id
                WHERE t.action = 'rescheduleAppointment'";
    assert_eq!(text(&clinic.centre, kept, vec![]).await, "urgencia urgencia");
}

#[tokio::test]
async fn the_patient_is_told_of_what_has_changed_and_of_nothing_else() {
    let clinic = Clinic::open().await;
    let (ana, berta) = (clinic.professionals[0], clinic.professionals[1]);
    // One room, so that it stays the same wherever the appointment goes.
    clinic.centre.run("UPDATE resources SET active = false WHERE id = $1", vec![clinic.rooms[1].into()]).await;
    let run = async |instant: &str| {
        clinic.app.clock.set(instant.parse().unwrap());
        clinic.app.run_jobs().await;
        clinic.app.mails().iter().map(|mail| mail.replace("=\r\n", "")).collect::<Vec<String>>()
    };
    let one = clinic.booked(ana, "2026-07-20T10:00:00-04:00").await;
    assert_eq!(run("2026-07-13T12:05:00Z").await.len(), 1);
    // There and back before anybody was told.
    let there = done(&moved(&clinic.admin, &to(&clinic, &one, ana, "2026-07-20T11:00:00-04:00")).await);
    let back = done(&moved(&clinic.admin, &to(&clinic, &there, ana, "2026-07-20T10:00:00-04:00")).await);
    assert_eq!(run("2026-07-13T12:07:00Z").await.len(), 1);
    // Somebody else, at the same time.
    done(&moved(&clinic.admin, &to(&clinic, &back, berta, "2026-07-20T10:00:00-04:00")).await);
    let mails = run("2026-07-13T12:09:00Z").await;
    assert_eq!(mails.len(), 2);
    let told = mails.iter().find(|mail| mail.contains("con Berta")).unwrap();
    assert!(told.contains("Cambiaron los datos de su cita") && !told.contains("Antes"), "{told}");
}

#[tokio::test]
async fn its_own_time_is_not_in_its_way_and_a_confirmation_does_not_move_along() {
    let clinic = Clinic::open().await;
    let ana = clinic.professionals[0];
    // One room: it must be its own that it overlaps.
    clinic.centre.run("UPDATE resources SET active = false WHERE id = $1", vec![clinic.rooms[1].into()]).await;
    let one = clinic.booked(ana, "2026-07-14T10:00:00-04:00").await;
    let confirmed = done(
        &call(&clinic.admin, "transitionAppointment", json!({"id": one["id"], "version": 1, "to": "CONFIRMED"})).await,
    );
    let after = done(&moved(&clinic.admin, &to(&clinic, &confirmed, ana, "2026-07-14T10:15:00-04:00")).await);
    assert_eq!((&after["start"], &after["status"]), (&json!("2026-07-14T10:15:00-04:00"), &json!("BOOKED")));
    assert_eq!(clinic.centre.count("SELECT count(*) FROM occupancies WHERE active").await, 2);
}

#[tokio::test]
async fn what_is_kept_locked_for_too_long_is_to_be_tried_again() {
    let database_url = TestApp::start().await.database_url.clone();
    // Ten seconds in production.
    let and = if database_url.contains('?') { '&' } else { '?' };
    let hasty = format!("{database_url}{and}options[lock_timeout]=300ms");
    let clinic = Clinic::open_on(TestApp::on(&hasty, &[]).await).await;
    let one = clinic.booked(clinic.professionals[0], "2026-07-14T10:00:00-04:00").await;
    let input = to(&clinic, &one, clinic.professionals[1], "2026-07-16T15:00:00-04:00");
    let cx = &clinic.app.app.cx;
    let other = cx.write(&clinic.actor).await.unwrap();
    other.run("SELECT FROM appointments FOR UPDATE", []).await.unwrap();
    let answer = attempt(&clinic.admin, "rescheduleAppointment", json!({ "input": input })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "SERVICE_UNAVAILABLE", "{answer:#}");
    other.commit().await.unwrap();
    assert_eq!(done(&moved(&clinic.admin, &input).await)["version"], 2);
}

#[tokio::test]
async fn a_refused_move_changes_nothing() {
    let clinic = Clinic::open().await;
    let (ana, berta) = (clinic.professionals[0], clinic.professionals[1]);
    let one = clinic.booked(ana, "2026-07-14T10:00:00-04:00").await;
    clinic.booked(berta, "2026-07-14T12:00:00-04:00").await;
    let professional = clinic.app.user("alfa", BuiltinRole::Professional).await;
    let before = fingerprint(&clinic.app, "alfa").await;
    let mut stale = to(&clinic, &one, ana, "2026-07-14T11:00:00-04:00");
    stale["version"] = json!(7);
    let payload = moved(&clinic.admin, &stale).await;
    assert_eq!(refused(&payload), refusal("VERSION_CONFLICT", "version"));
    assert_eq!(payload["userErrors"][0]["currentVersion"], 1);
    let payload = moved(&clinic.admin, &to(&clinic, &one, berta, "2026-07-14T12:15:00-04:00")).await;
    assert_eq!(refused(&payload), refusal("SLOT_TAKEN", "items.0.professionalId"));
    assert_eq!(payload["userErrors"][0]["__typename"], "SlotTakenError");
    assert!(!payload["userErrors"][0]["alternatives"].as_array().unwrap().is_empty());
    let outside = to(&clinic, &one, ana, "2026-07-14T23:00:00-04:00");
    assert_eq!(refused(&moved(&clinic.admin, &outside).await).0, "OUTSIDE_AVAILABILITY");
    let mut nothing = to(&clinic, &one, ana, "2026-07-14T11:00:00-04:00");
    nothing["items"] = json!([]);
    assert_eq!(refused(&moved(&clinic.admin, &nothing).await), refusal("REQUIRED", "items"));
    let fine = to(&clinic, &one, ana, "2026-07-14T11:00:00-04:00");
    assert_eq!(refused(&moved(&professional, &fine).await).0, "FORBIDDEN");
    assert_eq!(refused(&moved(&clinic.app.admin("beta").await, &fine).await), refusal("NOT_FOUND", "appointmentId"));
    // The login of another centre's administrator is theirs alone.
    assert_eq!(fingerprint(&clinic.app, "alfa").await, before);
}

#[tokio::test]
async fn what_has_happened_does_not_move() {
    let clinic = Clinic::open().await;
    let ana = clinic.professionals[0];
    let one = clinic.booked(ana, "2026-07-14T10:00:00-04:00").await;
    let cancelled = done(
        &call(&clinic.admin, "transitionAppointment", json!({"id": one["id"], "version": 1, "to": "CANCELLED"})).await,
    );
    let payload = moved(&clinic.admin, &to(&clinic, &cancelled, ana, "2026-07-14T11:00:00-04:00")).await;
    assert_eq!(refused(&payload), refusal("INVALID_TRANSITION", "appointmentId"));
    assert_eq!(payload["userErrors"][0]["allowed"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appointments_that_want_each_others_places_meet_no_deadlock() {
    const ROUNDS: usize = 40;
    let clinic = Clinic::open().await;
    let cx = &clinic.app.app.cx;
    let opening: DateTime<Utc> = "2026-07-14T12:00:00Z".parse().unwrap();
    // Six appointments of half an hour and eight places, which everybody wants.
    let mut all = Vec::new();
    for at in 0..6_i32 {
        let professional = clinic.professionals[usize::try_from(at % 2).unwrap()];
        let start = opening + TimeDelta::minutes(30 * i64::from(at / 2));
        let booked =
            horae::domain::booking::book::run(cx, &clinic.actor, clinic.booking(professional, start)).await.unwrap();
        all.push(booked.id);
    }
    let movers = (0..12_usize).map(|mover| {
        let (clinic, id) = (&clinic, all[mover % 6]);
        async move {
            let (mut done, mut refused) = (0, 0);
            for round in 0..ROUNDS {
                let place = (mover * 5 + round * 3) % 8;
                let version = version(clinic, id).await;
                let item = ItemInput {
                    treatment: clinic.treatment,
                    start: Some((opening + TimeDelta::minutes(30 * i64::try_from(place / 2).unwrap())).fixed_offset()),
                    local_start: None,
                    professional: Some(clinic.professionals[place % 2]),
                    room: None,
                    duration_minutes: None,
                };
                let input = Reschedule {
                    key: cx.new_id(),
                    id,
                    version,
                    items: vec![item],
                    overbook: false,
                    overbook_reason: None,
                    notify: false,
                };
                match reschedule::run(cx, &clinic.actor, input).await {
                    Ok(_) => done += 1,
                    Err(Failure::Refused(refusals)) => {
                        assert!(matches!(refusals[0].code, Code::SlotTaken | Code::VersionConflict), "{refusals:?}");
                        refused += 1;
                    }
                    Err(Failure::Fault(fault)) => panic!("a client saw a fault: {fault:?}"),
                }
            }
            (done, refused)
        }
    });
    let outcomes: Vec<(usize, usize)> = join_all(movers).await;
    let (done, refused) = outcomes.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    println!("{done} moved, {refused} refused");
    assert!(done > 20 && refused > 20, "{done} {refused}");
    let twice = "SELECT count(*) FROM occupancies a JOIN occupancies b ON a.id < b.id AND a.resource_id = b.resource_id AND a.unit = b.unit
        AND a.during && b.during WHERE a.active AND b.active";
    assert_eq!(clinic.centre.count(twice).await, 0);
    let whole =
        "SELECT count(*) FROM appointments a WHERE (SELECT count(*) FROM occupancies o WHERE o.appointment_id = a.id
            AND o.during = tstzrange(a.start_at, a.end_at)) = 2
        AND (SELECT count(*) FROM appointment_items i WHERE i.appointment_id = a.id AND i.start_at = a.start_at) = 1
        AND a.version = (SELECT count(*) FROM events e WHERE e.subject_id = a.id)";
    assert_eq!(clinic.centre.count(whole).await, 6, "each has its place, and one event per version");
    let versions = clinic.centre.count("SELECT sum(version)::bigint FROM appointments").await;
    assert_eq!(usize::try_from(versions), Ok(6 + done));
}

async fn version(clinic: &Clinic, id: Uuid) -> i32 {
    let tx = clinic.app.app.cx.read(&clinic.actor).await.unwrap();
    let version: Option<i32> = tx.scalar("SELECT version FROM appointments WHERE id = $1", [id.into()]).await.unwrap();
    tx.commit().await.unwrap();
    version.unwrap()
}

#[tokio::test]
async fn what_is_moved_keeps_its_price_and_a_treatment_that_is_no_longer_offered() {
    let clinic = Clinic::open().await;
    let ana = clinic.professionals[0];
    clinic.centre.run("UPDATE treatments SET price_minor = 10000", vec![]).await;
    let one = clinic.booked(ana, "2026-07-14T10:00:00-04:00").await;
    clinic.centre.run("UPDATE treatments SET price_minor = 15000, active = false", vec![]).await;
    let mut input = to(&clinic, &one, ana, "2026-07-14T12:00:00-04:00");
    let after = done(&moved(&clinic.admin, &input).await);
    assert_eq!(after["items"][0]["price"], one["items"][0]["price"]);

    let other = clinic.centre.treatment("Otra", 30).await;
    clinic.centre.run("UPDATE treatments SET active = false WHERE id = $1", vec![other.into()]).await;
    input = to(&clinic, &after, ana, "2026-07-14T13:00:00-04:00");
    input["items"][0]["treatmentId"] = clinic.id(Kind::Treatment, other);
    assert_eq!(refused(&moved(&clinic.admin, &input).await), refusal("INVALID", "items.0.treatmentId"));
}

#[tokio::test]
async fn who_is_moved_onto_another_appointment_of_the_own_is_worth_a_warning() {
    let clinic = Clinic::open().await;
    let (ana, berta) = (clinic.professionals[0], clinic.professionals[1]);
    let first = clinic.booked(ana, "2026-07-14T10:00:00-04:00").await;
    let second = clinic.booked(berta, "2026-07-14T12:00:00-04:00").await;
    let input = to(&clinic, &second, berta, "2026-07-14T10:15:00-04:00");
    for _ in 0..2 {
        let payload = moved(&clinic.admin, &input).await;
        done(&payload);
        let message = payload["warnings"][0]["message"].as_str().unwrap();
        assert!(message.contains(first["code"].as_str().unwrap()), "{payload}");
    }
}
