//! Claims, leases, fences, fairness, stops.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use horae::{
    db::{ClaimKind, ClaimRequest, ClaimedJob, Lane, NewJob},
    jobs::{Drained, Limits, Outcome, Run, Runner, Worker, WorkerOptions},
};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::app::TestApp;

const KIND: &str = "test.work";

/// Does what the job's payload says, and remembers it.
#[derive(Default)]
struct Scripted {
    ran: Mutex<Vec<(String, i32)>>,
    started: Notify,
    /// Jobs that say `wait` go on when they get a permit.
    gate: Option<Semaphore>,
    tries: i32,
}

impl Scripted {
    fn new(tries: i32) -> Arc<Self> {
        Arc::new(Self { tries, gate: Some(Semaphore::new(0)), ..Self::default() })
    }

    fn ran(&self) -> Vec<(String, i32)> {
        self.ran.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Runner for Scripted {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn limits(&self) -> Limits {
        Limits { tries: self.tries, ..Limits::default() }
    }

    async fn run(&self, run: &Run, job: &ClaimedJob) -> Outcome {
        self.ran.lock().unwrap().push((job.dedup_key.clone(), job.attempt));
        self.started.notify_one();
        match job.payload["do"].as_str().unwrap_or_default() {
            "panic" => panic!("as the payload says"),
            "poison" => Outcome::Failed("poison".to_owned()),
            "wait" => {
                self.gate.as_ref().unwrap().acquire().await.unwrap().forget();
                Outcome::Done
            }
            "later" if job.due_at < run.cx.now() => Outcome::RetryAt(run.cx.now() + chrono::Duration::seconds(10)),
            _ => Outcome::Done,
        }
    }
}

async fn enqueue(app: &TestApp, slug: &str, key: &str, payload: serde_json::Value, lane: Lane) {
    let system = app.system(slug).await;
    let tx = app.app.cx.write(&system).await.unwrap();
    let job = NewJob { kind: KIND, dedup_key: key.to_owned(), payload, due_at: app.now(), lane, local: None };
    tx.enqueue(job).await.unwrap();
    tx.commit().await.unwrap();
}

fn worker(app: &TestApp, runner: &Arc<Scripted>, options: WorkerOptions) -> Worker {
    Worker::new(app.app.cx.clone(), Arc::clone(&app.app.mailer), options)
        .with_runner(Arc::clone(runner) as Arc<dyn Runner>)
}

fn request(app: &TestApp, worker: Uuid, limit: i64) -> ClaimRequest {
    ClaimRequest {
        worker,
        now: app.now(),
        limit,
        per_tenant: limit,
        bulk_limit: limit,
        kinds: vec![ClaimKind { kind: KIND.to_owned(), free: limit, together: 1 }],
        running: Vec::new(),
        lease_seconds: 60.0,
    }
}

async fn sql(app: &TestApp, text: &'static str) -> Vec<(String, String, i32)> {
    let mut connection = PgConnection::connect(&app.database_url).await.unwrap();
    sqlx::query_as(text).fetch_all(&mut connection).await.unwrap()
}

async fn states(app: &TestApp) -> HashMap<String, (String, i32)> {
    let rows = sql(app, "SELECT dedup_key, state, attempt FROM queue.jobs WHERE kind = 'test.work'").await;
    rows.into_iter().map(|(key, state, attempt)| (key, (state, attempt))).collect()
}

async fn lapse_leases(app: &TestApp) {
    sql(
        app,
        "WITH lapsed AS (UPDATE queue.jobs SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'RUNNING' RETURNING 1)
         SELECT 'x', 'x', 0 FROM lapsed WHERE false",
    )
    .await;
}

#[tokio::test]
async fn two_claims_at_once_never_take_the_same_job() {
    let app = TestApp::start().await;
    for n in 0..40 {
        enqueue(&app, "alfa", &n.to_string(), json!({}), Lane::Transactional).await;
    }
    let db = &app.app.cx.db;
    let requests: Vec<ClaimRequest> = (0..8).map(|n| request(&app, Uuid::from_u128(n), 10)).collect();
    let claims = requests.iter().map(|request| db.claim_jobs("main", request));
    let mut taken: Vec<i64> =
        futures::future::join_all(claims).await.into_iter().flat_map(Result::unwrap).map(|job| job.id).collect();
    let all = taken.len();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(taken.len(), all);
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_cannot_write_its_result() {
    let app = TestApp::start().await;
    enqueue(&app, "alfa", "one", json!({}), Lane::Transactional).await;
    let db = &app.app.cx.db;
    let first = db.claim_jobs("main", &request(&app, Uuid::from_u128(1), 1)).await.unwrap().pop().unwrap();
    assert_eq!(db.reclaim_jobs("main").await.unwrap(), 0, "the lease holds");
    lapse_leases(&app).await;
    assert_eq!(db.reclaim_jobs("main").await.unwrap(), 1);
    let second = db.claim_jobs("main", &request(&app, Uuid::from_u128(2), 1)).await.unwrap().pop().unwrap();
    assert_eq!((first.attempt, second.attempt), (1, 2));
    assert!(db.finish_jobs("main", &[&first]).await.unwrap().is_empty());
    assert!(!db.retry_job("main", &first, app.now(), true, None).await.unwrap());
    assert!(!db.fail_job("main", &first, "late").await.unwrap());
    let kept = db.heartbeat_jobs("main", &[(first.id, first.claim), (second.id, second.claim)], 60.0).await.unwrap();
    assert_eq!(kept, [(second.id, second.claim)]);
    assert_eq!(db.finish_jobs("main", &[&second]).await.unwrap(), [second.id]);
    assert!(states(&app).await.is_empty());
}

#[tokio::test]
async fn a_panic_is_one_try_and_poison_is_set_aside_without_stopping_others() {
    let app = TestApp::start().await;
    enqueue(&app, "alfa", "a-panic", json!({"do": "panic"}), Lane::Transactional).await;
    enqueue(&app, "alfa", "b-poison", json!({"do": "poison"}), Lane::Transactional).await;
    enqueue(&app, "alfa", "c-good", json!({}), Lane::Transactional).await;
    let runner = Scripted::new(3);
    let worker = worker(&app, &runner, WorkerOptions::default());
    worker.drain().await.unwrap();
    assert!(runner.ran().contains(&("c-good".to_owned(), 1)), "in the same round as the bad ones");
    for _ in 0..5 {
        app.clock.advance(chrono::Duration::minutes(10));
        worker.drain().await.unwrap();
    }
    let left = states(&app).await;
    assert_eq!(left["a-panic"], ("FAILED".to_owned(), 3));
    assert_eq!(left["b-poison"], ("FAILED".to_owned(), 3));
    assert_eq!(left.len(), 2);
    assert_eq!(runner.ran().iter().filter(|(key, _)| key == "a-panic").count(), 3);
}

#[tokio::test]
async fn a_job_that_kills_its_workers_fails_without_being_run_again() {
    let app = TestApp::start().await;
    enqueue(&app, "alfa", "killer", json!({}), Lane::Transactional).await;
    for n in 0..3 {
        app.app.cx.db.claim_jobs("main", &request(&app, Uuid::from_u128(n), 1)).await.unwrap();
        lapse_leases(&app).await;
        app.app.cx.db.reclaim_jobs("main").await.unwrap();
    }
    let runner = Scripted::new(3);
    worker(&app, &runner, WorkerOptions::default()).drain().await.unwrap();
    assert!(runner.ran().is_empty());
    assert_eq!(states(&app).await["killer"].0, "FAILED");
}

#[tokio::test]
async fn waiting_for_a_better_time_costs_no_try() {
    let app = TestApp::start().await;
    enqueue(&app, "alfa", "one", json!({"do": "later"}), Lane::Transactional).await;
    app.clock.advance(chrono::Duration::seconds(1));
    let runner = Scripted::new(1);
    let worker = worker(&app, &runner, WorkerOptions::default());
    assert_eq!(worker.drain().await.unwrap().waiting, 1);
    assert_eq!(states(&app).await["one"], ("READY".to_owned(), 0));
    app.clock.advance(chrono::Duration::seconds(10));
    worker.drain().await.unwrap();
    assert!(states(&app).await.is_empty());
}

#[tokio::test]
async fn tenants_take_turns_and_somebody_who_waits_comes_before_bulk() {
    let app = TestApp::start().await;
    for n in 0..30 {
        enqueue(&app, "alfa", &format!("bulk-{n}"), json!({}), Lane::Bulk).await;
        enqueue(&app, "alfa", &format!("alfa-{n}"), json!({}), Lane::Transactional).await;
    }
    for n in 0..3 {
        enqueue(&app, "beta", &format!("beta-{n}"), json!({}), Lane::Transactional).await;
    }
    let claimed = app.app.cx.db.claim_jobs("main", &request(&app, Uuid::from_u128(1), 6)).await.unwrap();
    let of = |jobs: &[ClaimedJob], what: &str| jobs.iter().filter(|job| job.dedup_key.starts_with(what)).count();
    assert_eq!((of(&claimed, "beta"), of(&claimed, "alfa"), of(&claimed, "bulk")), (3, 3, 0));
    // What runs already counts as turns taken.
    let mut next = request(&app, Uuid::from_u128(1), 4);
    enqueue(&app, "beta", "beta-3", json!({}), Lane::Transactional).await;
    next.running = vec![(claimed.iter().find(|job| job.dedup_key.starts_with("alfa")).unwrap().tenant, 3)];
    let claimed = app.app.cx.db.claim_jobs("main", &next).await.unwrap();
    assert_eq!((of(&claimed, "beta"), of(&claimed, "alfa")), (1, 1), "a cap of four for alfa, three of them taken");
}

#[tokio::test]
async fn no_tenant_waits_for_the_end_of_anothers_work() {
    let app = TestApp::start().await;
    for n in 0..100 {
        enqueue(&app, "alfa", &format!("alfa-{n}"), json!({}), Lane::Transactional).await;
    }
    enqueue(&app, "beta", "beta", json!({}), Lane::Transactional).await;
    let db = &app.app.cx.db;
    // One slot, and nothing runs: both have had as many turns, and alfa's jobs are older.
    for _ in 0..99 {
        let claimed = db.claim_jobs("main", &request(&app, Uuid::from_u128(1), 1)).await.unwrap();
        assert_eq!(db.finish_jobs("main", &[&claimed[0]]).await.unwrap().len(), 1);
        if claimed[0].dedup_key == "beta" {
            return;
        }
    }
    panic!("beta's job has waited for all of alfa's");
}

#[tokio::test]
async fn a_turn_is_as_many_jobs_as_run_together() {
    let app = TestApp::start().await;
    for n in 0..8 {
        for slug in ["alfa", "beta"] {
            enqueue(&app, slug, &format!("{slug}-{n}"), json!({}), Lane::Transactional).await;
        }
    }
    let mut request = request(&app, Uuid::from_u128(1), 4);
    request.kinds[0].together = 4;
    let mut orders = Vec::new();
    for _ in 0..4 {
        let claimed = app.app.cx.db.claim_jobs("main", &request).await.unwrap();
        assert!(claimed.iter().all(|job| job.tenant == claimed[0].tenant), "four of one tenant");
        orders.push(claimed.into_iter().map(|job| job.dedup_key).collect::<Vec<_>>());
    }
    orders.sort();
    let turn = |slug: &str, first: usize| (first..first + 4).map(|n| format!("{slug}-{n}")).collect::<Vec<_>>();
    assert_eq!(orders, [turn("alfa", 0), turn("alfa", 4), turn("beta", 0), turn("beta", 4)]);
}

/// Runs jobs together, and remembers with which others.
#[derive(Default)]
struct Gathered {
    ran: Mutex<Vec<Vec<(String, i32)>>>,
}

#[async_trait::async_trait]
impl Runner for Gathered {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn limits(&self) -> Limits {
        Limits { tries: 2, together: 4, ..Limits::default() }
    }

    async fn run(&self, run: &Run, job: &ClaimedJob) -> Outcome {
        self.run_together(run, std::slice::from_ref(job)).await.remove(0)
    }

    async fn run_together(&self, _run: &Run, jobs: &[ClaimedJob]) -> Vec<Outcome> {
        let keys = jobs.iter().map(|job| (job.dedup_key.clone(), job.attempt)).collect();
        self.ran.lock().unwrap().push(keys);
        assert!(!jobs.iter().any(|job| job.payload["do"] == "panic"), "as the payload says");
        vec![Outcome::Done; jobs.len()]
    }
}

#[tokio::test]
async fn jobs_of_one_cause_run_together_and_by_themselves_once_they_failed() {
    let app = TestApp::start().await;
    for (key, payload) in [("a", json!({})), ("b", json!({"do": "panic"})), ("c", json!({})), ("d", json!({}))] {
        enqueue(&app, "alfa", key, payload, Lane::Transactional).await;
    }
    // One more than fits, one of another request, one of another centre.
    enqueue(&app, "alfa", "e", json!({}), Lane::Transactional).await;
    let mut other = app.system("alfa").await;
    other.request_id = "another-request".into();
    let tx = app.app.cx.write(&other).await.unwrap();
    let (payload, lane) = (json!({}), Lane::Transactional);
    let job = NewJob { kind: KIND, dedup_key: "other".to_owned(), payload, due_at: app.now(), lane, local: None };
    tx.enqueue(job).await.unwrap();
    tx.commit().await.unwrap();
    enqueue(&app, "beta", "beta", json!({}), Lane::Transactional).await;

    let runner = Arc::new(Gathered::default());
    let worker = Worker::new(app.app.cx.clone(), Arc::clone(&app.app.mailer), WorkerOptions::default())
        .with_runner(Arc::clone(&runner) as Arc<dyn Runner>);
    let stop = CancellationToken::new();
    let task = {
        let (worker, stop) = (worker.clone(), stop.clone());
        app.app.tasks.spawn(async move { worker.run(stop).await })
    };
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        let left = states(&app).await;
        if left.len() == 1 && left.contains_key("b") && left["b"].0 == "FAILED" {
            break;
        }
        assert!(tokio::time::Instant::now() < end, "{left:?}");
        // Past the pause after a failure.
        app.clock.advance(chrono::Duration::seconds(1));
        worker.wake();
        tokio::task::yield_now().await;
    }
    stop.cancel();
    task.await.unwrap();
    let mut ran = runner.ran.lock().unwrap().clone();
    ran.sort();
    let of = |keys: &str, attempt: i32| keys.chars().map(|key| (key.to_string(), attempt)).collect::<Vec<_>>();
    let named = |key: &str| vec![(key.to_owned(), 1)];
    let wanted =
        [of("a", 2), of("abcd", 1), of("b", 2), named("beta"), of("c", 2), of("d", 2), of("e", 1), named("other")];
    let mut wanted = wanted.to_vec();
    wanted.sort();
    assert_eq!(ran, wanted);
}

#[tokio::test]
async fn the_caps_of_tenant_kind_and_lane_hold_in_one_claim() {
    let app = TestApp::start().await;
    for n in 0..10 {
        enqueue(&app, "alfa", &format!("a{n}"), json!({}), Lane::Bulk).await;
    }
    let db = &app.app.cx.db;
    let capped = |change: fn(&mut ClaimRequest)| {
        let mut request = request(&app, Uuid::from_u128(1), 8);
        change(&mut request);
        request
    };
    assert_eq!(db.claim_jobs("main", &capped(|r| r.per_tenant = 2)).await.unwrap().len(), 2);
    assert_eq!(db.claim_jobs("main", &capped(|r| r.bulk_limit = 3)).await.unwrap().len(), 3);
    assert_eq!(db.claim_jobs("main", &capped(|r| r.kinds[0].free = 1)).await.unwrap().len(), 1);
    assert_eq!(db.claim_jobs("main", &capped(|r| r.kinds.clear())).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_a_full_kind_may_not_take_goes_to_others() {
    let app = TestApp::start().await;
    for slug in ["alfa", "beta"] {
        let system = app.system(slug).await;
        let tx = app.app.cx.write(&system).await.unwrap();
        for n in 0..20 {
            // What comes last is due last.
            let kind = if n == 19 { "test.other" } else { KIND };
            let due_at = app.now() - chrono::Duration::seconds(20 - n);
            let (dedup_key, lane) = (format!("{slug}-{n}"), Lane::Transactional);
            tx.enqueue(NewJob { kind, dedup_key, payload: json!({}), due_at, lane, local: None }).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
    let mut request = request(&app, Uuid::from_u128(1), 8);
    request.kinds[0].free = 3;
    request.kinds.push(ClaimKind { kind: "test.other".to_owned(), free: 8, together: 1 });
    let claimed = app.app.cx.db.claim_jobs("main", &request).await.unwrap();
    let others = claimed.iter().filter(|job| job.kind == "test.other").count();
    assert_eq!((claimed.len(), others), (5, 2));
    let of_beta = claimed.iter().filter(|job| job.kind == KIND && job.dedup_key.starts_with("beta")).count();
    assert!((1..=2).contains(&of_beta), "three for two centres: {of_beta}");
    request.kinds[0].free = 0;
    assert!(app.app.cx.db.claim_jobs("main", &request).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_stop_lets_jobs_end_and_gives_back_what_takes_too_long() {
    let app = TestApp::start().await;
    enqueue(&app, "alfa", "slow", json!({"do": "wait"}), Lane::Transactional).await;
    let runner = Scripted::new(3);
    let options = WorkerOptions { slots: 2, drain: Duration::from_millis(50), ..WorkerOptions::default() };
    let worker = worker(&app, &runner, options);
    let stop = CancellationToken::new();
    let task = {
        let (worker, stop) = (worker.clone(), stop.clone());
        app.app.tasks.spawn(async move { worker.run(stop).await })
    };
    runner.started.notified().await;
    stop.cancel();
    task.await.unwrap();
    assert_eq!(states(&app).await["slow"], ("READY".to_owned(), 0), "released at once, and the try does not count");
    runner.gate.as_ref().unwrap().add_permits(1);
    assert_eq!(worker.drain().await.unwrap().failed, 0);
    assert!(states(&app).await.is_empty());
}

#[tokio::test]
async fn leases_are_renewed_while_a_job_runs_longer_than_one() {
    let app = TestApp::start().await;
    enqueue(&app, "alfa", "slow", json!({"do": "wait"}), Lane::Transactional).await;
    let runner = Scripted::new(3);
    let options = WorkerOptions {
        lease: Duration::from_millis(600),
        poll: Duration::from_millis(50),
        ..WorkerOptions::default()
    };
    let stop = CancellationToken::new();
    let tasks: Vec<_> = (0..2)
        .map(|_| {
            let (worker, stop) = (worker(&app, &runner, options.clone()), stop.clone());
            app.app.tasks.spawn(async move { worker.run(stop).await })
        })
        .collect();
    runner.started.notified().await;
    // Three leases by the database's clock, in which the other worker sweeps all the time.
    let mut connection = PgConnection::connect(&app.database_url).await.unwrap();
    sqlx::query("SELECT pg_sleep(1.8)").execute(&mut connection).await.unwrap();
    assert_eq!(runner.ran(), [("slow".to_owned(), 1)]);
    runner.gate.as_ref().unwrap().add_permits(1);
    while !states(&app).await.is_empty() {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_job_put_in_again_while_it_waits_moves_and_a_rolled_back_one_never_was() {
    let app = TestApp::start().await;
    enqueue(&app, "alfa", "one", json!({"n": 1}), Lane::Transactional).await;
    app.clock.advance(chrono::Duration::minutes(5));
    enqueue(&app, "alfa", "one", json!({"n": 2}), Lane::Transactional).await;
    let system = app.system("alfa").await;
    let tx = app.app.cx.write(&system).await.unwrap();
    let ghost = NewJob {
        kind: KIND,
        dedup_key: "ghost".to_owned(),
        payload: json!({}),
        due_at: app.now(),
        lane: Lane::Bulk,
        local: None,
    };
    tx.enqueue(ghost).await.unwrap();
    tx.rollback().await.unwrap();
    let claimed = app.app.cx.db.claim_jobs("main", &request(&app, Uuid::from_u128(1), 10)).await.unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!((claimed[0].payload["n"].as_i64(), claimed[0].due_at), (Some(2), app.now()));
}

#[tokio::test]
async fn jobs_of_a_centre_in_maintenance_wait_and_those_of_unknown_kinds_stay() {
    let app = TestApp::start().await;
    enqueue(&app, "alfa", "one", json!({}), Lane::Transactional).await;
    let db = &app.app.cx.db;
    db.set_tenant_status("alfa", horae::db::TenantStatus::Maintenance, Some("moving"), app.now()).await.unwrap();
    let runner = Scripted::new(1);
    let drained = worker(&app, &runner, WorkerOptions::default()).drain().await.unwrap();
    assert_eq!((drained.waiting, runner.ran().len()), (1, 0));
    db.set_tenant_status("alfa", horae::db::TenantStatus::Active, None, app.now()).await.unwrap();
    app.clock.advance(chrono::Duration::minutes(2));
    // A worker that does not know the kind leaves it to one that does.
    app.run_jobs().await;
    assert_eq!(states(&app).await["one"].0, "READY");
    assert_ne!(worker(&app, &runner, WorkerOptions::default()).drain().await.unwrap(), Drained::default());
    assert_eq!(runner.ran().len(), 1);
}
