//! One key per centre and version, whoever comes first; values open with theirs for as long as there is one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join;
use horae::{
    auth::Actor,
    db::{Tenant, TenantStatus},
    domain::sealing::{TenantKeys, reseal, rewrap, rotate, status},
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::Safe;
use crate::{
    centre::text,
    support::app::{SECRET, TestApp},
};

const NEW: &str = "new:fedcba9876543210fedcba9876543210";

#[tokio::test(flavor = "multi_thread")]
async fn those_who_come_first_at_once_get_the_same_keys() {
    let app = TestApp::start().await;
    let safe = Safe::of(&app).await;
    let fields: Vec<String> = (0..16).map(|n| format!("f{n}")).collect();
    futures::future::join_all(fields.iter().map(|field| safe.put(field, field))).await;
    for field in &fields {
        assert_eq!(safe.get(&app.app.cx, field).await.as_deref(), Ok(field.as_str()));
    }
    assert_eq!(safe.centre.count("SELECT count(*) FROM tenant_keys").await, 2);
}

#[tokio::test]
async fn a_new_key_takes_over_and_the_old_one_is_retired_when_nothing_needs_it() {
    let app = TestApp::start().await;
    let safe = Safe::of(&app).await;
    let (cx, platform) = (&app.app.cx, safe.platform());
    for n in 0..1_200 {
        // Batches are smaller than this.
        if !(3..=1_190).contains(&n) {
            safe.put(&format!("f{n:04}"), &format!("value {n}")).await;
        }
    }
    safe.centre
        .run(
            "INSERT INTO record_values (entry_id, field_key, value_sealed)
             SELECT entry_id, 'copy' || n, value_sealed FROM record_values, generate_series(1, 600) n WHERE field_key = 'f0000'",
            vec![],
        )
        .await;
    // Copies do not open where they are: they stay, and are told of; everything else is done.
    assert_eq!(rotate::run(cx, &platform).await.unwrap(), 2);
    safe.put("late", "sealed with the new key").await;
    let failed = format!("{:?}", reseal::run(cx, &platform, || false).await.unwrap_err());
    assert!(failed.contains("12 values were sealed anew, and not all") && failed.contains("does not open"), "{failed}");
    assert_eq!(safe.versions().await, [(1, 600), (2, 13)]);
    assert!(status::run(cx, &platform).await.unwrap().is_rotating());
    safe.centre.run("DELETE FROM record_values WHERE field_key LIKE 'copy%'", vec![]).await;
    // Beginning again goes on with the same change.
    assert_eq!(rotate::run(cx, &platform).await.unwrap(), 2);
    let drained = app.run_jobs().await;
    assert!(drained.done >= 1 && drained.failed == 0, "{drained:?}");
    let now = status::run(cx, &platform).await.unwrap();
    assert!(!now.is_rotating() && now.older == 0 && now.total == 13 && now.newest() == 2, "{now:?}");
    assert_eq!(now.keys.iter().filter(|key| key.retired_at.is_some()).count(), 1);
    for n in [0, 1, 2, 1_191, 1_199] {
        assert_eq!(safe.get(cx, &format!("f{n:04}")).await, Ok(format!("value {n}")));
    }
    assert_eq!(safe.get(cx, "late").await.as_deref(), Ok("sealed with the new key"));
    // Searching goes on with the hashes that are there.
    let tx = cx.read(&platform).await.unwrap();
    let keys = TenantKeys::to_open(cx, &tx).await.unwrap();
    assert!(keys.hash(&["x"], b"y").unwrap().is_some());
    tx.commit().await.unwrap();
    assert_eq!(rotate::run(cx, &platform).await.unwrap(), 3);
    app.run_jobs().await;
}

#[tokio::test]
async fn a_change_that_is_stopped_anywhere_says_so_and_is_gone_on_with() {
    let app = TestApp::start().await;
    let safe = Safe::of(&app).await;
    let (cx, platform) = (&app.app.cx, safe.platform());
    safe.put("pulse", "72").await;
    assert_eq!(rotate::run(cx, &platform).await.unwrap(), 2);
    let mut batches = 0;
    loop {
        let asked = AtomicUsize::new(0);
        let stops = || asked.fetch_add(1, Ordering::Relaxed) == batches;
        let done = reseal::run(cx, &platform, stops).await.unwrap();
        // Unless it says that it was stopped, the old key is needed no more.
        let now = status::run(cx, &platform).await.unwrap();
        assert_eq!(done.stopped, now.is_rotating(), "after {batches} batches: {done:?}, {now:?}");
        if !done.stopped {
            break;
        }
        batches += 1;
    }
    assert!(batches > 1 && safe.versions().await == [(2, 1)]);
    assert_eq!(safe.get(cx, "pulse").await.as_deref(), Ok("72"));
    app.run_jobs().await;
}

#[tokio::test]
async fn a_users_permissions_do_not_reach_the_keys() {
    let app = TestApp::start().await;
    let admin = app.actor("alfa").await;
    for refused in [
        rotate::run(&app.app.cx, &admin).await.err(),
        reseal::run(&app.app.cx, &admin, || false).await.err(),
        rewrap::run(&app.app.cx, &admin).await.err(),
    ] {
        assert!(format!("{refused:?}").contains("Forbidden"), "{refused:?}");
    }
}

#[tokio::test]
async fn another_master_key_takes_over_without_touching_a_value() {
    let app = TestApp::start().await;
    let safe = Safe::of(&app).await;
    safe.put("pulse", "72").await;
    let both =
        TestApp::with_clock(&app.database_url, &[("HORAE_MASTER_KEYS", &format!("{NEW},derived"))], app.clock.clone())
            .await;
    let only = TestApp::with_clock(&app.database_url, &[("HORAE_MASTER_KEYS", NEW)], app.clock.clone()).await;
    assert_eq!(safe.get(&both.app.cx, "pulse").await.as_deref(), Ok("72"));
    // Without the old one nothing opens, and the error says what is missing and where it belongs.
    let refused = safe.get(&only.app.cx, "pulse").await.unwrap_err();
    assert!(refused.contains("`derived`") && refused.contains("HORAE_MASTER_KEYS"), "{refused}");
    assert!(!refused.contains(SECRET) && !refused.contains("fedcba"), "{refused}");
    let wrapped = "SELECT count(*) FROM tenant_keys WHERE master_key = 'new'";
    assert!(rewrap::run(&only.app.cx, &safe.platform()).await.is_err());
    assert_eq!(safe.centre.count(wrapped).await, 0);
    assert_eq!(rewrap::run(&both.app.cx, &safe.platform()).await.unwrap(), 2);
    assert_eq!(rewrap::run(&both.app.cx, &safe.platform()).await.unwrap(), 0);
    assert_eq!(safe.centre.count(wrapped).await, 2);
    assert_eq!(safe.get(&only.app.cx, "pulse").await.as_deref(), Ok("72"));
    // Whoever has another secret under the same name learns that it is the wrong one.
    let wrong = ("HORAE_MASTER_KEYS", "new:0000000000000000000000000000000000");
    let wrong = TestApp::with_clock(&app.database_url, &[wrong], app.clock.clone()).await;
    let refused = safe.get(&wrong.app.cx, "pulse").await.unwrap_err();
    assert!(refused.contains("`new` does not open") && refused.contains("HORAE_MASTER_KEYS"), "{refused}");
}

#[tokio::test]
async fn a_closed_centre_goes_over_to_another_master_key_too() {
    let app = TestApp::start().await;
    let safe = Safe::of(&app).await;
    safe.put("pulse", "72").await;
    let both =
        TestApp::with_clock(&app.database_url, &[("HORAE_MASTER_KEYS", &format!("{NEW},derived"))], app.clock.clone())
            .await;
    let only = TestApp::with_clock(&app.database_url, &[("HORAE_MASTER_KEYS", NEW)], app.clock.clone()).await;
    for closed in [TenantStatus::Disabled, TenantStatus::Maintenance] {
        let tenant = Tenant { status: closed, ..(*safe.centre.system.tenant).clone() };
        let platform = Actor::system(Arc::new(tenant), "platform", "test");
        let told = status::run(&both.app.cx, &platform).await.unwrap();
        let old = told.keys.iter().filter(|key| key.master_key == "derived").count();
        assert_eq!(old as u64, rewrap::run(&both.app.cx, &platform).await.unwrap(), "{closed:?}");
    }
    // As soon as it is open again, with the new master key alone.
    assert_eq!(safe.get(&only.app.cx, "pulse").await.as_deref(), Ok("72"));
    assert_eq!(safe.centre.count("SELECT count(*) FROM audit_entries WHERE action = 'rewrapKeys'").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_everything_may_take_longer_than_a_request() {
    let app = TestApp::start().await;
    let safe = Safe::of(&app).await;
    safe.put("pulse", "72").await;
    let schema = &safe.centre.system.tenant.schema_name;
    let mut owner = PgConnection::connect(&app.database_url).await.unwrap();
    let role = text(&safe.centre, "SELECT session_user::text", vec![]).await;
    let database: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut owner).await.unwrap();
    let short = format!("ALTER ROLE {role} IN DATABASE {database} SET statement_timeout = '200ms'");
    sqlx::raw_sql(AssertSqlSafe(short)).execute(&mut owner).await.unwrap();
    // Connections of before keep what they had.
    let hasty = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    let lock = format!("BEGIN; LOCK TABLE {schema}.record_values");
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut owner).await.unwrap();
    let platform = safe.platform();
    let request = hasty.app.cx.read(&platform).await.unwrap();
    let refused = request.scalar::<i64>("SELECT count(*) FROM record_values", []).await;
    assert!(format!("{:?}", refused.unwrap_err()).contains("57014"), "a request is cut off");
    drop(request);
    let look = status::run(&hasty.app.cx, &platform);
    let free = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sqlx::raw_sql("COMMIT").execute(&mut owner).await.unwrap();
    };
    let (told, ()) = join(look, free).await;
    assert_eq!(told.unwrap().total, 1);
}

#[test]
fn master_keys_that_cannot_be_used_stop_the_start_by_name() {
    for keys in ["new:too short", "no secret", "a:0123456789abcdef0123456789abcdef,a:fedcba9876543210fedcba9876543210"]
    {
        let lookup = |name: &str| match name {
            "HORAE_SECRET" => Some(SECRET.to_owned()),
            "HORAE_MASTER_KEYS" => Some(keys.to_owned()),
            _ => None,
        };
        let config = horae::config::Config::from_lookup(lookup).unwrap();
        let told = config.master_keys().unwrap_err().to_string();
        assert!(told.starts_with("HORAE_MASTER_KEYS: ") && !told.contains("too short"), "{told}");
        assert!(!format!("{config:?}").contains("0123456789"), "a setting is printed");
    }
}
