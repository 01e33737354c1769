//! The data key and the master key change while the centre works, and processes that do it are killed: nothing is lost.

use std::{
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use horae::{
    db::TenantStatus,
    domain::{
        clock::{Clock, SystemClock},
        sealing::{rotate, status},
    },
    schema::id::Kind,
};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::process::{Child, Command};

use super::{Ward, entry, value};
use crate::support::app::{SECRET, TestApp};

const ENTRIES: usize = 40;
/// Copies of values that make the work long enough to be killed in the middle of it.
const BULK: i32 = 6_000;
const KILLS: usize = 4;
const MASTERS: &str = "2027:fedcba9876543210fedcba9876543210,derived";

fn process(ward: &Ward, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_horae"))
        .args(arguments)
        .env_clear()
        .env("HORAE_SECRET", SECRET)
        .env("HORAE_MASTER_KEYS", MASTERS)
        .env("DATABASE_URL", &ward.app.database_url)
        .env("RUST_LOG", "warn")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("horae starts")
}

/// Values of a patient's own that were sealed with the first key, many of them.
async fn bulk(ward: &Ward) {
    use horae::{auth::keyring::Place, domain::sealing::TenantKeys};
    let draft = ward.draft("bulto").await;
    let id = ward.local(Kind::RecordEntry, &draft["id"]);
    let (cx, system) = (&ward.centre.cx, &ward.centre.system);
    let tx = cx.write(system).await.unwrap();
    let keys = TenantKeys::to_seal(cx, &tx).await.unwrap();
    let fields: Vec<String> = (0..BULK).map(|n| format!("bulk{n:05}")).collect();
    let seal = |field: &String| {
        keys.seal(
            &Place { table: "record_values", column: "value_sealed", row: id, field },
            format!("\"{field}\"").as_bytes(),
        )
        .unwrap()
    };
    let sealed: Vec<Vec<u8>> = fields.iter().map(seal).collect();
    tx.run(
        "INSERT INTO record_values (entry_id, field_key, value_sealed) SELECT $1, x.field, x.sealed FROM unnest($2::text[], $3::bytea[]) AS x (field, sealed)",
        [id.into(), fields.into(), sealed.into()],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_data_key_is_killed_and_gone_on_with_under_load_and_loses_nothing() {
    let app = TestApp::start_with(&[("HORAE_MASTER_KEYS", MASTERS)]).await;
    app.clock.set(SystemClock.now());
    let ward = Ward::open_on(app).await;
    let mut signed = Vec::new();
    for n in 0..ENTRIES {
        signed.push(ward.signed(&format!("nota {n}")).await);
    }
    bulk(&ward).await;
    let (cx, platform) = (&ward.centre.cx, ward.centre.system.clone());
    assert_eq!(rotate::run(cx, &platform).await.unwrap(), 2);
    let mut owner = PgConnection::connect(&ward.app.database_url).await.unwrap();
    let over = AtomicBool::new(false);
    let (reads, writes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Readers and writers go on meanwhile.
    let reader = async {
        while !over.load(Ordering::Relaxed) {
            let n = reads.fetch_add(1, Ordering::Relaxed) % ENTRIES;
            assert_eq!(ward.entry(&ward.doctor, &signed[n]["id"]).await, signed[n]);
        }
    };
    let writer = async {
        let mut written = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let n = writes.fetch_add(1, Ordering::Relaxed);
            let draft = ward.draft(&format!("durante {n}")).await;
            let mut input = ward.input(&[("note", json!(format!("cambiada {n}")))]);
            (input["id"], input["version"]) = (draft["id"].clone(), draft["version"].clone());
            written.push(entry(ward.save(&ward.doctor, input).await));
        }
        written
    };
    let changer = async {
        let (mut kills, mut interrupted) = (0, 0);
        let end = tokio::time::Instant::now() + Duration::from_secs(120);
        loop {
            let mut worker = process(&ward, &["work"]);
            let left = left(&mut owner, &ward).await;
            // Killed once it has done something of what is left; the last one may finish.
            loop {
                let now = self::left(&mut owner, &ward).await;
                if now == 0 || (kills < KILLS && now < left) {
                    break;
                }
                assert!(tokio::time::Instant::now() < end, "{now} values are left");
                sqlx::query("SELECT pg_sleep(0.01)").execute(&mut owner).await.unwrap();
            }
            if kills < KILLS {
                worker.start_kill().unwrap();
                worker.wait().await.unwrap();
                kills += 1;
                interrupted += usize::from(self::left(&mut owner, &ward).await > 0);
                // The minute of its lease is made to pass.
                sqlx::query("UPDATE queue.jobs SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'RUNNING'")
                    .execute(&mut owner)
                    .await
                    .unwrap();
                continue;
            }
            while status::run(cx, &platform).await.unwrap().is_rotating() {
                assert!(tokio::time::Instant::now() < end, "the old key is not retired");
                sqlx::query("SELECT pg_sleep(0.05)").execute(&mut owner).await.unwrap();
            }
            over.store(true, Ordering::Relaxed);
            return (kills, interrupted);
        }
    };
    let ((), written, (kills, interrupted)) = tokio::join!(reader, writer, changer);
    let now = status::run(cx, &platform).await.unwrap();
    assert!(now.older == 0 && now.newest() == 2 && !now.is_rotating(), "{now:?}");
    for one in signed.iter().chain(&written) {
        let read = ward.entry(&ward.doctor, &one["id"]).await;
        assert_eq!(&read, one);
    }
    assert!(value(&written[0], "note").is_some());
    println!(
        "data key changed under load: {} values, {kills} workers killed ({interrupted} in the middle), {} reads and {} writes meanwhile",
        now.total,
        reads.load(Ordering::Relaxed),
        writes.load(Ordering::Relaxed) * 2
    );
    assert!(interrupted > 0, "nobody was killed in the middle of it");
}

/// How many values have an older key than the newest.
async fn left(owner: &mut PgConnection, ward: &Ward) -> i64 {
    let schema = &ward.centre.system.tenant.schema_name;
    let sql = format!("SELECT count(*) FROM {schema}.record_values WHERE {schema}.sealed_version(value_sealed) < 2");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(owner).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_master_key_is_killed_and_gone_on_with_under_load_and_loses_nothing() {
    let app = TestApp::start_with(&[("HORAE_MASTER_KEYS", "derived,2027:fedcba9876543210fedcba9876543210")]).await;
    let ward = Ward::open_on(app).await;
    let signed = ward.signed("antes del cambio").await;
    // More versions of the key, so that there is something to be stopped in.
    let (cx, platform) = (&ward.centre.cx, ward.centre.system.clone());
    for _ in 0..6 {
        rotate::run(cx, &platform).await.unwrap();
        ward.app.run_jobs().await;
    }
    let mut owner = PgConnection::connect(&ward.app.database_url).await.unwrap();
    let schema = &ward.centre.system.tenant.schema_name;
    let old = format!("SELECT count(*) FROM {schema}.tenant_keys WHERE master_key <> '2027'");
    let over = AtomicBool::new(false);
    let load = async {
        let mut done = 0;
        while !over.load(Ordering::Relaxed) || done < 5 {
            done += 1;
            assert_eq!(ward.entry(&ward.doctor, &signed["id"]).await, signed);
            let one = ward.signed(&format!("durante {done}")).await;
            assert_eq!(ward.entry(&ward.doctor, &one["id"]).await, one);
        }
        done
    };
    let changer = async {
        let mut left: Vec<i64> = Vec::new();
        // Somebody holds one of the keys, so that the process stands in the middle of its work when it is killed.
        for held in [3, 6] {
            let mut holder = PgConnection::connect(&ward.app.database_url).await.unwrap();
            let hold = format!(
                "BEGIN; SELECT 1 FROM {schema}.tenant_keys WHERE purpose = 'DATA' AND version = {held} FOR UPDATE"
            );
            sqlx::raw_sql(AssertSqlSafe(hold)).execute(&mut holder).await.unwrap();
            let mut rewrap = process(&ward, &["keys", "rewrap", "--all"]);
            let end = tokio::time::Instant::now() + Duration::from_secs(60);
            let before = 8 - (held - 1);
            loop {
                let now: i64 = sqlx::query_scalar(AssertSqlSafe(old.as_str())).fetch_one(&mut owner).await.unwrap();
                if now == before {
                    break;
                }
                assert!(tokio::time::Instant::now() < end, "{now} keys are left instead of {before}");
                sqlx::query("SELECT pg_sleep(0.02)").execute(&mut owner).await.unwrap();
            }
            rewrap.start_kill().unwrap();
            rewrap.wait().await.unwrap();
            // What it waited for ends with it, before the key is let go.
            let gone = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%sealing.rewrap%' AND pid <> pg_backend_pid()";
            sqlx::query(gone).execute(&mut owner).await.unwrap();
            sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
            left.push(sqlx::query_scalar(AssertSqlSafe(old.as_str())).fetch_one(&mut owner).await.unwrap());
        }
        assert!(process(&ward, &["keys", "rewrap", "--all"]).wait().await.unwrap().success());
        over.store(true, Ordering::Relaxed);
        left
    };
    let (done, left) = tokio::join!(load, changer);
    let now: i64 = sqlx::query_scalar(AssertSqlSafe(old.as_str())).fetch_one(&mut owner).await.unwrap();
    assert_eq!(now, 0);
    // The old master key is not needed any more.
    let only = ("HORAE_MASTER_KEYS", "2027:fedcba9876543210fedcba9876543210");
    let node = TestApp::with_clock(&ward.app.database_url, &[only], ward.app.clock.clone()).await;
    let doctor = crate::support::app::Client { router: node.router.clone(), token: ward.doctor.token.clone() };
    assert_eq!(ward.entry(&doctor, &signed["id"]).await, signed);
    println!(
        "master key changed under load: {left:?} keys were left after each kill, {done} rounds of reads and writes meanwhile"
    );
}

#[tokio::test]
async fn a_node_without_the_master_key_says_so_to_who_runs_it_and_nothing_to_clients() {
    let ward = Ward::open().await;
    let signed = ward.signed("nota").await;
    let other = ("HORAE_MASTER_KEYS", "other:fedcba9876543210fedcba9876543210");
    let node = TestApp::with_clock(&ward.app.database_url, &[other], ward.app.clock.clone()).await;
    let doctor = crate::support::app::Client { router: node.router.clone(), token: ward.doctor.token.clone() };
    let document = "query($id: ID!) { node(id: $id) { id } }";
    let answer = doctor.send(document, json!({"id": signed["id"]})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL", "{answer:#}");
    assert!(!answer.to_string().contains("derived"), "{answer:#}");
    let written: Value = doctor
        .send(
            "mutation($input: RecordEntryInput!) { saveRecordEntry(input: $input) { entry { id } } }",
            json!({"input": ward.input(&[("note", json!("otra"))])}),
        )
        .await;
    assert_eq!(written["errors"][0]["extensions"]["code"], "INTERNAL", "{written:#}");
    // Nothing was written, and nothing is lost.
    assert_eq!(ward.entries(&ward.doctor).await, [signed]);
    let output = Command::new(env!("CARGO_BIN_EXE_horae"))
        .args(["keys", "status", "--all"])
        .env_clear()
        .env("HORAE_SECRET", SECRET)
        .env("HORAE_MASTER_KEYS", other.1)
        .env("DATABASE_URL", &ward.app.database_url)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("`derived`, NOT in HORAE_MASTER_KEYS"), "{told}");
}

#[tokio::test]
async fn a_change_of_every_centres_key_leaves_out_and_names_those_that_are_not_open() {
    let app = TestApp::start().await;
    for (slug, status) in [("alfa", TenantStatus::Maintenance), ("beta", TenantStatus::Disabled)] {
        app.app.cx.db.set_tenant_status(slug, status, None, app.now()).await.unwrap();
    }
    let rotate = async |which: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_horae"))
            .args([&["keys", "rotate"][..], which].concat())
            .env_clear()
            .env("HORAE_SECRET", SECRET)
            .env("DATABASE_URL", &app.database_url)
            .output()
            .await
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), told)
    };
    let (done, told) = rotate(&["--all"]).await;
    assert!(done && told.contains("alfa: left out, it is MAINTENANCE"), "{told}");
    assert!(told.contains("beta: left out, it is DISABLED") && !told.contains("goes over"), "{told}");
    let (done, told) = rotate(&["--tenant", "alfa"]).await;
    assert!(!done && told.contains("can only be read"), "{told}");
}
