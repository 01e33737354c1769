//! What changes an agenda besides bookings and working hours: a colleague who takes over, the branch's clock, columns that
//! come and go.

use std::sync::Arc;

use horae::{
    auth::Actor,
    domain::{centre::deactivate_resource, platform::apply_time_rules},
    events::{ChangeKind, Delivery, Subscription, Wanted},
    schema::id::Kind,
};
use serde_json::json;
use uuid::Uuid;

use super::{Desk, events, next, ready};
use crate::{
    agenda::at,
    centre::{global, local, upsert},
    support::app::TestApp,
};

/// A subscriber to the agenda.
struct Screen {
    actor: Arc<Actor>,
    wanted: Wanted,
}

impl Screen {
    async fn open(&self, app: &TestApp, after: Option<String>) -> (Subscription, i64) {
        let wanted = Wanted { after, ..self.wanted.clone() };
        let mut stream = app.app.live.subscribe(Arc::clone(&self.actor), wanted).await.unwrap();
        let missed = ready(&mut stream).await.replay_count;
        (stream, missed)
    }
}

/// Which column is to be read again next.
async fn read_again(stream: &mut Subscription) -> Option<Uuid> {
    match next(stream).await {
        Some(Delivery::Schedule(_, change)) => change.resource,
        unexpected => panic!("expected that something is read again, got {unexpected:?}"),
    }
}

/// Screens of everything, of these columns, and of who sees the first professional's alone.
async fn screens(app: &TestApp, desk: &Desk, columns: &[Uuid]) -> Vec<Screen> {
    let mut screens = vec![Screen { actor: Arc::clone(&desk.actor), wanted: desk.agenda(None) }];
    for column in columns {
        let wanted = Wanted { resources: Some(vec![*column]), ..desk.agenda(None) };
        screens.push(Screen { actor: Arc::clone(&desk.actor), wanted });
    }
    screens.push(Screen { actor: desk.professional(app, 0).await, wanted: desk.agenda(None) });
    screens
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_colleague_takes_over_is_told_to_both_columns_live_and_in_replay() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 3).await;
    let (ana, eva, other) = (desk.professionals[0], desk.professionals[1], desk.professionals[2]);
    let (mut first, _) = desk.listen(&app, None).await;
    let id = desk.book(&app, 0, 0).await;
    events(&mut first, 1).await;
    let (_, begin) = desk.listen(&app, None).await;
    let after = begin.cursor.seal(&app.app.cx.seal);

    let screens = screens(&app, &desk, &[ana, eva]).await;
    let mut live = Vec::new();
    for screen in &screens {
        live.push(screen.open(&app, None).await.0);
    }
    let input = deactivate_resource::Input { id: ana, version: 1, reassign_to: Some(eva) };
    assert_eq!(deactivate_resource::run(&app.app.cx, &desk.actor, input).await.unwrap(), 1);
    for (screen, mut live) in screens.iter().zip(live) {
        let (mut replayed, missed) = screen.open(&app, Some(after.clone())).await;
        let shows_ana = screen.wanted.resources.as_deref() != Some(&[eva]);
        assert_eq!(missed, if shows_ana { 2 } else { 1 });
        for stream in [&mut live, &mut replayed] {
            match next(stream).await {
                Some(Delivery::Appointment(_, change)) => {
                    assert!(screen.actor.professional.is_none(), "where it went is not theirs to see");
                    assert_eq!((change.appointment.id, change.kind), (id, ChangeKind::Moved));
                    assert_eq!(change.previous.as_ref().unwrap().resources, [ana]);
                    assert_eq!(change.appointment.resources, [eva]);
                }
                Some(Delivery::Schedule(_, change)) => {
                    assert_eq!((screen.actor.professional, change.resource), (Some(ana), Some(ana)));
                    assert_eq!(change.during.start.to_rfc3339(), "2026-07-14T04:00:00+00:00");
                }
                unexpected => panic!("expected the move, got {unexpected:?}"),
            }
            if shows_ana {
                assert_eq!(read_again(stream).await, Some(ana), "her column is gone");
            }
        }
    }
    let bystander =
        Screen { actor: Arc::clone(&desk.actor), wanted: Wanted { resources: Some(vec![other]), ..desk.agenda(None) } };
    assert_eq!(bystander.open(&app, Some(after)).await.1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_branchs_clock_changes_every_column_is_read_again_live_and_in_replay() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 2).await;
    let (mut first, _) = desk.listen(&app, None).await;
    let id = desk.book(&app, 0, 0).await;
    events(&mut first, 1).await;
    let (_, begin) = desk.listen(&app, None).await;
    let after = begin.cursor.seal(&app.app.cx.seal);

    let screens = screens(&app, &desk, &desk.professionals).await;
    let mut live = Vec::new();
    for screen in &screens {
        live.push(screen.open(&app, None).await.0);
    }
    let branch = global(&app, "alfa", Kind::Branch, desk.branch).await;
    let east = json!({"id": branch, "version": 1, "name": "Sur", "timeZone": "America/Punta_Arenas"});
    upsert(&app.admin("alfa").await, "upsertBranch", "BranchInput", "branch { id }", east).await;
    // As if it had been booked by other rules.
    let sql = "UPDATE appointments SET start_at = start_at - interval '1 hour', end_at = end_at - interval '1 hour' WHERE id = $1";
    desk.centre.run(sql, vec![id.into()]).await;
    assert_eq!(apply_time_rules::run(&app.app.cx, &desk.centre.system).await.unwrap(), 1);
    for (screen, mut live) in screens.iter().zip(live) {
        let (mut replayed, missed) = screen.open(&app, Some(after.clone())).await;
        assert_eq!(missed, 2);
        for stream in [&mut live, &mut replayed] {
            for _ in ["branch.zone_changed", "tzdata.changed"] {
                match next(stream).await {
                    Some(Delivery::Schedule(_, change)) => {
                        assert_eq!((change.resource, change.zone), (None, chrono_tz::America::Punta_Arenas));
                        assert!(change.during.contains(&at("2026-07-14T03:00:00Z")), "{change:?}");
                    }
                    unexpected => panic!("expected that all is read again, got {unexpected:?}"),
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_come_go_or_look_different_are_told_where_they_stand_and_opening_hours_to_all() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let admin = app.admin("alfa").await;
    let (here, there) = (desk.branch, desk.centre.branch("Ñuñoa", "America/Santiago").await);
    let branches = [global(&app, "alfa", Kind::Branch, here).await, global(&app, "alfa", Kind::Branch, there).await];
    let (mut live, begin) = desk.listen(&app, None).await;
    let elsewhere = Wanted { branches: Some(vec![there]), ..desk.agenda(None) };
    let mut elsewhere = app.app.live.subscribe(Arc::clone(&desk.actor), elsewhere).await.unwrap();
    ready(&mut elsewhere).await;

    let eva = async |input: serde_json::Value| {
        upsert(&admin, "upsertProfessional", "ProfessionalInput", "professional { id }", input).await["professional"]
            .take()
    };
    let created = eva(json!({"name": "Eva", "branchIds": [branches[0]]})).await;
    let id = local(&app, "alfa", Kind::Resource, &created["id"]).await;
    let mut is = json!({"id": created["id"], "version": 1, "name": "Eva", "branchIds": [branches[0]]});
    // Nothing that an agenda shows.
    is["bio"] = json!("Kinesióloga");
    eva(is.clone()).await;
    // To the other branch as well, under another name, and away from here.
    for (version, name, at) in
        [(2, "Eva", &branches[..]), (3, "Eva Ríos", &branches[..]), (4, "Eva Ríos", &branches[1..])]
    {
        (is["version"], is["name"], is["branchIds"]) = (json!(version), json!(name), json!(at));
        eva(is.clone()).await;
    }
    let hours = json!([{"day": "TUE", "start": "00:00", "end": "00:00"}]);
    let mut branch = json!({"id": branches[0], "version": 1, "name": "Providencia", "timeZone": "America/Santiago"});
    branch["openingHours"] = hours;
    for version in [1, 2] {
        branch["version"] = json!(version);
        let answer = upsert(&admin, "upsertBranch", "BranchInput", "branch { id }", branch.clone()).await;
        assert_eq!(answer["userErrors"], json!([]), "the second time nothing is new");
    }
    let last = desk.book(&app, 0, 0).await;

    let mut replayed = desk.listen(&app, Some(begin.cursor.seal(&app.app.cx.seal))).await.0;
    for stream in [&mut live, &mut replayed] {
        for expected in [Some(id), Some(id), Some(id), None] {
            assert_eq!(read_again(stream).await, expected);
        }
        assert_eq!(events(stream, 1).await[0].1, last, "and nothing else");
    }
    for expected in [Some(id), Some(id)] {
        assert_eq!(read_again(&mut elsewhere).await, expected);
    }
}
