//! A database that falls silent: its host is gone without a word, and comes back later.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use horae::{
    db::{Access, ClaimedJob, Lane, NewJob},
    jobs::{Outcome, Run, Runner},
};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::{sync::mpsc, time::timeout};

use crate::support::{
    app::{TestApp, config},
    door::Door,
};

const ROOMS: &str = "{ rooms(first: 1) { nodes { id } } }";

/// How long the node waits for an answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Within which everything must have ended: several limits, one after another.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node with few connections, each of them through a door.
async fn behind_a_door() -> (TestApp, Door) {
    let direct = TestApp::start().await;
    let app_url = config(&direct.database_url, &[]).db_options().unwrap().servers["main"].app_url.clone();
    let (door, through) = Door::before(&app_url).await;
    let settings = [
        ("DATABASE_APP_URL", through.as_str()),
        ("DATABASE_MAX_CONNECTIONS", "4"),
        ("DATABASE_ACQUIRE_TIMEOUT", "5"),
        ("HORAE_SHUTDOWN_GRACE", "2"),
    ];
    (TestApp::impatient(&direct.database_url, &settings, LIMIT).await, door)
}

#[tokio::test]
async fn who_asks_is_refused_and_places_and_connections_come_back() {
    let (app, door) = behind_a_door().await;
    let (alfa, db) = (app.admin("alfa").await, &app.app.cx.db);
    let tenant = db.find_tenant_by_slug("alfa").await.unwrap().unwrap();
    // Both places of the centre are taken: one transaction asks something, the other is dropped.
    let asks = db.begin(&tenant, Access::Write).await.unwrap();
    let dropped = db.begin(&tenant, Access::Write).await.unwrap();
    door.shut();
    drop(dropped);
    let began = Instant::now();
    let silent = timeout(PATIENCE, asks.run("SELECT 1", [])).await.expect("it is not waited for ever").unwrap_err();
    assert!(silent.is_unavailable(), "{silent:?}");
    assert!(began.elapsed() >= LIMIT, "{:?}", began.elapsed());
    drop(asks);
    let refused = timeout(PATIENCE, alfa.error_code(ROOMS, json!({}))).await.expect("it is refused");
    assert_eq!(refused, "SERVICE_UNAVAILABLE");
    door.open();
    // As soon as what was asked in vain has been given up.
    let both = async {
        loop {
            let first = db.begin(&tenant, Access::Write).await;
            let second = db.begin(&tenant, Access::Write).await;
            if let (Ok(first), Ok(second)) = (first, second) {
                return [first.run("SELECT 1", []).await.unwrap(), second.run("SELECT 1", []).await.unwrap()];
            }
        }
    };
    assert_eq!(timeout(PATIENCE, both).await.expect("both places are free"), [1, 1]);
    timeout(PATIENCE, alfa.ok(ROOMS, json!({}))).await.expect("the node serves again");
}

#[tokio::test]
async fn who_takes_time_is_waited_for() {
    let (app, _door) = behind_a_door().await;
    let tenant = app.app.cx.db.find_tenant_by_slug("alfa").await.unwrap().unwrap();
    let tx = app.app.cx.db.begin(&tenant, Access::Read).await.unwrap();
    tx.take_time(PATIENCE).await.unwrap();
    tx.run("SELECT pg_sleep(6)", []).await.unwrap();
    tx.commit().await.unwrap();
}

/// Tells what it has run.
struct Tells(mpsc::UnboundedSender<String>);

#[async_trait::async_trait]
impl Runner for Tells {
    fn kind(&self) -> &'static str {
        "test.work"
    }

    async fn run(&self, _: &Run, job: &ClaimedJob) -> Outcome {
        self.0.send(job.dedup_key.clone()).unwrap();
        Outcome::Done
    }
}

async fn put(app: &TestApp, key: &str) {
    let system = app.system("alfa").await;
    let tx = app.app.cx.write(&system).await.unwrap();
    let (kind, dedup_key, lane) = ("test.work", key.to_owned(), Lane::Transactional);
    tx.enqueue(NewJob { kind, dedup_key, payload: json!({}), due_at: app.now(), lane, local: None }).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn a_worker_goes_on_when_it_speaks_again_and_stops_while_it_is_silent() {
    let (app, door) = behind_a_door().await;
    let direct = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    let (tells, mut told) = mpsc::unbounded_channel();
    let (worker, shutdown) = (app.app.worker().with_runner(Arc::new(Tells(tells))), app.app.shutdown.clone());
    let working = tokio::spawn(async move { worker.run(shutdown).await });
    for key in ["before", "after"] {
        put(&direct, key).await;
        let ran = timeout(PATIENCE, told.recv()).await.unwrap_or_else(|_| panic!("{key} is not run"));
        assert_eq!(ran.as_deref(), Some(key));
        door.shut();
        if key == "before" {
            // It looks every second: by then it has asked in vain.
            tokio::time::sleep(LIMIT).await;
            door.open();
        }
    }
    app.app.shutdown.cancel();
    timeout(PATIENCE, working).await.expect("the worker stops").unwrap();
    timeout(PATIENCE, app.app.stop()).await.expect("the node stops");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_it() {
    let (app, door) = behind_a_door().await;
    let tenant = app.app.cx.db.find_tenant_by_slug("alfa").await.unwrap().unwrap();
    let held = app.app.cx.db.begin(&tenant, Access::Write).await.unwrap();
    door.shut();
    timeout(PATIENCE, app.app.stop()).await.expect("the node stops");
    drop(held);
}

/// Leaves connections of which the server knows nothing, as its restart does.
#[tokio::test]
async fn a_restart_costs_no_request() {
    let app = TestApp::start_with(&[("DATABASE_MAX_CONNECTIONS", "4")]).await;
    let alfa = app.admin("alfa").await;
    let ask = || alfa.ok(ROOMS, json!({}));
    futures::future::join_all((0..8).map(|_| ask())).await;
    let mut owner = PgConnection::connect(&app.database_url).await.unwrap();
    let end = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert!(sqlx::query_scalar::<_, i64>(end).fetch_one(&mut owner).await.unwrap() > 0);
    // Connections are looked at after a rest; PostgreSQL needs as long to start.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    for _ in 0..8 {
        ask().await;
    }
}
