//! The agenda, column by column.

use chrono::NaiveDate;
use horae::{
    auth::{Actor, BuiltinRole},
    domain::{
        agenda::{
            appointment::Wanted,
            day::{Agenda, Grouping, Input, Wants, run},
        },
        refusal::Code,
    },
};
use uuid::Uuid;

use super::{at, refused};
use crate::support::{
    app::TestApp,
    fixtures::{Booking, Centre},
};

const EVERYTHING: Wants =
    Wants { calendar: true, appointments: Some(Wanted { branches: true, resources: true, treatments: true }) };

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn input(branch: Uuid, from: &str, to: &str, group_by: Grouping) -> Input {
    Input { branch, from: date(from), to: date(to), group_by, wants: EVERYTHING }
}

fn columns(agenda: &Agenda) -> Vec<(String, Vec<Uuid>)> {
    agenda
        .columns
        .iter()
        .map(|one| (one.resource.name.clone(), one.appointments.iter().map(|one| one.id).collect()))
        .collect()
}

#[tokio::test]
async fn one_appointment_is_in_both_groupings_and_endings_are_left_out() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let (ana, beto) = (centre.professional("Ana", branch).await, centre.professional("Beto", branch).await);
    centre.works(ana, branch, &[(1..=7, "09:00", "11:00")]).await;
    let gone = centre.professional("Carla", branch).await;
    let (one, two) = (centre.room("Box 1", branch, 1).await, centre.room("Box 2", branch, 1).await);
    let cut = centre.treatment("Corte", 30).await;
    let rosa = centre.patient("Rosa", "Soto").await;
    let new = |start: &str| Booking::new(branch, rosa, cut, start, 30);
    let both = centre.book(new("2026-07-14T13:00:00Z").with(ana).in_room(one)).await;
    let team = centre.book(new("2026-07-14T14:00:00Z").with(ana).also(beto).in_room(two)).await;
    let old = centre.book(new("2026-07-14T15:00:00Z").with(gone)).await;
    centre.run("UPDATE resources SET active = false WHERE id = $1", vec![gone.into()]).await;
    centre.book(new("2026-07-14T16:00:00Z").with(ana).status("CANCELLED")).await;
    centre.book(new("2026-07-14T17:00:00Z").with(ana).held_until("2026-07-13T11:00:00Z")).await;
    let held = centre.book(new("2026-07-14T18:00:00Z").with(ana).held_until("2026-07-13T12:05:00Z")).await;
    // Over midnight: in the agenda of both days.
    let late = centre.book(Booking::new(branch, rosa, cut, "2026-07-14T02:00:00Z", 180).with(beto)).await;
    centre.book(new("2026-07-15T04:00:00Z").with(ana)).await;

    let by_professional =
        run(&centre.cx, &centre.system, input(branch, "2026-07-14", "2026-07-14", Grouping::Professional))
            .await
            .unwrap();
    assert_eq!(by_professional.range, at("2026-07-14T04:00:00Z")..at("2026-07-15T04:00:00Z"));
    assert_eq!(
        columns(&by_professional),
        [
            ("Ana".to_owned(), vec![both, team, held]),
            ("Beto".to_owned(), vec![late, team]),
            ("Carla".to_owned(), vec![old]),
        ],
        "and a column for who is not active any more but still booked"
    );
    let free: Vec<_> = by_professional.columns[0].free.clone();
    assert_eq!(
        free,
        [
            at("2026-07-14T13:30:00Z")..at("2026-07-14T14:00:00Z"),
            at("2026-07-14T14:30:00Z")..at("2026-07-14T15:00:00Z")
        ]
    );
    let view = &by_professional.columns[0].appointments[0];
    assert_eq!(view.patient.as_ref().map(|patient| patient.given_names.as_str()), Some("Rosa"));
    assert_eq!(view.related.treatments[&view.items[0].treatment].name, "Corte");

    let by_room =
        run(&centre.cx, &centre.system, input(branch, "2026-07-14", "2026-07-14", Grouping::Room)).await.unwrap();
    assert_eq!(columns(&by_room), [("Box 1".to_owned(), vec![both]), ("Box 2".to_owned(), vec![team])]);
}

#[tokio::test]
async fn the_number_of_statements_does_not_grow_with_appointments() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let ana = centre.professional("Ana", branch).await;
    let cut = centre.treatment("Corte", 30).await;
    let count = async || {
        let before = centre.cx.db.statements();
        let agenda = run(&centre.cx, &centre.system, input(branch, "2026-07-13", "2026-07-19", Grouping::Professional))
            .await
            .unwrap();
        (agenda.columns.iter().map(|one| one.appointments.len()).sum::<usize>(), centre.cx.db.statements() - before)
    };
    let book = async |n: i64| {
        let patient = centre.patient(&format!("P{n}"), "Soto").await;
        let start = at("2026-07-14T12:00:00Z") + chrono::TimeDelta::minutes(30 * n);
        centre.book(Booking::new(branch, patient, cut, &start.to_rfc3339(), 30).with(ana)).await;
    };
    book(0).await;
    let (one, few) = count().await;
    for n in 1..12 {
        book(n).await;
    }
    let (many, same) = count().await;
    assert_eq!((one, many), (1, 12));
    assert_eq!(few, same);
    assert!(few <= 10, "{few} statements");
}

#[tokio::test]
async fn who_may_see_what() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let (branch, other) =
        (centre.branch("Centro", "America/Santiago").await, centre.branch("Otra", "America/Santiago").await);
    let (ana, beto) = (centre.professional("Ana", branch).await, centre.professional("Beto", branch).await);
    let (one, two) = (centre.room("Box 1", branch, 1).await, centre.room("Box 2", branch, 1).await);
    let cut = centre.treatment("Corte", 30).await;
    let rosa = centre.patient("Rosa", "Soto").await;
    let hers = centre.book(Booking::new(branch, rosa, cut, "2026-07-14T13:00:00Z", 30).with(ana).in_room(one)).await;
    let his = centre.book(Booking::new(branch, rosa, cut, "2026-07-14T13:00:00Z", 30).with(beto).in_room(two)).await;
    let system = app.system("alfa").await;
    let role = |role: BuiltinRole, professional, branches: Option<Uuid>| Actor {
        permissions: role.permissions(),
        professional,
        branches: branches.map(|id| [id].into()),
        ..system.clone()
    };
    let see = async |actor: &Actor, group_by| {
        run(&centre.cx, actor, input(branch, "2026-07-14", "2026-07-14", group_by)).await.map(|agenda| columns(&agenda))
    };
    let reception = role(BuiltinRole::Receptionist, None, Some(branch));
    assert_eq!(
        see(&reception, Grouping::Professional).await.unwrap(),
        [("Ana".to_owned(), vec![hers]), ("Beto".to_owned(), vec![his])]
    );
    let own = role(BuiltinRole::Professional, Some(ana), None);
    assert_eq!(see(&own, Grouping::Professional).await.unwrap(), [("Ana".to_owned(), vec![hers])]);
    assert_eq!(see(&own, Grouping::Room).await.unwrap(), [("Box 1".to_owned(), vec![hers])]);
    assert!(see(&role(BuiltinRole::Professional, None, None), Grouping::Professional).await.unwrap().is_empty());
    let elsewhere = role(BuiltinRole::Receptionist, None, Some(other));
    assert_eq!(refused(see(&elsewhere, Grouping::Professional).await), [(Code::Forbidden, String::new())]);
    let beta = app.system("beta").await;
    assert_eq!(refused(see(&beta, Grouping::Professional).await), [(Code::NotFound, "branchId".to_owned())]);
}

#[tokio::test]
async fn ranges_have_an_end_and_a_length() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("Centro", "America/Santiago").await;
    let range = async |from: &str, to: &str| {
        run(&centre.cx, &centre.system, input(branch, from, to, Grouping::Room)).await.map(|agenda| agenda.range)
    };
    assert_eq!(
        range("2026-09-06", "2026-09-06").await.unwrap(),
        at("2026-09-06T04:00:00Z")..at("2026-09-07T03:00:00Z"),
        "23 hours"
    );
    assert_eq!(
        range("2026-04-04", "2026-04-04").await.unwrap(),
        at("2026-04-04T03:00:00Z")..at("2026-04-05T04:00:00Z"),
        "25 hours"
    );
    assert!(range("2026-07-01", "2026-08-31").await.is_ok(), "62 days");
    for (from, to) in [("2026-07-14", "2026-07-13"), ("2026-07-01", "2026-09-01"), ("2026-01-01", "2036-01-01")] {
        assert_eq!(refused(range(from, to).await), [(Code::Invalid, "to".to_owned())], "{from} {to}");
    }
}
