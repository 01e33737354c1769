//! Working time that changes while somebody books, or while the branch's clock changes.

use chrono::{NaiveTime, Weekday};
use horae::{
    domain::{
        agenda::{add_exception, model::ExceptionKind, upsert_schedule},
        booking::book,
        centre::WindowInput,
        refusal::Code,
    },
    schema::id::Kind,
};
use serde_json::json;
use uuid::Uuid;

use super::{at, refused};
use crate::{
    booking::Clinic,
    centre::{global, upsert},
};

const LOG: &str = "SELECT 1 FROM event_head FOR UPDATE";

/// Tuesday from 9 to 11, by the branch's clock.
fn block(clinic: &Clinic, resource: Option<Uuid>) -> add_exception::Input {
    add_exception::Input {
        resource,
        branch: clinic.branch,
        kind: ExceptionKind::Block,
        local_start: "2026-07-14T09:00:00".parse().unwrap(),
        local_end: "2026-07-14T11:00:00".parse().unwrap(),
        reason: None,
    }
}

/// The professional's schedule, from now on on Mondays alone.
async fn mondays(clinic: &Clinic, professional: Uuid) -> upsert_schedule::Input {
    let tx = clinic.centre.cx.read(&clinic.centre.system).await.unwrap();
    let id = tx.scalar("SELECT id FROM schedules WHERE resource_id = $1", [professional.into()]).await.unwrap();
    tx.commit().await.unwrap();
    let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    upsert_schedule::Input {
        id,
        version: Some(1),
        resource: professional,
        branch: clinic.branch,
        name: "Lunes".to_owned(),
        windows: vec![WindowInput {
            day: Weekday::Mon,
            start: time(8),
            end: time(20),
            valid_from: None,
            valid_to: None,
        }],
    }
}

#[tokio::test]
async fn an_exception_goes_by_the_zone_that_the_branch_has_when_it_is_written() {
    let clinic = Clinic::open().await;
    let (app, cx, actor) = (&clinic.app, &clinic.app.app.cx, &clinic.actor);
    let id = global(app, "alfa", Kind::Branch, clinic.branch).await;
    let madrid = json!({"id": id, "version": 1, "name": "Madrid", "timeZone": "Europe/Madrid"});
    let log = clinic.centre.locking(LOG, vec![]).await;
    let (_, added, ()) = tokio::join!(
        upsert(&clinic.admin, "upsertBranch", "BranchInput", "branch { timeZone }", madrid),
        async {
            app.blocked(1).await;
            add_exception::run(cx, actor, block(&clinic, None)).await
        },
        async {
            app.blocked(2).await;
            log.commit().await.unwrap();
        },
    );
    assert_eq!(added.unwrap().exception.during, at("2026-07-14T07:00:00Z")..at("2026-07-14T09:00:00Z"));
}

#[tokio::test]
async fn a_booking_that_had_begun_is_among_the_conflicts() {
    let clinic = Clinic::open().await;
    let (app, cx, actor) = (&clinic.app, &clinic.app.app.cx, &clinic.actor);
    let [ana, berta] = clinic.professionals[..] else { panic!("two professionals") };
    let booking = |professional| book::run(cx, actor, clinic.booking(professional, at("2026-07-14T14:00:00Z")));
    let log = clinic.centre.locking(LOG, vec![]).await;
    let (booked, added, ()) = tokio::join!(
        booking(ana),
        async {
            app.blocked(1).await;
            add_exception::run(cx, actor, block(&clinic, Some(ana))).await
        },
        async {
            app.blocked(2).await;
            log.commit().await.unwrap();
        },
    );
    let told: Vec<Uuid> = added.unwrap().conflicts.iter().map(|one| one.id).collect();
    assert_eq!(told, [booked.unwrap().id]);

    let log = clinic.centre.locking(LOG, vec![]).await;
    let (booked, changed, ()) = tokio::join!(
        booking(berta),
        async {
            app.blocked(1).await;
            upsert_schedule::run(cx, actor, mondays(&clinic, berta).await).await
        },
        async {
            app.blocked(2).await;
            log.commit().await.unwrap();
        },
    );
    let told: Vec<Uuid> = changed.unwrap().conflicts.iter().map(|one| one.id).collect();
    assert_eq!(told, [booked.unwrap().id]);
}

#[tokio::test]
async fn a_booking_that_begins_later_goes_by_the_change() {
    let clinic = Clinic::open().await;
    let (app, cx, actor) = (&clinic.app, &clinic.app.app.cx, &clinic.actor);
    let [ana, berta] = clinic.professionals[..] else { panic!("two professionals") };
    let booking = |professional| book::run(cx, actor, clinic.booking(professional, at("2026-07-14T14:00:00Z")));
    let outside = [(Code::OutsideAvailability, "items.0.professionalId".to_owned())];
    let log = clinic.centre.locking(LOG, vec![]).await;
    let (added, booked, ()) = tokio::join!(
        add_exception::run(cx, actor, block(&clinic, Some(ana))),
        async {
            app.blocked(1).await;
            booking(ana).await
        },
        async {
            app.blocked(2).await;
            log.commit().await.unwrap();
        },
    );
    assert_eq!((added.unwrap().conflicts.len(), refused(booked)), (0, outside.to_vec()));

    let log = clinic.centre.locking(LOG, vec![]).await;
    let (changed, booked, ()) = tokio::join!(
        async { upsert_schedule::run(cx, actor, mondays(&clinic, berta).await).await },
        async {
            app.blocked(1).await;
            booking(berta).await
        },
        async {
            app.blocked(2).await;
            log.commit().await.unwrap();
        },
    );
    assert_eq!((changed.unwrap().conflicts.len(), refused(booked)), (0, outside.to_vec()));
    assert_eq!(clinic.centre.count("SELECT count(*) FROM appointments").await, 0);
}

#[tokio::test]
async fn bookings_do_not_wait_for_each_other() {
    let clinic = Clinic::open().await;
    let branch = "SELECT 1 FROM branches WHERE id = $1 FOR KEY SHARE";
    let other = clinic.centre.locking(branch, vec![clinic.branch.into()]).await;
    let booking = clinic.booking(clinic.professionals[0], at("2026-07-14T14:00:00Z"));
    book::run(&clinic.app.app.cx, &clinic.actor, booking).await.unwrap();
    other.commit().await.unwrap();
}
