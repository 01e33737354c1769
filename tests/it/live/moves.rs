//! What moves appointments without being asked to move one: a colleague who takes over, and the branch's clock.

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
    centre::{global, upsert},
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
        assert_eq!(missed, 1);
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
