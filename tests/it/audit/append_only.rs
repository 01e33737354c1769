//! What is written is final: for the application's role, for the owner, and for what was there before the chain.

use std::{fs, path::Path};

use horae::db::Access;
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::Owner;
use crate::support::{app::TestApp, postgres};

#[tokio::test]
async fn the_tenants_role_adds_and_reads_and_nothing_else() {
    let app = TestApp::start().await;
    app.admin("alfa").await;
    let db = &app.app.cx.db;
    let alfa = db.find_tenant_by_slug("alfa").await.unwrap().unwrap();
    for sql in [
        "UPDATE audit_entries SET reason = 'x'",
        "UPDATE audit_entries SET hash = '' WHERE false",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "DROP TABLE audit_entries",
        "ALTER TABLE audit_entries DISABLE TRIGGER ALL",
        "UPDATE event_head SET audit_hash = ''",
        "UPDATE event_head SET audit_position = 0",
        "INSERT INTO event_head DEFAULT VALUES",
        "DELETE FROM event_head",
        "TRUNCATE event_head",
        "CREATE OR REPLACE FUNCTION audit_hash(p_previous bytea, e audit_entries) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$",
        "SET LOCAL session_replication_role = replica",
    ] {
        let tx = db.begin(&alfa, Access::Write).await.unwrap();
        let error = tx.execute_unprepared(sql).await.unwrap_err().to_string();
        assert!(error.contains("permission denied") || error.contains("must be owner"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn whoever_inserts_the_chain_is_computed_by_the_database() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let db = &app.app.cx.db;
    let alfa = db.find_tenant_by_slug("alfa").await.unwrap().unwrap();
    let tx = db.begin(&alfa, Access::Write).await.unwrap();
    // A table that looks like the head, in front of it in the search path, changes nothing.
    tx.execute_unprepared(
        "CREATE TEMPORARY TABLE event_head (only_row boolean, position bigint, removed bigint, audit_position bigint, audit_hash bytea);
         INSERT INTO event_head VALUES (true, 0, 0, 700, 'x');
         INSERT INTO audit_entries (id, at, actor_kind, action, subject_type, subject_id, request_id, position, previous_hash, hash)
         VALUES (gen_random_uuid(), now(), 'SYSTEM', 'forge', 'Tenant', gen_random_uuid(), 'forged', 900, 'x', 'x')",
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let mut owner = Owner::of(&app, "alfa").await;
    let count: i64 = owner.one("SELECT count(*) FROM audit_entries").await;
    let forged: i64 = owner.one("SELECT position FROM audit_entries WHERE request_id = 'forged'").await;
    assert_eq!(forged, count);
    let report = admin.ok("{ verifyAuditChain { ok entriesChecked } }", json!({})).await;
    assert_eq!(report["verifyAuditChain"], json!({"ok": true, "entriesChecked": count}));
}

#[tokio::test]
async fn no_function_of_a_centre_looks_among_temporary_tables_first() {
    let app = TestApp::start().await;
    let mut owner = Owner::of(&app, "alfa").await;
    let all = "SELECT count(*) FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace
                   AND (p.prosecdef OR p.prorettype = 'trigger'::regtype)";
    let safe = format!("{all} AND 'search_path=' || current_schema() || ', pg_temp' = ANY (p.proconfig)");
    let (all, safe): (i64, i64) = (owner.one(all).await, owner.one(&safe).await);
    assert!(all > 5, "{all}");
    assert_eq!(safe, all, "SET search_path = <the centre's schema>, pg_temp, as m0016 does");
}

#[tokio::test]
async fn the_binary_before_the_chain_writes_a_chain_too() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let db = &app.app.cx.db;
    let alfa = db.find_tenant_by_slug("alfa").await.unwrap().unwrap();
    // Its statement: events and entries in one, head and trail in the order of its own.
    for events in ["'test.happened'", "NULL"] {
        let tx = db.begin(&alfa, Access::Write).await.unwrap();
        tx.execute_unprepared(&format!(
            "WITH input AS (
                 SELECT n, gen_random_uuid() AS id, {events}::text AS event FROM generate_series(1, 3) n
             ), trail AS (
                 INSERT INTO audit_entries (id, at, actor_kind, action, subject_type, subject_id, request_id)
                 SELECT id, now(), 'SYSTEM', 'old', 'Tenant', id, 'old' FROM input ORDER BY n
             ), head AS (
                 UPDATE event_head SET position = position + 3 WHERE {events} IS NOT NULL RETURNING position - 3 AS before
             )
             INSERT INTO events (position, id, type, occurred_at, actor_kind, subject_type, subject_id, request_id)
             SELECT head.before + n, id, event, now(), 'SYSTEM', 'Tenant', id, 'old' FROM input, head WHERE event IS NOT NULL ORDER BY n"
        ))
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }
    let mut owner = Owner::of(&app, "alfa").await;
    assert_eq!(owner.one::<i64>("SELECT count(*) FROM events WHERE request_id = 'old'").await, 3);
    assert_eq!(owner.one::<i64>("SELECT count(*) FROM audit_entries WHERE request_id = 'old'").await, 6);
    let report = admin.ok("{ verifyAuditChain { ok firstBrokenId } }", json!({})).await;
    assert_eq!(report["verifyAuditChain"], json!({"ok": true, "firstBrokenId": null}));
}

#[tokio::test]
async fn not_even_the_owner_changes_it_by_mistake() {
    let app = TestApp::start().await;
    let mut owner = Owner::of(&app, "alfa").await;
    for sql in ["UPDATE audit_entries SET reason = 'x'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"] {
        let error = sqlx::query(sql).execute(&mut owner.0).await.unwrap_err().to_string();
        assert!(error.contains("never changed"), "{sql}: {error}");
    }
}

#[tokio::test]
async fn entries_from_before_the_chain_are_chained_by_the_migration() {
    let app = TestApp::on(&postgres::empty_database().await, &[]).await;
    app.app.cx.db.migrate_catalogue().await.unwrap();
    let mut owner = Owner(<sqlx::PgConnection as sqlx::Connection>::connect(&app.database_url).await.unwrap());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migration/src/tenant");
    owner.run("CREATE SCHEMA old; SET search_path TO old").await;
    for file in ["m0001_centre", "m0002_agenda", "m0003_log"] {
        owner.run(&fs::read_to_string(folder.join(file).with_extension("sql")).unwrap()).await;
    }
    owner
        .run(
            "INSERT INTO audit_entries (id, at, actor_kind, action, subject_type, subject_id, request_id, before)
             SELECT gen_random_uuid(), '2026-01-01'::timestamptz + n * interval '1 minute', 'SYSTEM', 'a', 'User', gen_random_uuid(), 'r',
                 '{\"b\": 1, \"aa\": 1.50}'
             FROM generate_series(1, 50) n ORDER BY random()",
        )
        .await;
    owner.run(&fs::read_to_string(folder.join("m0008_audit.sql")).unwrap()).await;
    let fit: bool = owner
        .one(
            "SELECT bool_and(hash = audit_hash(previous_hash, e) AND previous_hash = coalesce(before, decode(repeat('00', 32), 'hex')))
             FROM (SELECT e, hash, previous_hash, lag(hash) OVER (ORDER BY at) AS before FROM audit_entries e) x",
        )
        .await;
    assert!(fit);
    let head: bool = owner
        .one("SELECT audit_position = 50 AND audit_hash = (SELECT hash FROM audit_entries WHERE position = 50) FROM event_head")
        .await;
    assert!(head);
}
