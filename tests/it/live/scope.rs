//! Who gets what: branches, resources, the own column, and nothing of anybody else.

use std::sync::Arc;

use horae::{
    auth::BuiltinRole,
    domain::change::{Change, Changes},
    events::{Delivery, Topic, Wanted},
};
use serde_json::json;
use uuid::Uuid;

use super::{Desk, events, next, ready};
use crate::support::app::TestApp;

fn bookings() -> Wanted {
    Wanted { topic: Topic::Bookings, branches: None, resources: None, after: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn bookings_are_told_and_other_changes_are_not() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let mut stream = app.app.live.subscribe(Arc::clone(&desk.actor), bookings()).await.unwrap();
    ready(&mut stream).await;
    let first = desk.book(&app, 0, 0).await;
    desk.happen(&app, first, 3).await;
    let second = desk.book(&app, 0, 1).await;
    let ids: Vec<Uuid> = events(&mut stream, 2).await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids, [first, second]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_by_resource_takes_the_same_live_and_in_replay() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 2).await;
    let wanted = Wanted { resources: Some(vec![desk.professionals[1]]), ..desk.agenda(None) };
    let mut stream = app.app.live.subscribe(Arc::clone(&desk.actor), wanted.clone()).await.unwrap();
    let begin = ready(&mut stream).await;
    desk.book(&app, 0, 0).await;
    let mine = desk.book(&app, 1, 0).await;
    desk.book(&app, 0, 1).await;
    schedule_changes(&desk, &app, Some(desk.professionals[0])).await;
    schedule_changes(&desk, &app, Some(desk.professionals[1])).await;
    schedule_changes(&desk, &app, None).await;
    for recovering in [false, true] {
        if recovering {
            let wanted = Wanted { after: Some(begin.cursor.seal(&app.app.cx.seal)), ..wanted.clone() };
            stream = app.app.live.subscribe(Arc::clone(&desk.actor), wanted).await.unwrap();
            assert_eq!(ready(&mut stream).await.replay_count, 3);
        }
        assert_eq!(events(&mut stream, 1).await[0].1, mine);
        for expected in [Some(desk.professionals[1]), None] {
            match next(&mut stream).await {
                Some(Delivery::Schedule(_, change)) => assert_eq!(change.resource, expected),
                other => panic!("expected working hours, got {other:?}"),
            }
        }
    }
}

async fn schedule_changes(desk: &Desk, app: &TestApp, resource: Option<Uuid>) {
    let change = Change {
        branch_id: Some(desk.branch),
        data: json!({"resourceId": resource, "from": "2026-07-14T00:00:00Z", "to": "2026-07-15T00:00:00Z"}),
        ..Change::event("schedule.changed", "test", "ScheduleException", app.app.cx.new_id())
    };
    let tx = app.app.cx.write(&desk.centre.system).await.unwrap();
    app.app.cx.commit(tx, Changes::one(&desk.centre.system, change)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_professional_gets_the_own_column_and_sees_a_gap_where_an_appointment_left_it() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 2).await;
    let actor = desk.professional(&app, 0).await;
    let mut stream = app.app.live.subscribe(Arc::clone(&actor), desk.agenda(None)).await.unwrap();
    let begin = ready(&mut stream).await;
    desk.book(&app, 1, 0).await;
    let mine = desk.book(&app, 0, 0).await;
    assert_eq!(events(&mut stream, 1).await[0].1, mine);

    // It moves to the colleague's column.
    let sql = "UPDATE occupancies SET resource_id = $2, during = tstzrange(lower(during) + interval '2 hours', upper(during) + interval '2 hours')
               WHERE appointment_id = $1";
    desk.centre.run(sql, vec![mine.into(), desk.professionals[1].into()]).await;
    let previous =
        json!({"resources": [desk.professionals[0]], "start": "2026-07-14T04:00:00Z", "end": "2026-07-14T04:30:00Z"});
    let change = Change {
        branch_id: Some(desk.branch),
        data: json!({"kind": "MOVED", "resources": desk.professionals, "previous": previous}),
        ..Change::event("appointment.rescheduled", "test", "Appointment", mine)
    };
    let tx = app.app.cx.write(&desk.centre.system).await.unwrap();
    app.app.cx.commit(tx, Changes::one(&desk.centre.system, change)).await.unwrap();
    match next(&mut stream).await {
        Some(Delivery::Schedule(_, change)) => {
            assert_eq!(change.resource, Some(desk.professionals[0]));
            assert_eq!(change.during.start.to_rfc3339(), "2026-07-14T04:00:00+00:00");
        }
        other => panic!("expected a gap, got {other:?}"),
    }
    // In replay the booking is not theirs to see any more either; the gap is.
    let wanted = desk.agenda(Some(begin.cursor.seal(&app.app.cx.seal)));
    let mut again = app.app.live.subscribe(actor, wanted).await.unwrap();
    ready(&mut again).await;
    assert!(matches!(next(&mut again).await, Some(Delivery::Schedule(..))));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_centre_hears_nothing_and_another_branch_neither() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let beta = app.actor("beta").await;
    let mut foreign = app.app.live.subscribe(Arc::clone(&beta), bookings()).await.unwrap();
    ready(&mut foreign).await;
    let elsewhere = desk.centre.branch("Ñuñoa", "America/Santiago").await;
    let mut other = app
        .app
        .live
        .subscribe(Arc::clone(&desk.actor), Wanted { branches: Some(vec![elsewhere]), ..desk.agenda(None) })
        .await
        .unwrap();
    ready(&mut other).await;
    let (mut here, _) = desk.listen(&app, None).await;
    desk.book(&app, 0, 0).await;
    events(&mut here, 1).await;
    // Both have had the time that the third took; what they would get is there now.
    assert!(futures::FutureExt::now_or_never(foreign.next()).is_none());
    assert!(futures::FutureExt::now_or_never(other.next()).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_see_only_some_branches_is_not_told_of_others() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let elsewhere = desk.centre.branch("Ñuñoa", "America/Santiago").await;
    let client = app.user("alfa", BuiltinRole::Receptionist).await;
    let actor = app.actor_of(&client).await;
    let sql = "UPDATE users SET branch_ids = ARRAY[$2::uuid] WHERE id = $1";
    desk.centre.run(sql, vec![actor.id.into(), elsewhere.into()]).await;
    app.app.authenticator.forget(actor.tenant.id, actor.session.unwrap()).await;
    let actor = app.actor_of(&client).await;
    assert!(app.app.live.subscribe(Arc::clone(&actor), desk.agenda(None)).await.is_err(), "the branch is not found");
    let mut stream = app.app.live.subscribe(actor, bookings()).await.unwrap();
    ready(&mut stream).await;
    let (mut admin, _) = desk.listen(&app, None).await;
    desk.book(&app, 0, 0).await;
    events(&mut admin, 1).await;
    assert!(futures::FutureExt::now_or_never(stream.next()).is_none());
}
