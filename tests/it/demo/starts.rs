//! Starts of the demo after something went wrong with an earlier one, or with where it is started.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use super::{Tabs, begin, login_of_the_readme, start};
use crate::support::{app::TestApp, folder, node::Node, postgres::empty_database};

/// The demo works: its users log in, and its booking page's key finds times.
async fn works(node: &Node) {
    let pasted = node.ask(&[], login_of_the_readme()["query"].as_str().unwrap(), Value::Null).await;
    assert!(pasted["data"]["login"]["tokens"]["accessToken"].is_string(), "{pasted:#}");
    let tabs = Tabs::of(node).await;
    assert_eq!(tabs.run(node, "FindTime", |_| ()).await.as_array().unwrap().len(), 5);
    let found = tabs.run(node, "FindPatient", |_| ()).await;
    assert_eq!(found["nodes"].as_array().unwrap().len(), 1, "sample data are there once");
}

async fn strings(owner: &mut PgConnection, sql: &str) -> Vec<String> {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(owner).await.unwrap()
}

/// The schema of the demo's first centre, as soon as it is there with its tables.
async fn first_schema(owner: &mut PgConnection) -> String {
    let found = async {
        loop {
            // The catalogue comes first, then the centre.
            let sql = "SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relname = 'branches' AND n.nspname LIKE 't\\_%'";
            if let Some(schema) = strings(owner, sql).await.pop() {
                return schema;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(120), found).await.expect("the first centre comes")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_was_killed_among_the_sample_data_is_made_good_by_the_next() {
    let (folder, database) = (folder::passable(), empty_database().await);
    let node = begin(&folder, &database, &[]).await;
    let mut owner = PgConnection::connect(&database).await.unwrap();
    let schema = first_schema(&mut owner).await;
    // Nothing gets past the first branch: it is killed in the middle, however slow or fast this machine is.
    let mut tx = owner.begin().await.unwrap();
    let lock = format!("LOCK TABLE {schema}.branches IN ACCESS EXCLUSIVE MODE");
    sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *tx).await.unwrap();
    let open = "SELECT slug FROM catalogue.tenants WHERE status = 'ACTIVE'";
    let waiting = async { while strings(&mut tx, open).await.is_empty() {} };
    tokio::time::timeout(std::time::Duration::from_secs(120), waiting).await.expect("the first centre is opened");
    node.kill().await;
    tx.rollback().await.unwrap();

    let node = start(&folder, &database).await;
    works(&node).await;
    node.stop().await;
    let slugs = strings(&mut owner, "SELECT slug FROM catalogue.tenants WHERE status = 'ACTIVE' ORDER BY slug").await;
    assert_eq!(slugs, ["clinica-sur", "estetica-norte"]);
    let aside = strings(&mut owner, "SELECT slug FROM catalogue.tenants WHERE status = 'DISABLED'").await;
    assert!(aside.len() == 1 && aside[0].starts_with("clinica-sur-"), "{aside:?}");

    // What was put aside is the demo's own, too.
    let node = start(&folder, &database).await;
    works(&node).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_centres_of_others_is_left_alone() {
    let app = TestApp::start().await;
    let folder = folder::passable();
    let mut owner = PgConnection::connect(&app.database_url).await.unwrap();
    let all = "SELECT slug || status || schema_version || updated_at FROM catalogue.tenants ORDER BY slug";
    let before = strings(&mut owner, all).await;
    let log = begin(&folder, &app.database_url, &[]).await.give_up().await;
    assert!(log.contains("did not make, like `alfa`"), "{log}");
    assert_eq!(strings(&mut owner, all).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_kept_from_another_database_is_replaced() {
    let (folder, database) = (folder::passable(), empty_database().await);
    start(&folder, &database).await.stop().await;
    let mut owner = PgConnection::connect(&database).await.unwrap();
    let of_the_tour = "SELECT schema_name FROM catalogue.tenants WHERE slug = 'clinica-sur'";
    let schema = strings(&mut owner, of_the_tour).await.remove(0);
    let forget = format!("UPDATE {schema}.api_keys SET secret_hash = sha256(secret_hash)");
    sqlx::raw_sql(AssertSqlSafe(forget)).execute(&mut owner).await.unwrap();

    let node = start(&folder, &database).await;
    works(&node).await;
    node.stop().await;
}

/// With a private server and a secret of its own, as a newcomer starts it.
async fn start_alone(folder: &TempDir) -> Node {
    // Where PostgreSQL is.
    let [path, programs] = ["PATH", "HORAE_PG_BIN"].map(|name| std::env::var(name).unwrap_or_default());
    let settings = [("HORAE_SECRET", String::new()), ("PATH", path), ("HORAE_PG_BIN", programs)];
    let mut node = begin(folder, "", &settings).await;
    node.until("The API is ready").await;
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_that_lost_its_secret_and_its_keys_starts_and_logs_in() {
    let folder = folder::passable();
    let node = start_alone(&folder).await;
    works(&node).await;
    node.stop().await;
    let data = folder.path().join("data");
    std::fs::remove_file(data.join("demo-keys.json")).unwrap();
    // As a full disk leaves it.
    std::fs::write(data.join("postgres").join("secret"), "").unwrap();

    let node = start_alone(&folder).await;
    works(&node).await;
    node.stop().await;
}
