//! When a stream cannot go on, it says why and where to go on from.

use std::sync::Arc;

use horae::{
    domain::{
        event_cursor::EventCursor,
        refusal::{Code, Failure},
    },
    events::{Delivery, ResetReason},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{Desk, events, next, ready, reset};
use crate::support::app::TestApp;

async fn as_owner(app: &TestApp, sql: String) {
    let mut owner = PgConnection::connect(&app.database_url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut owner).await.unwrap();
    owner.close().await.unwrap();
}

fn refused_at_after(failure: &Failure) {
    match failure {
        Failure::Refused(refusals) => {
            assert_eq!(
                (refusals[0].code, refusals[0].field.as_deref()),
                (Code::Invalid, Some(&["after".to_owned()][..]))
            );
        }
        Failure::Fault(fault) => panic!("{fault:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_from_before_retention_is_told_so() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let (mut stream, begin) = desk.listen(&app, None).await;
    desk.book(&app, 0, 0).await;
    let kept = events(&mut stream, 1).await[0].0;
    let schema = &desk.actor.tenant.schema_name;
    as_owner(&app, format!("SELECT {schema}.prune_events('2100-01-01')")).await;
    desk.book(&app, 0, 1).await;
    assert_eq!(events(&mut stream, 1).await.len(), 1, "who was up to date goes on");

    let wanted = desk.agenda(Some(begin.cursor.seal(&app.app.cx.seal)));
    let mut late = app.app.live.subscribe(Arc::clone(&desk.actor), wanted).await.unwrap();
    let said = ready(&mut late).await;
    assert!(said.was_recovering && !said.recovered && said.replay_count == 0, "{said:?}");
    let reset = reset(&mut late).await;
    assert_eq!(reset.reason, ResetReason::CursorTooOld);
    let head = desk.centre.count("SELECT position FROM event_head").await;
    assert_eq!(reset.resume_after.position, head);

    // The last that was removed is the first from which one can go on.
    let edge = EventCursor { position: kept, ..begin.cursor };
    let (mut edge, said) = desk.listen(&app, Some(edge.seal(&app.app.cx.seal))).await;
    assert!(said.recovered, "{said:?}");
    assert_eq!(events(&mut edge, 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_epoch_ends_streams_and_voids_their_cursors() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let (mut stream, begin) = desk.listen(&app, None).await;
    as_owner(&app, "UPDATE catalogue.tenants SET epoch = epoch + 1 WHERE slug = 'alfa'".to_owned()).await;
    let said = reset(&mut stream).await;
    assert_eq!((said.reason, said.resume_after.epoch), (ResetReason::EpochChanged, begin.cursor.epoch + 1));

    let actor = app.app.authenticator.again(&desk.actor).await.unwrap().unwrap();
    let wanted = desk.agenda(Some(begin.cursor.seal(&app.app.cx.seal)));
    let mut late = app.app.live.subscribe(Arc::clone(&actor), wanted).await.unwrap();
    assert!(!ready(&mut late).await.recovered);
    let said = reset(&mut late).await;
    assert_eq!(said.reason, ResetReason::EpochChanged);
    let mut again =
        app.app.live.subscribe(actor, desk.agenda(Some(said.resume_after.seal(&app.app.cx.seal)))).await.unwrap();
    assert!(ready(&mut again).await.recovered, "resumeAfter is good");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_or_foreign_cursor_is_refused() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let (_, begin) = desk.listen(&app, None).await;
    let genuine = begin.cursor.seal(&app.app.cx.seal);
    let mut changed = genuine.clone().into_bytes();
    changed[15] = if changed[15] == b'A' { b'B' } else { b'A' };
    let beta = app.actor("beta").await;
    let foreign = EventCursor { tenant_key: beta.tenant.key, epoch: beta.tenant.epoch, position: 0 };
    for word in [String::from_utf8(changed).unwrap(), "x".to_owned(), String::new(), foreign.seal(&app.app.cx.seal)] {
        let answer = app.app.live.subscribe(Arc::clone(&desk.actor), desk.agenda(Some(word))).await;
        refused_at_after(&answer.err().expect("refused"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_keep_up_is_cut_and_goes_on_without_loss() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let id = desk.book(&app, 0, 0).await;
    let (mut slow, begin) = desk.listen(&app, None).await;
    let (mut fast, _) = desk.listen(&app, None).await;
    let mut seen = Vec::new();
    for _ in 0..6 {
        desk.happen(&app, id, 100).await;
        seen.extend(events(&mut fast, 100).await);
    }
    let said = reset(&mut slow).await;
    assert_eq!(said.reason, ResetReason::SlowConsumer);
    assert_eq!(said.resume_after, begin.cursor);
    let (mut again, ready) = desk.listen(&app, Some(said.resume_after.seal(&app.app.cx.seal))).await;
    assert_eq!(ready.replay_count, 600);
    assert_eq!(events(&mut again, 600).await, seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_session_ends_is_cut_at_once_and_hears_nothing_more() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let client = app.admin("alfa").await;
    let actor = app.actor_of(&client).await;
    let mut stream = app.app.live.subscribe(Arc::clone(&actor), desk.agenda(None)).await.unwrap();
    let begin = ready(&mut stream).await;
    client.ok("mutation { logout { ok } }", serde_json::json!({})).await;
    desk.book(&app, 0, 0).await;
    match next(&mut stream).await {
        Some(Delivery::Reset(said)) => {
            assert_eq!(said.reason, ResetReason::PermissionsChanged);
            assert_eq!(said.resume_after, begin.cursor, "the booking was not delivered");
        }
        other => panic!("expected a reset, got {other:?}"),
    }
    assert!(next(&mut stream).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_rights_that_no_event_tells_is_noticed_within_seconds() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let client = app.user("alfa", horae::auth::BuiltinRole::Receptionist).await;
    let actor = app.actor_of(&client).await;
    let mut stream = app.app.live.subscribe(Arc::clone(&actor), desk.agenda(None)).await.unwrap();
    let mut other = app.app.live.subscribe(Arc::clone(&desk.actor), desk.agenda(None)).await.unwrap();
    ready(&mut stream).await;
    ready(&mut other).await;
    desk.centre.run("DELETE FROM user_roles WHERE user_id = $1", vec![actor.id.into()]).await;
    assert_eq!(reset(&mut stream).await.reason, ResetReason::PermissionsChanged);
    let actor = app.app.authenticator.again(&actor).await.unwrap().unwrap();
    assert!(app.app.live.subscribe(actor, desk.agenda(None)).await.is_err(), "may see nothing any more");
    let id = desk.book(&app, 0, 0).await;
    assert_eq!(events(&mut other, 1).await[0].1, id, "the others go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_centre_ends_its_streams() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let (mut stream, _) = desk.listen(&app, None).await;
    let now = app.now();
    app.app.cx.db.set_tenant_status("alfa", horae::db::TenantStatus::Disabled, None, now).await.unwrap();
    assert_eq!(reset(&mut stream).await.reason, ResetReason::PermissionsChanged);
}
