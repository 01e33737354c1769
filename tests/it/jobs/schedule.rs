//! Recurring work, and zone rules that changed.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use horae::{
    db::{ClaimedJob, TenantStatus},
    domain::{notifications::AppointmentTimes, time::tzdata_version},
    jobs::{Outcome, Run, Runner},
};
use sqlx::{Connection, PgConnection};
use tokio_util::sync::CancellationToken;

use crate::{notifications::Desk, support::app::TestApp};

async fn count(app: &TestApp, text: &'static str) -> i64 {
    let mut connection = PgConnection::connect(&app.database_url).await.unwrap();
    sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_tick_is_made_once_by_however_many_workers() {
    let app = TestApp::start().await;
    let workers: Vec<_> = (0..4).map(|_| app.app.worker()).collect();
    let drained = futures::future::join_all(workers.iter().map(horae::jobs::Worker::drain)).await;
    let done: usize = drained.into_iter().map(|drained| drained.unwrap().done).sum();
    assert_eq!(done, horae::jobs::SCHEDULES.len() * 2, "each schedule, for two centres");
    assert_eq!(app.run_jobs().await.done, 0, "nothing more in the same tick");
    app.clock.advance(Duration::minutes(15));
    assert_eq!(app.run_jobs().await.done, 4, "reminders and files alone");
}

#[tokio::test]
async fn old_receipts_and_events_go_and_young_ones_stay() {
    let desk = Desk::open().await;
    let tx = desk.tx().await;
    for (key, age) in [("old", 26), ("young", 23)] {
        tx.run(
            "INSERT INTO idempotency_receipts (actor, mutation, key, input_hash, outcome, created_at) VALUES ($1, 'm', $2, '', 'null', $3)",
            [key.into(), desk.app.app.cx.new_id().into(), (desk.app.now() - Duration::hours(age)).into()],
        )
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    desk.app.run_jobs().await;
    let tx = desk.tx().await;
    let left: Vec<String> = tx.scalars("SELECT actor FROM idempotency_receipts", []).await.unwrap();
    assert_eq!(left, ["young"]);
    let before: Option<i64> = tx.scalar("SELECT count(*) FROM events", []).await.unwrap();
    tx.commit().await.unwrap();
    assert!(before > Some(0));
    desk.app.clock.advance(Duration::days(31));
    desk.app.run_jobs().await;
    let tx = desk.tx().await;
    let removed: Option<i64> = tx.scalar("SELECT removed FROM event_head", []).await.unwrap();
    assert_eq!(removed, before);
}

/// Puts what is booked where it would be if the rules under which it was booked had Santiago an hour east of where ours
/// have it.
async fn as_if_by_other_rules(desk: &Desk) {
    let tx = desk.tx().await;
    for sql in [
        "UPDATE appointments SET start_at = start_at - interval '1 hour', end_at = end_at - interval '1 hour'",
        "UPDATE email_messages SET due_at = due_at - interval '1 hour' WHERE kind = 'APPOINTMENT_REMINDER'",
    ] {
        tx.run(sql, []).await.unwrap();
    }
    tx.commit().await.unwrap();
}

async fn start(desk: &Desk, booked: &AppointmentTimes) -> DateTime<Utc> {
    let tx = desk.tx().await;
    let start = tx.scalar("SELECT start_at FROM appointments WHERE id = $1", [booked.id.into()]).await.unwrap();
    tx.commit().await.unwrap();
    start.unwrap()
}

#[tokio::test]
async fn a_binary_with_other_zone_rules_computes_the_future_again_and_says_what_moved() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, "2026-07-15T19:00:00Z", "maria@example.com").await;
    as_if_by_other_rules(&desk).await;
    desk.app.app.cx.db.set_time_rules("2020a", desk.app.now()).await.unwrap();
    let worker = desk.app.app.worker();
    let stop = CancellationToken::new();
    let task = {
        let stop = stop.clone();
        desk.app.app.tasks.spawn(async move { worker.run(stop).await })
    };
    while count(&desk.app, "SELECT count(*) FROM queue.ticks WHERE schedule LIKE 'tzdata %'").await == 0
        || count(&desk.app, "SELECT count(*) FROM queue.jobs WHERE kind = 'tzdata.apply'").await > 0
    {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    task.await.unwrap();
    assert_eq!(start(&desk, &booked).await, booked.start);
    let tx = desk.tx().await;
    let data: Option<serde_json::Value> =
        tx.scalar("SELECT data FROM events WHERE type = 'tzdata.changed'", []).await.unwrap();
    assert_eq!(data.unwrap()["appointments"], serde_json::json!([booked.id]));
    let reminder = desk.emails(booked.id).await.into_iter().find(|row| row.0 == "APPOINTMENT_REMINDER").unwrap();
    assert_eq!(reminder.2, "2026-07-15T12:00:00Z".parse::<DateTime<Utc>>().unwrap());
    assert_eq!(desk.app.app.cx.db.time_rules().await.unwrap().as_deref(), Some(tzdata_version()));
}

#[tokio::test]
async fn a_centre_in_maintenance_follows_the_zone_rules_when_it_is_active_again() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, "2026-07-15T19:00:00Z", "maria@example.com").await;
    as_if_by_other_rules(&desk).await;
    let db = &desk.app.app.cx.db;
    for (away, reason) in [(TenantStatus::Maintenance, Some("move")), (TenantStatus::Disabled, None)] {
        // A binary with new rules starts meanwhile.
        db.set_tenant_status("alfa", away, reason, desk.app.now()).await.unwrap();
        db.set_time_rules(tzdata_version(), desk.app.now()).await.unwrap();
        desk.app.run_jobs().await;
        assert_eq!(start(&desk, &booked).await, booked.start - Duration::hours(1), "{away:?}");
        desk.app.clock.advance(Duration::minutes(15));
    }
    db.set_tenant_status("alfa", TenantStatus::Active, None, desk.app.now()).await.unwrap();
    desk.app.run_jobs().await;
    assert_eq!(start(&desk, &booked).await, booked.start);
}

#[tokio::test]
async fn what_an_older_node_books_while_a_release_is_rolled_out_is_computed_again() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    desk.app.app.cx.db.set_time_rules(tzdata_version(), desk.app.now()).await.unwrap();
    desk.app.run_jobs().await;
    let booked = desk.book(&branch, "2026-07-15T19:00:00Z", "maria@example.com").await;
    as_if_by_other_rules(&desk).await;
    desk.app.clock.advance(Duration::minutes(15));
    desk.app.run_jobs().await;
    assert_eq!(start(&desk, &booked).await, booked.start);
    // An hour later no older node is left, and nobody is looked at any more.
    let ticks = async || count(&desk.app, "SELECT count(*) FROM queue.ticks WHERE schedule LIKE 'tzdata %'").await;
    desk.app.clock.advance(Duration::hours(1));
    desk.app.run_jobs().await;
    let seen = ticks().await;
    desk.app.clock.advance(Duration::minutes(15));
    desk.app.run_jobs().await;
    assert_eq!(ticks().await, seen);
}

/// Gives up at once.
struct Failing;

#[async_trait::async_trait]
impl Runner for Failing {
    fn kind(&self) -> &'static str {
        "tzdata.apply"
    }

    async fn run(&self, _run: &Run, _job: &ClaimedJob) -> Outcome {
        Outcome::Fail("as the test wants it".to_owned())
    }
}

#[tokio::test]
async fn a_centre_whose_recomputation_failed_is_recomputed_again() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let booked = desk.book(&branch, "2026-07-15T19:00:00Z", "maria@example.com").await;
    as_if_by_other_rules(&desk).await;
    desk.app.app.cx.db.set_time_rules(tzdata_version(), desk.app.now()).await.unwrap();
    let failed = desk.app.app.worker().with_runner(Arc::new(Failing)).drain().await.unwrap().failed;
    assert_eq!(failed, 2, "both centres'");
    desk.app.clock.advance(Duration::minutes(15));
    desk.app.run_jobs().await;
    assert_eq!(start(&desk, &booked).await, booked.start);
}
