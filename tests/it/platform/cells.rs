//! Where a cell is says the catalogue, and nodes follow it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use horae::{
    db::{Access, CATALOGUE_STALENESS, CellPlan, Db, DbError, Tenant},
    domain::platform::create_tenant,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::tenancy::centre;
use crate::support::{app::TestApp, postgres::with_database};

async fn trade_name(db: &Db, tenant: &Arc<Tenant>) -> Result<Option<String>, DbError> {
    let tx = db.begin(tenant, Access::Read).await?;
    let name = tx.scalar("SELECT trade_name FROM centre_profile", []).await?;
    tx.commit().await?;
    Ok(name)
}

#[tokio::test]
async fn a_cell_that_has_moved_is_found_without_a_restart() {
    let app = TestApp::start().await;
    let cx = &app.app.cx;
    let created = create_tenant::run(cx, CellPlan { tenants_per_cell: 1 }, centre("gamma")).await.unwrap();
    assert_ne!(created.cell, "main");
    let gamma = cx.db.find_tenant_by_slug("gamma").await.unwrap().unwrap();
    assert_eq!(trade_name(&cx.db, &gamma).await.unwrap().as_deref(), Some("Gamma"));
    let mut owner = PgConnection::connect(&app.database_url).await.unwrap();
    let old: String = sqlx::query_scalar("SELECT database FROM catalogue.cells WHERE name = $1")
        .bind(&gamma.cell)
        .fetch_one(&mut owner)
        .await
        .unwrap();
    let new = format!("{old}_moved");
    // PostgreSQL copies a database that nobody uses.
    let end = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = $1";
    sqlx::query(end).bind(&old).execute(&mut owner).await.unwrap();
    let copy = format!("CREATE DATABASE {new} TEMPLATE {old}");
    sqlx::raw_sql(AssertSqlSafe(copy)).execute(&mut owner).await.unwrap();
    let mut there = PgConnection::connect(&with_database(&app.database_url, &new)).await.unwrap();
    let rename = format!("UPDATE {}.centre_profile SET trade_name = 'Moved'", gamma.schema_name);
    sqlx::raw_sql(AssertSqlSafe(rename)).execute(&mut there).await.unwrap();
    let moved = "UPDATE catalogue.cells SET database = $2 WHERE name = $1";
    sqlx::query(moved).bind(&gamma.cell).bind(&new).execute(&mut owner).await.unwrap();
    let began = Instant::now();
    // Connections that were ended may be met until then.
    while !matches!(trade_name(&cx.db, &gamma).await, Ok(Some(name)) if name == "Moved") {
        assert!(began.elapsed() < CATALOGUE_STALENESS + Duration::from_secs(1), "it is still asked for in {old}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(trade_name(&cx.db, &gamma).await.unwrap().as_deref(), Some("Moved"));
}
