//! Free slots: grids, buffers, requirements, days of 23 and 25 hours, and what patients are offered.

use chrono::{DateTime, TimeDelta, Utc};
use horae::{
    auth::{Actor, BuiltinRole},
    domain::{
        agenda::availability::{self, Input},
        booking::slot::Slot,
        refusal::Code,
    },
};
use uuid::Uuid;

use super::{at, refused};
use crate::support::{
    app::TestApp,
    fixtures::{Booking, Centre},
};

fn ask(branch: Uuid, treatments: &[Uuid], from: &str, to: &str) -> Input {
    Input {
        branch,
        treatments: treatments.to_vec(),
        professional: None,
        room: None,
        range: at(from)..at(to),
        limit: None,
    }
}

async fn slots(centre: &Centre, input: Input) -> Vec<Slot> {
    availability::run(&centre.cx, &centre.system, input).await.unwrap()
}

/// Starts on the branch's clock, with its offset.
fn starts(slots: &[Slot]) -> Vec<String> {
    slots.iter().map(|slot| slot.start.with_timezone(&slot.zone).format("%dT%H:%M%:z").to_string()).collect()
}

struct Salon {
    app: TestApp,
    centre: Centre,
    branch: Uuid,
    ana: Uuid,
    cut: Uuid,
    rosa: Uuid,
}

/// Ana cuts hair in half an hour, every day from 09:00 to 11:00.
async fn salon(zone: &str) -> Salon {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let branch = centre.branch("Centro", zone).await;
    let ana = centre.professional("Ana", branch).await;
    centre.works(ana, branch, &[(1..=7, "09:00", "11:00")]).await;
    let cut = centre.treatment("Corte", 30).await;
    let rosa = centre.patient("Rosa", "Soto").await;
    Salon { app, centre, branch, ana, cut, rosa }
}

#[tokio::test]
async fn starts_lie_on_the_grid_and_the_treatment_inside_working_time() {
    let Salon { centre, branch, ana, cut, rosa, app: _app } = salon("America/Santiago").await;
    let all = slots(&centre, ask(branch, &[cut], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z")).await;
    let expected = [
        "14T09:00-04:00",
        "14T09:15-04:00",
        "14T09:30-04:00",
        "14T09:45-04:00",
        "14T10:00-04:00",
        "14T10:15-04:00",
        "14T10:30-04:00",
    ];
    assert_eq!(starts(&all), expected);
    assert!(all.iter().all(|slot| slot.resources == [ana]
        && slot.items[0].professional == Some(ana)
        && slot.remaining_capacity == 1));

    centre.book(Booking::new(branch, rosa, cut, "2026-07-14T13:30:00Z", 30).with(ana)).await;
    let rest = slots(&centre, ask(branch, &[cut], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z")).await;
    assert_eq!(starts(&rest), ["14T09:00-04:00", "14T10:00-04:00", "14T10:15-04:00", "14T10:30-04:00"]);

    let buffered = centre.treatment("Tintura", 30).await;
    centre.buffers(buffered, 15, 15).await;
    let rest = slots(&centre, ask(branch, &[buffered], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z")).await;
    assert_eq!(
        starts(&rest),
        ["14T10:15-04:00", "14T10:30-04:00"],
        "buffers keep off the other appointment and stick out of the day"
    );

    centre.run("UPDATE branches SET slot_grid_minutes = 50 WHERE id = $1", vec![branch.into()]).await;
    let rest = slots(&centre, ask(branch, &[cut], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z")).await;
    assert_eq!(starts(&rest), ["14T10:00-04:00"], "minutes since midnight: 09:10 and 10:50 do not fit");
}

#[tokio::test]
async fn nothing_is_offered_in_the_past_and_limits_hold() {
    let Salon { app, centre, branch, cut, .. } = salon("America/Santiago").await;
    app.clock.set(at("2026-07-14T13:40:00Z"));
    let rest = slots(&centre, ask(branch, &[cut], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z")).await;
    assert_eq!(starts(&rest), ["14T09:45-04:00", "14T10:00-04:00", "14T10:15-04:00", "14T10:30-04:00"]);
    let two = Input { limit: Some(2), ..ask(branch, &[cut], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z") };
    assert_eq!(starts(&slots(&centre, two).await), ["14T09:45-04:00", "14T10:00-04:00"]);
    assert!(slots(&centre, ask(branch, &[cut], "2026-07-01T04:00:00Z", "2026-07-02T04:00:00Z")).await.is_empty());
}

#[tokio::test]
async fn a_gap_at_midnight_leaves_a_day_of_23_hours() {
    // Santiago, 2026-09-06: 00:00 does not exist, the day begins at 01:00.
    let Salon { centre, branch, ana, cut, app: _app, .. } = salon("America/Santiago").await;
    centre.works(ana, branch, &[(7..=7, "00:00", "02:00")]).await;
    let all = slots(&centre, ask(branch, &[cut], "2026-09-06T03:00:00Z", "2026-09-06T09:00:00Z")).await;
    assert_eq!(starts(&all), ["06T01:00-03:00", "06T01:15-03:00", "06T01:30-03:00"]);
    assert_eq!(all[0].start, at("2026-09-06T04:00:00Z"));
}

#[tokio::test]
async fn both_hours_of_an_overlap_are_offered_with_their_offsets() {
    // Santiago, 2026-04-04: 23:00 to 24:00 happens twice; the clock is set before it for the test.
    let Salon { app, centre, branch, ana, cut, .. } = salon("America/Santiago").await;
    app.clock.set(at("2026-04-01T12:00:00Z"));
    centre.works(ana, branch, &[(6..=6, "22:30", "00:00")]).await;
    let all = slots(&centre, ask(branch, &[cut], "2026-04-05T01:00:00Z", "2026-04-05T06:00:00Z")).await;
    let expected = [
        "04T22:30-03:00",
        "04T22:45-03:00",
        "04T23:00-03:00",
        "04T23:15-03:00",
        "04T23:30-03:00",
        "04T23:45-03:00",
        "04T23:00-04:00",
        "04T23:15-04:00",
        "04T23:30-04:00",
    ];
    assert_eq!(starts(&all), expected);

    // Madrid, 2026-10-25: 02:00 to 03:00 happens twice.
    let madrid = centre.branch("Madrid", "Europe/Madrid").await;
    let luz = centre.professional("Luz", madrid).await;
    centre.works(luz, madrid, &[(7..=7, "02:30", "03:30")]).await;
    let all = slots(&centre, ask(madrid, &[cut], "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")).await;
    let expected = ["25T02:30+02:00", "25T02:30+01:00", "25T02:45+01:00", "25T03:00+01:00"];
    assert_eq!(
        starts(&all),
        expected,
        "the window is open from 02:30 to 03:00, shut for the repeated half hour, open again"
    );
}

#[tokio::test]
async fn treatments_follow_each_other_and_their_buffers_are_not_in_their_own_way() {
    let Salon { centre, branch, ana, cut, rosa, app: _app } = salon("America/Santiago").await;
    centre.buffers(cut, 10, 10).await;
    let wash = centre.treatment("Lavado", 15).await;
    let all = slots(&centre, ask(branch, &[wash, cut], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z")).await;
    assert_eq!(starts(&all).last().map(String::as_str), Some("14T10:15-04:00"));
    let last = all.last().unwrap();
    assert_eq!(
        (last.items[1].start - last.start, last.end - last.start),
        (TimeDelta::minutes(15), TimeDelta::minutes(45))
    );
    assert_eq!(last.price.minor, 20_000);

    // Beto only cuts: Ana washes, and he goes on when she cannot.
    let beto = centre.professional("Beto", branch).await;
    centre.offers_only(beto, &[cut]).await;
    centre.works(beto, branch, &[(1..=7, "09:00", "11:00")]).await;
    centre.book(Booking::new(branch, rosa, cut, "2026-07-14T13:30:00Z", 30).with(ana)).await;
    let all = slots(&centre, ask(branch, &[wash, cut], "2026-07-14T13:00:00Z", "2026-07-14T13:30:00Z")).await;
    let who: Vec<_> = all[0].items.iter().map(|item| item.professional).collect();
    assert_eq!(who, [Some(ana), Some(beto)]);
    let both = slots(&centre, ask(branch, &[cut], "2026-07-14T14:15:00Z", "2026-07-14T14:16:00Z")).await;
    assert_eq!(
        both.iter().map(|slot| slot.items[0].professional).collect::<Vec<_>>(),
        [Some(ana), Some(beto)],
        "by name"
    );
    let named =
        Input { professional: Some(beto), ..ask(branch, &[wash], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z") };
    assert!(slots(&centre, named).await.is_empty(), "he does not wash");
}

#[tokio::test]
async fn requirements_are_met_by_different_resources_and_compete_fairly() {
    let Salon { centre, branch, ana, rosa, app: _app, .. } = salon("America/Santiago").await;
    let one = centre.room("A", branch, 1).await;
    let two = centre.room("B", branch, 1).await;
    let laser = centre.equipment("Laser", branch).await;
    let treatment = centre.treatment("Laser", 30).await;
    // Any room, and this room: the first must leave A to the second.
    centre
        .needs(
            treatment,
            &[("PROFESSIONAL", 1, &[]), ("ROOM", 1, &[]), ("ROOM", 1, &[one]), ("EQUIPMENT", 1, &[laser])],
        )
        .await;
    let day = ask(branch, &[treatment], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z");
    assert!(
        slots(&centre, day.clone()).await.is_empty(),
        "rooms and things work the opening hours, and there are none"
    );
    centre.opens(branch, &[(1..=7, "09:00", "10:00")]).await;
    let all = slots(&centre, day.clone()).await;
    assert_eq!(starts(&all), ["14T09:00-04:00", "14T09:15-04:00", "14T09:30-04:00"]);
    let mut expected = vec![ana, one, two, laser];
    expected.sort_unstable();
    assert_eq!(all[0].resources, expected);

    centre.book(Booking::new(branch, rosa, treatment, "2026-07-14T13:30:00Z", 30).also(laser)).await;
    assert_eq!(starts(&slots(&centre, day).await), ["14T09:00-04:00"]);
}

#[tokio::test]
async fn who_is_named_may_meet_whichever_need_there_is() {
    let Salon { app, centre, branch, ana, cut, rosa } = salon("America/Santiago").await;
    centre.opens(branch, &[(1..=7, "09:00", "11:00")]).await;
    let [beto, carla] = [centre.professional("Beto", branch).await, centre.professional("Carla", branch).await];
    for (who, hours) in [(beto, ("09:00", "10:00")), (carla, ("09:00", "09:30"))] {
        centre.works(who, branch, &[(1..=7, hours.0, hours.1)]).await;
    }
    let [one, two] = [centre.room("A", branch, 1).await, centre.room("B", branch, 1).await];
    // Anybody and Ana, any room and A: the first need of each kind accepts them too.
    let any_first: &[(&str, i32, &[Uuid])] =
        &[("PROFESSIONAL", 1, &[]), ("PROFESSIONAL", 1, &[ana]), ("ROOM", 1, &[]), ("ROOM", 1, &[one])];
    centre.needs(cut, any_first).await;
    let day = ask(branch, &[cut], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z");
    let three = ["14T09:00-04:00", "14T09:15-04:00", "14T09:30-04:00"];
    let mut offered = starts(&slots(&centre, day.clone()).await);
    offered.dedup();
    assert_eq!(offered, three, "with Beto, and at nine with Carla too");
    for (professional, room, expected) in [
        (Some(ana), None, &three[..]),
        (Some(ana), Some(one), &three[..]),
        (Some(ana), Some(two), &three[..]),
        (Some(beto), Some(one), &three[..]),
        (Some(carla), Some(two), &three[..1]),
    ] {
        let found = slots(&centre, Input { professional, room, ..day.clone() }).await;
        assert_eq!(starts(&found), expected, "{professional:?} {room:?}: one per start");
        for slot in &found {
            assert_eq!(slot.items[0].professional, professional);
            assert!(room.is_none() || slot.items[0].room == room);
            assert!([ana, one, two].iter().all(|id| slot.resources.contains(id)) && slot.resources.len() == 4);
        }
    }
    let in_a = slots(&centre, Input { room: Some(one), ..day.clone() }).await;
    assert_eq!(in_a.len(), 4, "Beto three times, Carla once");
    assert!(in_a.iter().all(|slot| slot.items[0].room == Some(one)));

    // Who sees only the own column is named by that.
    let client = app.user("alfa", BuiltinRole::Professional).await;
    let user = app.actor_of(&client).await;
    centre.is_user(ana, user.id.unwrap()).await;
    let user = Actor { professional: Some(ana), ..(*user).clone() };
    let mine = availability::run(&centre.cx, &user, day.clone()).await.unwrap();
    assert_eq!(starts(&mine), three);

    // One after the other, Ana in both: the second needs nobody but her.
    let wash = centre.treatment("Lavado", 15).await;
    let both =
        Input { professional: Some(ana), ..ask(branch, &[cut, wash], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z") };
    let found = slots(&centre, both).await;
    assert_eq!(starts(&found), three);
    assert!(found.iter().all(|slot| slot.items.iter().all(|item| item.professional == Some(ana))));

    centre.book(Booking::new(branch, rosa, cut, "2026-07-14T13:00:00Z", 30).with(ana)).await;
    for professional in [ana, beto] {
        let found = slots(&centre, Input { professional: Some(professional), ..day.clone() }).await;
        assert_eq!(starts(&found), three[2..], "without her there is none");
    }
    let perm = centre.treatment("Permanente", 30).await;
    centre.needs(perm, &[("PROFESSIONAL", 1, &[ana]), ("PROFESSIONAL", 1, &[beto])]).await;
    let with_carla = Input { professional: Some(carla), treatments: vec![perm], ..day };
    assert!(slots(&centre, with_carla).await.is_empty(), "she is not one of the two");
}

#[tokio::test]
async fn a_room_with_places_is_offered_until_it_is_full() {
    let Salon { centre, branch, ana, rosa, app: _app, .. } = salon("America/Santiago").await;
    centre.run("UPDATE centre_profile SET operating_mode = 'BY_ROOM'", vec![]).await;
    let hall = centre.room("Sala", branch, 2).await;
    centre.works(hall, branch, &[(1..=7, "09:00", "09:30")]).await;
    let yoga = centre.treatment("Yoga", 30).await;
    let day = ask(branch, &[yoga], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z");
    let all = slots(&centre, day.clone()).await;
    assert_eq!(
        (starts(&all), all[0].remaining_capacity, all[0].items[0].room),
        (vec!["14T09:00-04:00".to_owned()], 2, Some(hall))
    );
    centre.book(Booking::new(branch, rosa, yoga, "2026-07-14T13:00:00Z", 30).in_room(hall)).await;
    assert_eq!(slots(&centre, day.clone()).await[0].remaining_capacity, 1);
    centre.book(Booking::new(branch, rosa, yoga, "2026-07-14T13:00:00Z", 30).in_room(hall).unit(1)).await;
    assert!(slots(&centre, day.clone()).await.is_empty());
    let with_ana = Input {
        professional: Some(ana),
        room: None,
        ..ask(branch, &[yoga], "2026-07-15T04:00:00Z", "2026-07-16T04:00:00Z")
    };
    let all = slots(&centre, with_ana).await;
    assert_eq!(all[0].items[0].professional, Some(ana), "who is named takes part, also where rooms are what counts");
}

#[tokio::test]
async fn patients_are_offered_less() {
    let Salon { app, centre, branch, ana, cut, .. } = salon("America/Santiago").await;
    let page = Actor { publishable: true, permissions: std::iter::empty().collect(), ..app.system("alfa").await };
    let public = async |from: &str, to: &str| availability::run(&centre.cx, &page, ask(branch, &[cut], from, to)).await;
    app.clock.set(at("2026-07-14T12:50:00Z"));
    let today = public("2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z").await.unwrap();
    assert_eq!(starts(&today).first().map(String::as_str), Some("14T10:00-04:00"), "an hour's notice");
    assert!(
        public("2026-10-13T04:00:00Z", "2026-10-14T04:00:00Z").await.unwrap().is_empty(),
        "ninety days ahead are over"
    );
    assert_eq!(
        refused(public("2026-07-14T04:00:00Z", "2026-08-15T04:00:00Z").await),
        [(Code::Invalid, "range".to_owned())],
        "a month at a time"
    );
    centre.run("UPDATE professionals SET accepts_online = false WHERE id = $1", vec![ana.into()]).await;
    assert!(public("2026-07-15T04:00:00Z", "2026-07-16T04:00:00Z").await.unwrap().is_empty());
    centre.run("UPDATE treatments SET online_bookable = false WHERE id = $1", vec![cut.into()]).await;
    assert_eq!(
        refused(public("2026-07-15T04:00:00Z", "2026-07-16T04:00:00Z").await),
        [(Code::NotFound, "treatmentIds.0".to_owned())]
    );
}

#[tokio::test]
async fn impossible_questions_are_refused_field_by_field() {
    let Salon { app, centre, branch, ana, cut, .. } = salon("America/Santiago").await;
    let room = centre.room("Box", branch, 1).await;
    let day = ask(branch, &[cut], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z");
    let now: DateTime<Utc> = app.now();
    for (input, expected) in [
        (
            Input { treatments: vec![], limit: Some(0), ..day.clone() },
            vec![(Code::Required, "treatmentIds"), (Code::Invalid, "limit")],
        ),
        (Input { treatments: vec![cut; 11], ..day.clone() }, vec![(Code::Invalid, "treatmentIds")]),
        (Input { range: now..now, ..day.clone() }, vec![(Code::Invalid, "range")]),
        (Input { range: now..now - TimeDelta::days(1), ..day.clone() }, vec![(Code::Invalid, "range")]),
        (Input { range: now..now + TimeDelta::days(63), ..day.clone() }, vec![(Code::Invalid, "range")]),
        (Input { range: now..now + TimeDelta::days(3653), ..day.clone() }, vec![(Code::Invalid, "range")]),
        (Input { limit: Some(501), ..day.clone() }, vec![(Code::Invalid, "limit")]),
        (Input { branch: Uuid::nil(), ..day.clone() }, vec![(Code::NotFound, "branchId")]),
        (Input { treatments: vec![cut, Uuid::nil()], ..day.clone() }, vec![(Code::NotFound, "treatmentIds.1")]),
        (
            Input { professional: Some(room), room: Some(ana), ..day.clone() },
            vec![(Code::NotFound, "professionalId"), (Code::NotFound, "roomId")],
        ),
    ] {
        let expected: Vec<(Code, String)> =
            expected.into_iter().map(|(code, field)| (code, field.to_owned())).collect();
        assert_eq!(refused(availability::run(&centre.cx, &centre.system, input.clone()).await), expected, "{input:?}");
    }
    let beta = Centre::of(&app, "beta").await;
    assert_eq!(
        refused(availability::run(&beta.cx, &beta.system, day).await),
        [(Code::NotFound, "branchId".to_owned())],
        "another centre's"
    );
}

#[tokio::test]
async fn who_sees_only_the_own_column_is_offered_only_that() {
    let Salon { app, centre, branch, ana, cut, .. } = salon("America/Santiago").await;
    let beto = centre.professional("Beto", branch).await;
    centre.works(beto, branch, &[(1..=7, "09:00", "11:00")]).await;
    let client = app.user("alfa", BuiltinRole::Professional).await;
    let user = app.actor_of(&client).await;
    centre.is_user(beto, user.id.unwrap()).await;
    let user = Actor { professional: Some(beto), ..(*user).clone() };
    let day = ask(branch, &[cut], "2026-07-14T04:00:00Z", "2026-07-15T04:00:00Z");
    let mine = availability::run(&centre.cx, &user, day.clone()).await.unwrap();
    assert!(!mine.is_empty() && mine.iter().all(|slot| slot.items[0].professional == Some(beto)));
    let others = Input { professional: Some(ana), ..day.clone() };
    assert_eq!(
        refused(availability::run(&centre.cx, &user, others).await),
        [(Code::NotFound, "professionalId".to_owned())]
    );
    let nobody = Actor { permissions: std::iter::empty().collect(), ..user };
    assert_eq!(refused(availability::run(&centre.cx, &nobody, day).await), [(Code::Forbidden, String::new())]);
}

#[tokio::test]
async fn alternatives_prefer_the_same_professional_and_come_soonest_first() {
    let Salon { centre, branch, ana, cut, app: _app, .. } = salon("America/Santiago").await;
    let beto = centre.professional("Beto", branch).await;
    centre.works(beto, branch, &[(2..=2, "09:00", "09:30")]).await;
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let place = horae::domain::centre::query::find_branch(&tx, branch).await.unwrap().unwrap();
    let treatments = horae::domain::centre::query::treatments(&tx, vec![cut]).await.unwrap();
    let near = async |who, count| {
        availability::alternatives(
            &tx,
            centre.cx.now(),
            &place,
            &treatments,
            who,
            None,
            at("2026-07-14T13:00:00Z"),
            count,
        )
        .await
        .unwrap()
    };
    let slots = near(Some(beto), 3).await;
    let who: Vec<_> = slots.iter().map(|slot| (slot.start, slot.items[0].professional)).collect();
    assert_eq!(
        who,
        [
            (at("2026-07-14T13:00:00Z"), Some(beto)),
            (at("2026-07-14T13:00:00Z"), Some(ana)),
            (at("2026-07-14T13:15:00Z"), Some(ana)),
        ]
    );
    assert!(near(Some(ana), 3).await.iter().all(|slot| slot.items[0].professional == Some(ana)));
}
