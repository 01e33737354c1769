//! A centre that keeps its connections busy waits for itself.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::future::{Either, join, join_all, select};
use horae::db::{Access, Db, Tenant, TenantTx};
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::app::TestApp;

const FOUR: (&str, &str) = ("DATABASE_MAX_CONNECTIONS", "4");
const ROOMS: &str = "{ rooms(first: 1) { nodes { id } } }";

async fn tenant(db: &Db, slug: &str) -> Arc<Tenant> {
    db.find_tenant_by_slug(slug).await.unwrap().unwrap()
}

async fn reads(db: &Db, tenant: &Arc<Tenant>) -> TenantTx {
    db.begin(tenant, Access::Read).await.unwrap()
}

/// Reads for this centre several times.
async fn goes_on(db: &Db, tenant: &Arc<Tenant>) {
    for _ in 0..5 {
        let tx = reads(db, tenant).await;
        assert_eq!(tx.scalar::<i64>("SELECT count(*) FROM centre_profile", []).await.unwrap(), Some(1));
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn a_centre_holds_half_of_the_connections_and_others_begin_at_once() {
    let app = TestApp::start_with(&[FOUR]).await;
    let db = &app.app.cx.db;
    let (alfa, beta) = (tenant(db, "alfa").await, tenant(db, "beta").await);
    let (first, second) = join(reads(db, &alfa), reads(db, &alfa)).await;
    // As many more as would take all that is left of the pool.
    let mut more = pin!(join_all((0..10).map(|_| goes_on(db, &alfa))));
    match select(more.as_mut(), pin!(goes_on(db, &beta))).await {
        Either::Right(_) => {}
        Either::Left(_) => panic!("a third transaction of the same centre ran"),
    }
    first.commit().await.unwrap();
    more.await;
    second.commit().await.unwrap();
}

#[tokio::test]
async fn who_waits_too_long_for_its_own_share_is_told_to_come_back() {
    let settings = [FOUR, ("DATABASE_MAX_CONNECTIONS_PER_TENANT", "1"), ("DATABASE_ACQUIRE_TIMEOUT", "3")];
    let app = TestApp::start_with(&settings).await;
    let db = &app.app.cx.db;
    let (alfa, beta) = (app.admin("alfa").await, app.admin("beta").await);
    let held = reads(db, &tenant(db, "alfa").await).await;
    let error = db.begin(held.tenant(), Access::Write).await.err().unwrap();
    assert!(error.is_unavailable(), "{error:?}");
    let (refused, answered) = join(alfa.error_code(ROOMS, json!({})), beta.ok(ROOMS, json!({}))).await;
    assert_eq!((refused.as_str(), &answered["rooms"]["nodes"]), ("SERVICE_UNAVAILABLE", &json!([])));
    held.commit().await.unwrap();
    alfa.ok(ROOMS, json!({})).await;
}

/// What a client asked for and did not wait for keeps its connection busy, so it keeps its place too.
#[tokio::test]
async fn a_statement_that_nobody_waits_for_keeps_its_place_until_it_ends() {
    let app = TestApp::start_with(&[FOUR, ("DATABASE_MAX_CONNECTIONS_PER_TENANT", "1")]).await;
    let db = &app.app.cx.db;
    let (alfa, beta) = (tenant(db, "alfa").await, tenant(db, "beta").await);
    let mut other = PgConnection::connect(&app.database_url).await.unwrap();
    sqlx::query("SELECT pg_advisory_lock(1)").execute(&mut other).await.unwrap();
    let abandoned = async {
        let tx = reads(db, &alfa).await;
        tx.run("SELECT pg_advisory_xact_lock(1)", []).await
    };
    let waits = async {
        let waiting = "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
            WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted)";
        while !sqlx::query_scalar::<_, bool>(waiting).fetch_one(&mut other).await.unwrap() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(matches!(select(pin!(abandoned), pin!(waits)).await, Either::Right(_)));
    let mut next = pin!(goes_on(db, &alfa));
    match select(next.as_mut(), pin!(goes_on(db, &beta))).await {
        Either::Right(_) => {}
        Either::Left(_) => panic!("the place was free before the connection"),
    }
    sqlx::query("SELECT pg_advisory_unlock(1)").execute(&mut other).await.unwrap();
    next.await;
}
