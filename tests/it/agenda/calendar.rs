//! What makes up working time, and that reading it takes the same number of statements whatever there is.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use horae::domain::{agenda::calendar::BranchCalendar, centre::query};
use uuid::Uuid;

use super::at;
use crate::support::{
    app::TestApp,
    fixtures::{Booking, Centre},
};

async fn load(centre: &Centre, branch: Uuid, range: Range<DateTime<Utc>>, only: Option<&[Uuid]>) -> BranchCalendar {
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let branch = query::find_branch(&tx, branch).await.unwrap().unwrap();
    let calendar = BranchCalendar::load(&tx, branch, range, only, centre.cx.now()).await.unwrap();
    tx.commit().await.unwrap();
    calendar
}

fn hours(range: &[Range<DateTime<Utc>>]) -> Vec<(String, String)> {
    let show = |at: DateTime<Utc>| at.format("%dT%H:%M").to_string();
    range.iter().map(|one| (show(one.start), show(one.end))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

#[tokio::test]
async fn schedules_lie_within_opening_hours_and_things_work_while_the_branch_is_open() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("Providencia", "America/Santiago").await;
    centre.opens(branch, &[(1..=5, "09:00", "18:00")]).await;
    let early = centre.professional("Ana", branch).await;
    centre.works(early, branch, &[(1..=7, "07:00", "12:00")]).await;
    centre.works(early, branch, &[(1..=1, "15:00", "20:00")]).await;
    let idle = centre.professional("Beto", branch).await;
    let room = centre.room("Box 1", branch, 1).await;

    // Monday to Tuesday of winter: UTC-4.
    let calendar = load(&centre, branch, at("2026-07-13T04:00:00Z")..at("2026-07-15T04:00:00Z"), None).await;
    assert_eq!(
        hours(&calendar.resources[&early].working),
        pairs(&[("13T13:00", "13T16:00"), ("13T19:00", "13T22:00"), ("14T13:00", "14T16:00")])
    );
    assert!(calendar.resources[&idle].working.is_empty(), "without a schedule a professional does not work");
    assert_eq!(hours(&calendar.resources[&room].working), pairs(&[("13T13:00", "13T22:00"), ("14T13:00", "14T22:00")]));

    let one = &calendar.resources[&early];
    assert!(one.works(&(at("2026-07-13T13:00:00Z")..at("2026-07-13T16:00:00Z"))));
    assert!(!one.works(&(at("2026-07-13T12:59:00Z")..at("2026-07-13T13:30:00Z"))));
    assert!(!one.works(&(at("2026-07-13T15:30:00Z")..at("2026-07-13T19:30:00Z"))), "over the break");
}

#[tokio::test]
async fn extra_hours_add_and_closures_take_away_and_win() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("Providencia", "America/Santiago").await;
    let ana = centre.professional("Ana", branch).await;
    let beto = centre.professional("Beto", branch).await;
    for one in [ana, beto] {
        centre.works(one, branch, &[(1..=1, "09:00", "13:00")]).await;
    }
    let exception = |resource: Option<Uuid>, kind: &'static str, from: &'static str, to: &'static str| {
        let (from, to) = (at(from), at(to));
        let zone = chrono_tz::America::Santiago;
        let local = move |at: DateTime<Utc>| at.with_timezone(&zone).naive_local();
        centre.run(
            "INSERT INTO schedule_exceptions (id, branch_id, resource_id, kind, local_start, local_end, during)
             VALUES ($1, $2, $3, $4, $5, $6, tstzrange($7, $8))",
            vec![
                centre.cx.new_id().into(),
                branch.into(),
                resource.into(),
                kind.into(),
                local(from).into(),
                local(to).into(),
                from.into(),
                to.into(),
            ],
        )
    };
    exception(Some(ana), "EXTRA_HOURS", "2026-07-13T17:00:00Z", "2026-07-13T19:00:00Z").await;
    exception(Some(ana), "BLOCK", "2026-07-13T14:00:00Z", "2026-07-13T14:30:00Z").await;
    exception(None, "CLOSED", "2026-07-13T18:00:00Z", "2026-07-13T23:00:00Z").await;

    let calendar = load(&centre, branch, at("2026-07-13T04:00:00Z")..at("2026-07-14T04:00:00Z"), None).await;
    let one = &calendar.resources[&ana];
    assert_eq!(hours(&one.working), pairs(&[("13T13:00", "13T14:00"), ("13T14:30", "13T18:00")]));
    assert_eq!(hours(&one.open), pairs(&[("13T13:00", "13T17:00")]));
    assert_eq!(one.blocks.iter().map(|block| block.whole_branch).collect::<Vec<_>>(), [false, true]);
    assert_eq!(hours(&calendar.resources[&beto].working), pairs(&[("13T13:00", "13T17:00")]));

    // Extra hours of the whole branch are everybody's who works in it.
    let carla = centre.professional("Carla", branch).await;
    centre.works(carla, branch, &[]).await;
    let box_1 = centre.room("Box 1", branch, 1).await;
    exception(None, "EXTRA_HOURS", "2026-07-18T13:00:00Z", "2026-07-18T15:00:00Z").await;
    let saturday = load(&centre, branch, at("2026-07-18T04:00:00Z")..at("2026-07-19T04:00:00Z"), None).await;
    let working = |id: &Uuid| hours(&saturday.resources[id].working);
    for one in [ana, beto, box_1] {
        assert_eq!(working(&one), pairs(&[("18T13:00", "18T15:00")]));
    }
    assert!(working(&carla).is_empty(), "who has no hours in the branch gets none by them");
    exception(Some(carla), "EXTRA_HOURS", "2026-07-18T14:00:00Z", "2026-07-18T15:00:00Z").await;
    let saturday = load(&centre, branch, at("2026-07-18T04:00:00Z")..at("2026-07-19T04:00:00Z"), None).await;
    assert_eq!(hours(&saturday.resources[&carla].working), pairs(&[("18T14:00", "18T15:00")]));
}

#[tokio::test]
async fn units_are_free_unless_an_active_appointment_that_is_no_expired_hold_takes_them() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("Providencia", "America/Santiago").await;
    let elsewhere = centre.branch("Las Condes", "America/Santiago").await;
    let treatment = centre.treatment("Limpieza", 30).await;
    let rosa = centre.patient("Rosa", "Soto").await;
    let ana = centre.professional("Ana", branch).await;
    centre.also_works_in(ana, elsewhere).await;
    let hall = centre.room("Sala", branch, 2).await;
    let new = |start: &str| Booking::new(branch, rosa, treatment, start, 30);
    let booked = centre.book(new("2026-07-13T14:00:00Z").in_room(hall).buffers(10, 10)).await;
    centre.book(new("2026-07-13T14:00:00Z").in_room(hall).overbooked()).await;
    centre.book(new("2026-07-13T15:00:00Z").in_room(hall).status("CANCELLED")).await;
    let held = centre.book(new("2026-07-13T16:00:00Z").in_room(hall).held_until("2026-07-13T12:05:00Z")).await;
    centre.book(new("2026-07-13T17:00:00Z").in_room(hall).held_until("2026-07-13T12:00:00Z")).await;
    centre.book(Booking::new(elsewhere, rosa, treatment, "2026-07-13T14:00:00Z", 30).with(ana)).await;

    let calendar =
        load(&centre, branch, at("2026-07-13T04:00:00Z")..at("2026-07-14T04:00:00Z"), Some(&[hall, ana])).await;
    let hall = &calendar.resources[&hall];
    // The first unit that holds these ten minutes.
    let free = |from: &str, except| {
        let range = at(from)..at(from) + TimeDelta::minutes(10);
        let seats = hall.seats(&range, except).unwrap_or_default();
        assert!(seats.len() < 2 && seats.iter().all(|(_, during)| *during == range), "{seats:?}");
        seats.first().map(|(unit, _)| *unit)
    };
    assert_eq!(free("2026-07-13T13:40:00Z", None), Some(0));
    assert_eq!(free("2026-07-13T13:50:00Z", None), Some(1), "the buffer before");
    assert_eq!(free("2026-07-13T14:30:00Z", None), Some(1), "the buffer after");
    assert_eq!(free("2026-07-13T14:00:00Z", None), Some(1), "one on top of another takes the same unit");
    assert_eq!(free("2026-07-13T14:00:00Z", Some(booked)), Some(1), "and is there when that one goes");
    assert_eq!(free("2026-07-13T16:00:00Z", Some(held)), Some(0), "nobody is in the own way");
    assert_eq!(free("2026-07-13T15:00:00Z", None), Some(0), "a cancelled one takes nothing");
    assert_eq!(free("2026-07-13T16:00:00Z", None), Some(1), "a hold takes");
    assert_eq!(free("2026-07-13T17:00:00Z", None), Some(0), "until it has run out");
    assert!(
        calendar.resources[&ana].seats(&(at("2026-07-13T14:00:00Z")..at("2026-07-13T14:10:00Z")), None).is_none(),
        "busy in one branch is busy in all"
    );
}

#[tokio::test]
async fn the_number_of_statements_depends_on_nothing() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("Providencia", "America/Santiago").await;
    let ana = centre.professional("Ana", branch).await;
    centre.works(ana, branch, &[(1..=7, "09:00", "18:00")]).await;
    let day = at("2026-07-13T04:00:00Z")..at("2026-07-14T04:00:00Z");
    let count = async |range| {
        let before = centre.cx.db.statements();
        load(&centre, branch, range, None).await;
        centre.cx.db.statements() - before
    };
    let few = count(day.clone()).await;
    let treatment = centre.treatment("Limpieza", 30).await;
    let rosa = centre.patient("Rosa", "Soto").await;
    for n in 0..12 {
        let one = centre.professional(&format!("P{n}"), branch).await;
        centre.works(one, branch, &[(1..=7, "09:00", "18:00")]).await;
        centre.book(Booking::new(branch, rosa, treatment, "2026-07-13T14:00:00Z", 30).with(one)).await;
    }
    assert_eq!(count(day).await, few);
    assert_eq!(count(at("2026-07-01T04:00:00Z")..at("2026-09-01T04:00:00Z")).await, few);
}
