//! Whether anything of a tenant has changed: every row of every table, in one comparable value.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::app::TestApp;

/// Table, number of rows, digest of the rows.
pub type Fingerprint = BTreeMap<String, (i64, String)>;

/// Of all tables of the tenant and of its jobs.
pub async fn fingerprint(app: &TestApp, slug: &str) -> Fingerprint {
    let tenant = app.app.cx.db.find_tenant_by_slug(slug).await.unwrap().unwrap();
    let mut owner = PgConnection::connect(&app.database_url).await.unwrap();
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1")
            .bind(&tenant.schema_name)
            .fetch_all(&mut owner)
            .await
            .unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    let digest = "SELECT count(*), coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM";
    let mut found = Fingerprint::new();
    for table in tables {
        let sql = format!("{digest} {}.{table} t", tenant.schema_name);
        let row = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut owner).await.unwrap();
        found.insert(table, row);
    }
    let sql = format!("{digest} queue.jobs t WHERE tenant_id = '{}'", tenant.id.0);
    found.insert("jobs".to_owned(), sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut owner).await.unwrap());
    owner.close().await.unwrap();
    found
}
