//! `kill -9` of workers at random points: at the relay every mail has one Message-ID, and none is missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    time::Duration,
};

use horae::domain::clock::{Clock, SystemClock};
use sqlx::{Connection, PgConnection, Row};
use tokio::process::{Child, Command};
use uuid::Uuid;

use crate::{
    notifications::Desk,
    support::{
        app::SECRET,
        smtp::{SmtpSink, Which},
    },
};

const MAILS: usize = 500;
const KILLS: usize = 6;

/// How long something is waited for that a worker does at once.
const PATIENCE: Duration = Duration::from_secs(120);

fn start_worker(database_url: &str, sink: &SmtpSink) -> Child {
    Command::new(env!("CARGO_BIN_EXE_horae"))
        .arg("work")
        .env_clear()
        .env("HORAE_SECRET", SECRET)
        .env("DATABASE_URL", database_url)
        .env("SMTP_URL", sink.url())
        .env("RUST_LOG", "warn")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the worker starts")
}

/// A worker process, and the name under which it claims.
struct Running {
    process: Child,
    claims_as: Uuid,
}

/// Starts a worker and waits until it has claimed something: whoever claims and was not known is it.
async fn employ(desk: &Desk, sink: &SmtpSink, connection: &mut PgConnection, known: &mut BTreeSet<Uuid>) -> Running {
    let process = start_worker(&desk.app.database_url, sink);
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let rows = sqlx::query("SELECT DISTINCT claimed_by FROM queue.jobs WHERE state = 'RUNNING'")
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        if let Some(claims_as) = rows.iter().map(|row| row.get(0)).find(|id| known.insert(*id)) {
            return Running { process, claims_as };
        }
        assert!(sent(connection).await < MAILS, "the mails are used up before the kills");
        assert!(tokio::time::Instant::now() < end, "the worker has claimed nothing");
    }
}

async fn sent(connection: &mut PgConnection) -> usize {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM queue.jobs WHERE kind = 'mail.send'")
        .fetch_one(connection)
        .await
        .unwrap();
    MAILS - usize::try_from(count).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the number of repeated hand-overs is a result")]
async fn killed_workers_lose_no_mail_and_invent_none() {
    let desk = Desk::open().await;
    // The workers are real processes and live in the present.
    let now = SystemClock.now();
    desk.app.clock.set(now);
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    let start = now + chrono::Duration::days(5);
    for n in 0..MAILS {
        desk.book_at(&branch, start, &format!("patient{n}@example.com"), now - chrono::Duration::minutes(10)).await;
    }
    let sink = SmtpSink::start().await;
    let mut connection = PgConnection::connect(&desk.app.database_url).await.unwrap();
    let mut known = BTreeSet::new();
    let mut workers = vec![
        employ(&desk, &sink, &mut connection, &mut known).await,
        employ(&desk, &sink, &mut connection, &mut known).await,
    ];
    let (mut seed, mut interrupted) = (u64::from(std::process::id()), 0);
    for kill in 1..=KILLS {
        // Somewhere in the next part of the mails, at a random moment.
        let end = tokio::time::Instant::now() + PATIENCE;
        while sent(&mut connection).await < kill * MAILS / (KILLS + 4) {
            assert!(tokio::time::Instant::now() < end, "{} of {MAILS} sent", sent(&mut connection).await);
            tokio::task::yield_now().await;
        }
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_micros((seed >> 33) % 40_000)).await;
        let mut victim = workers.remove(0);
        victim.process.start_kill().unwrap();
        victim.process.wait().await.unwrap();
        // The minute of its lease is made to pass.
        let lapsed = sqlx::query(
            "UPDATE queue.jobs SET lease_until = clock_timestamp() - interval '1 second' WHERE claimed_by = $1",
        )
        .bind(victim.claims_as)
        .execute(&mut connection)
        .await
        .unwrap();
        interrupted += lapsed.rows_affected();
        workers.push(employ(&desk, &sink, &mut connection, &mut known).await);
    }
    let end = tokio::time::Instant::now() + PATIENCE;
    while sent(&mut connection).await < MAILS {
        assert!(tokio::time::Instant::now() < end, "{} of {MAILS} sent", sent(&mut connection).await);
        sqlx::query("SELECT pg_sleep(0.05)").execute(&mut connection).await.unwrap();
    }
    drop(workers);

    let tx = desk.tx().await;
    let rows: Vec<serde_json::Value> = tx
        .scalars("SELECT jsonb_build_array(dedup_key, message_id, status, recipient) FROM email_messages", [])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let rows: Vec<[String; 4]> = rows.into_iter().map(|row| serde_json::from_value(row).unwrap()).collect();
    assert_eq!(rows.len(), MAILS);
    assert!(rows.iter().all(|row| row[2] == "SENT"));
    let arrived = sink.messages(Which::Accepted).await;
    let mut by_recipient: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for mail in &arrived {
        by_recipient.entry(mail.to[0].clone()).or_default().insert(mail.message_id.clone());
    }
    for [key, message_id, _, recipient] in &rows {
        let ids = by_recipient.remove(recipient).unwrap_or_else(|| panic!("{key} is missing at the relay"));
        assert_eq!(ids, BTreeSet::from([message_id.clone()]), "{key}");
    }
    assert!(by_recipient.is_empty(), "nobody asked for {by_recipient:?}");
    println!(
        "kill -9 of {KILLS} workers during {MAILS} mails: {interrupted} mails interrupted, {} of them handed over twice",
        arrived.len() - MAILS
    );
}
