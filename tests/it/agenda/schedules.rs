//! Schedules and exceptions: what is refused, what they change, and whom they leave outside.

use chrono::{NaiveDateTime, NaiveTime, Weekday};
use horae::{
    auth::{Actor, ActorKind, BuiltinRole, Permission},
    domain::{
        agenda::{add_exception, availability, model::ExceptionKind, remove_exception, upsert_schedule},
        centre::WindowInput,
        refusal::Code,
    },
};
use uuid::Uuid;

use super::{at, refused};
use crate::support::{
    app::TestApp,
    fixtures::{Booking, Centre},
};

struct Practice {
    app: TestApp,
    centre: Centre,
    branch: Uuid,
    ana: Uuid,
    cut: Uuid,
    rosa: Uuid,
}

async fn practice() -> Practice {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let ana = centre.professional("Ana", branch).await;
    let cut = centre.treatment("Corte", 30).await;
    let rosa = centre.patient("Rosa", "Soto").await;
    Practice { app, centre, branch, ana, cut, rosa }
}

fn time(text: &str) -> NaiveTime {
    NaiveTime::parse_from_str(text, "%H:%M").unwrap()
}

fn window(day: Weekday, start: &str, end: &str) -> WindowInput {
    WindowInput { day, start: time(start), end: time(end), valid_from: None, valid_to: None }
}

fn schedule(p: &Practice, name: &str, windows: Vec<WindowInput>) -> upsert_schedule::Input {
    upsert_schedule::Input {
        id: None,
        version: None,
        resource: p.ana,
        branch: p.branch,
        name: name.to_owned(),
        windows,
    }
}

fn exception(p: &Practice, kind: ExceptionKind, from: &str, to: &str) -> add_exception::Input {
    let local = |text: &str| text.parse::<NaiveDateTime>().unwrap();
    add_exception::Input {
        resource: Some(p.ana),
        branch: p.branch,
        kind,
        local_start: local(from),
        local_end: local(to),
        reason: Some("Congreso".to_owned()),
    }
}

async fn free_on_tuesday(p: &Practice) -> usize {
    let input = availability::Input {
        branch: p.branch,
        treatments: vec![p.cut],
        professional: None,
        room: None,
        range: at("2026-07-14T04:00:00Z")..at("2026-07-15T04:00:00Z"),
        limit: None,
    };
    availability::run(&p.centre.cx, &p.centre.system, input).await.unwrap().len()
}

#[tokio::test]
async fn a_schedule_changes_availability_at_once_and_tells_whom_it_leaves_outside() {
    let p = practice().await;
    let (cx, system) = (&p.centre.cx, &p.centre.system);
    let new = schedule(&p, "Mañanas", vec![window(Weekday::Tue, "09:00", "11:00")]);
    let made = upsert_schedule::run(cx, system, new).await.unwrap();
    assert_eq!((made.schedule.version, made.conflicts.len(), free_on_tuesday(&p).await), (1, 0, 7));

    let early = p.centre.book(Booking::new(p.branch, p.rosa, p.cut, "2026-07-14T13:00:00Z", 30).with(p.ana)).await;
    let _late = p.centre.book(Booking::new(p.branch, p.rosa, p.cut, "2026-07-14T14:30:00Z", 30).with(p.ana)).await;
    p.centre.book(Booking::new(p.branch, p.rosa, p.cut, "2026-07-14T15:00:00Z", 30).with(p.ana).overbooked()).await;
    p.centre.book(Booking::new(p.branch, p.rosa, p.cut, "2026-07-07T13:00:00Z", 30).with(p.ana)).await;
    let change = upsert_schedule::Input {
        id: Some(made.schedule.id),
        version: Some(1),
        ..schedule(&p, "Mañanas", vec![window(Weekday::Tue, "10:00", "11:00")])
    };
    let changed = upsert_schedule::run(cx, system, change.clone()).await.unwrap();
    assert_eq!(changed.schedule.version, 2);
    assert_eq!(
        changed.conflicts.iter().map(|one| one.id).collect::<Vec<_>>(),
        [early],
        "not the past, not what was put outside on purpose"
    );
    assert_eq!(
        p.centre.count("SELECT count(*) FROM appointments WHERE status = 'BOOKED'").await,
        4,
        "nothing happened to them"
    );
    assert_eq!(p.centre.count("SELECT count(*) FROM events WHERE type = 'schedule.changed'").await, 2);
    assert_eq!(p.centre.count("SELECT count(*) FROM audit_entries WHERE action = 'upsertSchedule'").await, 2);

    assert_eq!(
        refused(upsert_schedule::run(cx, system, change).await),
        [(Code::VersionConflict, "version".to_owned())]
    );
}

#[tokio::test]
async fn wrong_schedules_are_refused_and_change_nothing() {
    let p = practice().await;
    let (cx, system) = (&p.centre.cx, &p.centre.system);
    upsert_schedule::run(cx, system, schedule(&p, "Mañanas", vec![window(Weekday::Tue, "09:00", "11:00")]))
        .await
        .unwrap();
    let season = |from: &str, to: &str| WindowInput {
        valid_from: Some(from.parse().unwrap()),
        valid_to: Some(to.parse().unwrap()),
        ..window(Weekday::Wed, "09:00", "11:00")
    };
    let other = p.centre.branch("Otra", "America/Santiago").await;
    let new = |windows| schedule(&p, "Tardes", windows);
    for (input, code, field) in [
        (new(vec![window(Weekday::Mon, "11:00", "09:00")]), Code::Invalid, "windows.0.end"),
        (new(vec![season("2026-02-01", "2026-01-01")]), Code::Invalid, "windows.0.validTo"),
        (
            new(vec![window(Weekday::Mon, "09:00", "11:00"), window(Weekday::Mon, "10:00", "12:00")]),
            Code::Invalid,
            "windows.1",
        ),
        (new(vec![season("2026-01-01", "2026-02-01"), season("2026-02-01", "2026-03-01")]), Code::Invalid, "windows.1"),
        (
            new(vec![window(Weekday::Mon, "09:00", "11:00"), window(Weekday::Tue, "10:30", "12:00")]),
            Code::Invalid,
            "windows.1",
        ),
        (new(vec![window(Weekday::Mon, "09:00", "11:00"); 101]), Code::Invalid, "windows"),
        (upsert_schedule::Input { name: "  ".to_owned(), ..new(vec![]) }, Code::Required, "name"),
        (upsert_schedule::Input { name: "a\0b".to_owned(), ..new(vec![]) }, Code::Invalid, "name"),
        (upsert_schedule::Input { name: "Mañanas".to_owned(), ..new(vec![]) }, Code::AlreadyExists, "name"),
        (upsert_schedule::Input { branch: other, ..new(vec![]) }, Code::NotFound, "resourceId"),
        (upsert_schedule::Input { branch: Uuid::nil(), ..new(vec![]) }, Code::NotFound, "branchId"),
        (upsert_schedule::Input { id: Some(Uuid::nil()), ..new(vec![]) }, Code::Required, "version"),
        (upsert_schedule::Input { id: Some(Uuid::nil()), version: Some(1), ..new(vec![]) }, Code::NotFound, "id"),
    ] {
        assert_eq!(
            refused(upsert_schedule::run(cx, system, input.clone()).await),
            [(code, field.to_owned())],
            "{input:?}"
        );
    }
    let seasons = new(vec![
        season("2026-01-01", "2026-01-31"),
        season("2026-02-01", "2026-03-01"),
        window(Weekday::Tue, "11:00", "00:00"),
    ]);
    for (actor, code) in [
        (Actor { permissions: BuiltinRole::Receptionist.permissions(), ..system.clone() }, Code::Forbidden),
        (Actor { branches: Some([other].into()), ..system.clone() }, Code::Forbidden),
        (p.app.system("beta").await, Code::NotFound),
    ] {
        assert_eq!(refused(upsert_schedule::run(cx, &actor, seasons.clone()).await)[0].0, code);
    }
    assert_eq!(p.centre.count("SELECT count(*) FROM schedules").await, 1);
    assert_eq!(p.centre.count("SELECT count(*) FROM events WHERE type = 'schedule.changed'").await, 1);
    upsert_schedule::run(cx, system, seasons).await.unwrap();
}

#[tokio::test]
async fn two_schedules_that_clash_cannot_both_be_made_at_once() {
    let p = practice().await;
    let one = schedule(&p, "Una", vec![window(Weekday::Tue, "09:00", "11:00")]);
    let two = schedule(&p, "Otra", vec![window(Weekday::Tue, "10:00", "12:00")]);
    let (first, second) = tokio::join!(
        upsert_schedule::run(&p.centre.cx, &p.centre.system, one),
        upsert_schedule::run(&p.centre.cx, &p.centre.system, two)
    );
    assert_eq!(usize::from(first.is_ok()) + usize::from(second.is_ok()), 1);
    assert_eq!(p.centre.count("SELECT count(*) FROM schedules").await, 1);
}

#[tokio::test]
async fn an_exception_takes_time_away_until_it_is_removed() {
    let p = practice().await;
    let (cx, system) = (&p.centre.cx, &p.centre.system);
    p.centre.works(p.ana, p.branch, &[(2..=2, "09:00", "11:00")]).await;
    let met = p.centre.book(Booking::new(p.branch, p.rosa, p.cut, "2026-07-14T13:00:00Z", 30).with(p.ana)).await;
    assert_eq!(free_on_tuesday(&p).await, 5);
    let made = add_exception::run(
        cx,
        system,
        exception(&p, ExceptionKind::Block, "2026-07-14T09:15:00", "2026-07-14T10:00:00"),
    )
    .await
    .unwrap();
    assert_eq!(made.exception.during, at("2026-07-14T13:15:00Z")..at("2026-07-14T14:00:00Z"));
    assert_eq!(made.conflicts.iter().map(|one| one.id).collect::<Vec<_>>(), [met]);
    assert_eq!(free_on_tuesday(&p).await, 3);
    let whole = add_exception::Input {
        resource: None,
        ..exception(&p, ExceptionKind::Holiday, "2026-07-14T00:00:00", "2026-07-15T00:00:00")
    };
    let holiday = add_exception::run(cx, system, whole).await.unwrap();
    assert_eq!((holiday.conflicts.len(), free_on_tuesday(&p).await), (1, 0));
    let extra = exception(&p, ExceptionKind::ExtraHours, "2026-07-14T20:00:00", "2026-07-14T21:00:00");
    assert_eq!(add_exception::run(cx, system, extra).await.unwrap().conflicts.len(), 0);
    assert_eq!(free_on_tuesday(&p).await, 0, "a closure wins over extra hours");

    remove_exception::run(cx, system, holiday.exception.id).await.unwrap();
    assert_eq!(free_on_tuesday(&p).await, 6, "three before, three in the extra hour");
    assert_eq!(
        refused(remove_exception::run(cx, system, holiday.exception.id).await),
        [(Code::NotFound, "id".to_owned())]
    );
    assert_eq!(p.centre.count("SELECT count(*) FROM events WHERE type = 'schedule.changed'").await, 4);
}

#[tokio::test]
async fn whoever_is_booked_is_told_of_on_top_of_others_and_far_ahead_too() {
    let p = practice().await;
    let (cx, system) = (&p.centre.cx, &p.centre.system);
    let hours = p.centre.works(p.ana, p.branch, &[(2..=2, "09:00", "11:00")]).await;
    let new = |start: &str| Booking::new(p.branch, p.rosa, p.cut, start, 30).with(p.ana);
    let first = p.centre.book(new("2026-07-14T13:00:00Z")).await;
    let on_top = p.centre.book(new("2026-07-14T13:00:00Z").overbooked()).await;
    let late = p.centre.book(new("2026-07-14T20:00:00Z").overbooked()).await;
    let far = p.centre.book(new("2027-11-16T12:00:00Z")).await;
    let met = async |from: &str, to: &str| -> Vec<Uuid> {
        let made = add_exception::run(cx, system, exception(&p, ExceptionKind::Block, from, to)).await.unwrap();
        remove_exception::run(cx, system, made.exception.id).await.unwrap();
        made.conflicts.iter().map(|one| one.id).collect()
    };
    let mut today = met("2026-07-14T00:00:00", "2026-07-15T00:00:00").await;
    today.sort_unstable();
    let mut all = [first, on_top, late];
    all.sort_unstable();
    assert_eq!(today, all);
    assert_eq!(met("2027-11-16T00:00:00", "2027-11-17T00:00:00").await, [far]);

    // A schedule that leaves both outside tells both; the late one was outside before.
    let change = upsert_schedule::Input {
        id: Some(hours),
        version: Some(1),
        ..schedule(&p, "Otras", vec![window(Weekday::Wed, "09:00", "11:00")])
    };
    let mut told: Vec<Uuid> =
        upsert_schedule::run(cx, system, change).await.unwrap().conflicts.iter().map(|one| one.id).collect();
    told.sort_unstable();
    let mut both = [first, on_top];
    both.sort_unstable();
    assert_eq!(told, both);
}

#[tokio::test]
async fn who_sees_only_the_own_column_is_told_of_the_own_appointments() {
    let p = practice().await;
    let (cx, system) = (&p.centre.cx, &p.centre.system);
    let eva = p.centre.professional("Eva", p.branch).await;
    let mine = p.centre.book(Booking::new(p.branch, p.rosa, p.cut, "2026-07-14T13:00:00Z", 30).with(p.ana)).await;
    p.centre.book(Booking::new(p.branch, p.rosa, p.cut, "2026-07-14T14:00:00Z", 30).with(eva)).await;
    for (permissions, expected) in [
        (vec![Permission::AgendaWrite, Permission::AgendaRead], 2),
        (vec![Permission::AgendaWrite, Permission::AgendaReadOwn], 1),
        (vec![Permission::AgendaWrite], 0),
    ] {
        let actor = Actor {
            kind: ActorKind::User,
            professional: Some(p.ana),
            permissions: permissions.into_iter().collect(),
            ..system.clone()
        };
        let whole = add_exception::Input {
            resource: None,
            ..exception(&p, ExceptionKind::Closed, "2026-07-14T00:00:00", "2026-07-15T00:00:00")
        };
        let made = add_exception::run(cx, &actor, whole).await.unwrap();
        remove_exception::run(cx, system, made.exception.id).await.unwrap();
        assert_eq!(made.conflicts.len(), expected);
        assert!(expected != 1 || made.conflicts[0].id == mine);
    }
}

#[tokio::test]
async fn a_day_is_closed_from_midnight_to_midnight_where_the_clock_jumps_over_one() {
    let p = practice().await;
    for (from, to, start, end) in [
        ("2026-09-06T00:00:00", "2026-09-07T00:00:00", "2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z"),
        ("2026-09-05T00:00:00", "2026-09-06T00:00:00", "2026-09-05T04:00:00Z", "2026-09-06T04:00:00Z"),
    ] {
        let input = exception(&p, ExceptionKind::Closed, from, to);
        let made = add_exception::run(&p.centre.cx, &p.centre.system, input).await.unwrap();
        assert_eq!(made.exception.during, start.parse().unwrap()..end.parse().unwrap());
    }
}

#[tokio::test]
async fn wrong_exceptions_are_refused_and_change_nothing() {
    let p = practice().await;
    let (cx, system) = (&p.centre.cx, &p.centre.system);
    let block = |from: &str, to: &str| exception(&p, ExceptionKind::Block, from, to);
    for (input, expected) in [
        (block("2026-07-14T10:00:00", "2026-07-14T10:00:00"), vec![(Code::Invalid, "localEnd")]),
        (block("2026-07-14T10:00:00", "2026-07-14T09:00:00"), vec![(Code::Invalid, "localEnd")]),
        (block("2026-07-14T10:00:00", "2036-07-14T10:00:00"), vec![(Code::Invalid, "localEnd")]),
        (block("2026-09-06T00:15:00", "2026-09-06T12:00:00"), vec![(Code::NonexistentLocalTime, "localStart")]),
        (block("2026-09-05T00:00:00", "2026-09-06T00:30:00"), vec![(Code::NonexistentLocalTime, "localEnd")]),
        (
            block("2027-04-03T23:10:00", "2027-04-03T23:30:00"),
            vec![(Code::AmbiguousLocalTime, "localStart"), (Code::AmbiguousLocalTime, "localEnd")],
        ),
        (
            add_exception::Input { resource: Some(Uuid::nil()), ..block("2026-07-14T10:00:00", "2026-07-14T11:00:00") },
            vec![(Code::NotFound, "resourceId")],
        ),
        (
            add_exception::Input { branch: Uuid::nil(), ..block("2026-07-14T10:00:00", "2026-07-14T11:00:00") },
            vec![(Code::NotFound, "branchId")],
        ),
        (
            add_exception::Input {
                reason: Some("x".repeat(501)),
                ..block("2026-07-14T10:00:00", "2026-07-14T11:00:00")
            },
            vec![(Code::Invalid, "reason")],
        ),
        (
            add_exception::Input {
                reason: Some("a\0b".to_owned()),
                ..block("2026-07-14T10:00:00", "2026-07-14T11:00:00")
            },
            vec![(Code::Invalid, "reason")],
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(code, field)| (code, field.to_owned())).collect();
        assert_eq!(refused(add_exception::run(cx, system, input.clone()).await), expected, "{input:?}");
    }
    let good = block("2026-07-14T10:00:00", "2026-07-14T11:00:00");
    let professional = Actor { permissions: BuiltinRole::Professional.permissions(), ..system.clone() };
    assert_eq!(refused(add_exception::run(cx, &professional, good.clone()).await)[0].0, Code::Forbidden);
    let made = add_exception::run(cx, system, good).await.unwrap();
    assert_eq!(refused(remove_exception::run(cx, &professional, made.exception.id).await)[0].0, Code::Forbidden);
    let elsewhere = Actor { branches: Some([Uuid::nil()].into()), ..system.clone() };
    let beta = p.app.system("beta").await;
    for actor in [elsewhere, beta] {
        assert_eq!(
            refused(remove_exception::run(cx, &actor, made.exception.id).await),
            [(Code::NotFound, "id".to_owned())]
        );
    }
    assert_eq!(p.centre.count("SELECT count(*) FROM schedule_exceptions").await, 1);
}
