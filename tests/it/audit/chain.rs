//! The chain: gapless under many writers, checked with constant memory, and every tampering is found.

use std::sync::Arc;

use chrono::TimeDelta;
use futures::future::join_all;
use horae::{
    auth::{Actor, BuiltinRole},
    domain::{
        change::{Change, Changes},
        identity::audit::verify::{self, Report},
    },
};
use serde_json::json;
use uuid::Uuid;

use super::Owner;
use crate::support::app::TestApp;

/// Commits changes, each an entry, every second one an event too.
async fn write(app: &TestApp, actor: &Actor, changes: usize) {
    let cx = &app.app.cx;
    let tx = cx.write(actor).await.unwrap();
    let mut all = Changes::by(actor);
    for n in 0..changes {
        let event = (n % 2 == 0).then_some("test.happened");
        all.push(Change { event, reason: Some(format!("{n}")), ..Change::audited("test", "User", cx.new_id()) });
    }
    cx.commit(tx, all).await.unwrap();
}

async fn verify(app: &TestApp, actor: &Actor) -> Report {
    verify::run(&app.app.cx, actor, None, None).await.unwrap()
}

async fn started(entries: usize) -> (TestApp, Arc<Actor>, Owner) {
    let app = TestApp::start().await;
    let actor = app.actor("alfa").await;
    for _ in 0..entries {
        app.clock.advance(TimeDelta::seconds(1));
        write(&app, &actor, 1).await;
    }
    let owner = Owner::of(&app, "alfa").await;
    (app, actor, owner)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_leave_one_chain() {
    const EACH: usize = 40;
    let (app, actor, mut owner) = started(0).await;
    let before = verify(&app, &actor).await.entries_checked;
    let writers = (0..8).map(|writer| {
        let (app, actor) = (&app, &actor);
        async move {
            for n in 0..EACH {
                write(app, actor, 1 + (writer + n) % 3).await;
            }
        }
    });
    join_all(writers).await;
    let written: usize = (0..8).flat_map(|writer| (0..EACH).map(move |n| 1 + (writer + n) % 3)).sum();
    let expected = before + i64::try_from(written).unwrap();
    assert_eq!(verify(&app, &actor).await, Report { ok: true, entries_checked: expected, first_broken: None });
    let gapless: bool = owner
        .one("SELECT max(position) = count(*) AND min(position) = 1 AND count(*) = (SELECT audit_position FROM event_head) FROM audit_entries")
        .await;
    assert!(gapless);
    let events: bool =
        owner.one("SELECT count(*) = (SELECT position FROM event_head) AND max(position) = count(*) FROM events").await;
    assert!(events, "the events' positions have no gap either");
}

#[tokio::test]
async fn many_entries_at_once_write_the_head_once() {
    let (app, actor, mut owner) = started(2).await;
    owner.run("VACUUM FULL event_head").await;
    let before = verify(&app, &actor).await.entries_checked;
    write(&app, &actor, 1_000).await;
    write(&app, &actor, 1).await;
    assert_eq!(verify(&app, &actor).await, Report { ok: true, entries_checked: before + 1_001, first_broken: None });
    let pages: i64 = owner.one("SELECT pg_relation_size('event_head') / current_setting('block_size')::bigint").await;
    assert_eq!(pages, 1, "every booking reads the head");
}

#[tokio::test]
async fn a_long_trail_is_checked_in_batches() {
    let (app, actor, _) = started(0).await;
    let before = app.app.cx.db.statements();
    let short = verify(&app, &actor).await.entries_checked;
    let few = app.app.cx.db.statements() - before;
    write(&app, &actor, 4_500).await;
    let before = app.app.cx.db.statements();
    let report = verify(&app, &actor).await;
    assert_eq!((report.ok, report.entries_checked), (true, short + 4_500));
    assert_eq!(app.app.cx.db.statements() - before, few + 2, "two batches more, whatever they hold");
}

#[tokio::test]
async fn a_change_of_any_column_is_found() {
    let (app, actor, mut owner) = started(6).await;
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT column_name::text, data_type::text FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name = 'audit_entries' ORDER BY ordinal_position",
    )
    .fetch_all(&mut owner.0)
    .await
    .unwrap();
    assert!(columns.len() >= 16, "{columns:?}");
    let victim: Uuid = owner.one("SELECT id FROM audit_entries ORDER BY position OFFSET 4 LIMIT 1").await;
    owner.run("CREATE TEMP TABLE kept AS SELECT * FROM audit_entries").await;
    for (column, kind) in columns {
        let forged = match kind.as_str() {
            "text" => "'forged'".to_owned(),
            "uuid" => "gen_random_uuid()".to_owned(),
            "timestamp with time zone" => format!("{column} + interval '1 microsecond'"),
            "jsonb" => "'{\"forged\": true}'".to_owned(),
            "inet" => "'203.0.113.9'".to_owned(),
            "bytea" => "'forged'".to_owned(),
            "bigint" => format!("{column} + 1000"),
            other => panic!("how does one forge a {other}? ({column})"),
        };
        owner.tamper(&format!("UPDATE audit_entries SET {column} = {forged} WHERE id = '{victim}'")).await;
        let report = verify(&app, &actor).await;
        assert!(!report.ok, "{column} was changed and nobody noticed");
        if !matches!(column.as_str(), "id" | "position") {
            assert_eq!(report.first_broken, Some(victim), "{column}");
        }
        owner.tamper("DELETE FROM audit_entries").await;
        owner.tamper("INSERT INTO audit_entries SELECT * FROM kept").await;
        assert!(verify(&app, &actor).await.ok, "put back as it was: {column}");
    }
}

#[tokio::test]
async fn missing_entries_are_found_wherever_they_were() {
    let (app, actor, mut owner) = started(8).await;
    let ids: Vec<Uuid> =
        sqlx::query_scalar("SELECT id FROM audit_entries ORDER BY position").fetch_all(&mut owner.0).await.unwrap();
    owner.run("CREATE TEMP TABLE kept AS SELECT * FROM audit_entries").await;
    let last = ids.len() - 1;
    // What is gone, and where the trail no longer hangs together.
    for (gone, broken) in [
        (0..1, Some(ids[1])),
        (4..5, Some(ids[5])),
        (3..6, Some(ids[6])),
        (last..last + 1, Some(ids[last - 1])),
        (last - 2..last + 1, Some(ids[last - 3])),
        (0..last + 1, None),
    ] {
        let list: Vec<String> = ids[gone.clone()].iter().map(|id| format!("'{id}'")).collect();
        owner.tamper(&format!("DELETE FROM audit_entries WHERE id IN ({})", list.join(", "))).await;
        let report = verify(&app, &actor).await;
        assert_eq!((report.ok, report.first_broken), (false, broken), "{gone:?}");
        owner.tamper("DELETE FROM audit_entries; INSERT INTO audit_entries SELECT * FROM kept").await;
    }
    assert!(verify(&app, &actor).await.ok);
}

#[tokio::test]
async fn a_range_is_checked_with_what_it_hangs_on() {
    let (app, actor, mut owner) = started(10).await;
    let cx = &app.app.cx;
    let ends = app.now() - TimeDelta::seconds(2);
    let begins = app.now() - TimeDelta::seconds(6);
    let run = |from, to| verify::run(cx, &actor, from, to);
    let report = run(Some(begins), Some(ends)).await.unwrap();
    assert_eq!(report, Report { ok: true, entries_checked: 4, first_broken: None });
    let open = run(Some(begins), None).await.unwrap();
    assert_eq!((open.ok, open.entries_checked), (true, 7));
    let ahead = run(Some(app.now() + TimeDelta::days(1)), None).await.unwrap();
    assert_eq!((ahead.ok, ahead.entries_checked), (true, 0));
    let long_ago = run(None, Some(begins - TimeDelta::days(900))).await.unwrap();
    assert_eq!((long_ago.ok, long_ago.entries_checked), (true, 0));
    assert!(run(Some(ends), Some(begins)).await.is_err());
    // The last entry of the range is gone: the one behind the range does not fit.
    let gone: Uuid = owner.one("SELECT id FROM audit_entries ORDER BY position DESC OFFSET 3 LIMIT 1").await;
    let behind: Uuid = owner.one("SELECT id FROM audit_entries ORDER BY position DESC OFFSET 2 LIMIT 1").await;
    owner.tamper(&format!("DELETE FROM audit_entries WHERE id = '{gone}'")).await;
    let report = run(Some(begins), Some(ends)).await.unwrap();
    assert_eq!((report.ok, report.first_broken), (false, Some(behind)));
    // Of the time before it, nothing is said.
    assert!(run(None, Some(begins)).await.unwrap().ok);
}

#[tokio::test]
async fn only_who_may_read_the_trail_may_check_it() {
    let app = TestApp::start().await;
    let desk = app.user("alfa", BuiltinRole::Receptionist).await;
    for query in ["{ verifyAuditChain { ok } }", "{ auditEntries(first: 1) { nodes { id } } }"] {
        assert_eq!(desk.error_code(query, json!({})).await, "FORBIDDEN");
        assert_eq!(app.anonymous().error_code(query, json!({})).await, "UNAUTHENTICATED");
        assert_eq!(app.page("alfa").await.error_code(query, json!({})).await, "UNAUTHENTICATED");
    }
}
