//! What jobs make for somebody takes no room from what people bring.

use std::io::Write;

use chrono::TimeDelta;
use horae::domain::files::deposit::{self, Made};
use migration::MigratorTrait;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend, Statement};
use serde_json::json;

use super::{Archive, refused};
use crate::support::app::TestApp;

const USED: &str = "SELECT files + bytes FROM attachment_usage";

#[tokio::test]
async fn what_jobs_have_made_takes_no_room_from_uploads() {
    let archive = Archive::open_with(&[("HORAE_STORAGE_MIB", "2"), ("HORAE_FILES_PER_OWNER", "2")]).await;
    let (app, centre) = (&archive.clinic.app, &archive.clinic.centre);
    let requested_by = app.actor_of(&archive.clinic.admin).await.id.unwrap();
    for n in 0..3 {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![b'x'; 1024 * 1024]).unwrap();
        let made = Made { requested_by, file_name: format!("{n}.csv"), mime_type: "text/csv", file };
        deposit::run(&centre.cx, &centre.system, made).await.unwrap();
    }
    assert_eq!((archive.rows().await, centre.count(USED).await), (3, 0));
    let input = json!({"ownerId": archive.tenant(), "fileName": "a.csv", "mimeType": "text/csv", "sizeBytes": 1_000});
    for _ in 0..2 {
        let payload = archive.request(&archive.clinic.admin, input.clone()).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
    }
    let payload = archive.request(&archive.clinic.admin, input).await;
    assert_eq!(refused(&payload), ("QUOTA_EXCEEDED".to_owned(), "ownerId".to_owned()));
    assert_eq!(centre.count(USED).await, 2_002);
    // They go after their time, and nothing is taken off for them.
    app.clock.advance(TimeDelta::days(31));
    app.run_jobs().await;
    assert_eq!((archive.rows().await, centre.count(USED).await), (0, 0));
}

#[tokio::test]
async fn what_jobs_made_before_is_known_by_the_trail_and_counts_no_more() {
    let app = TestApp::start().await;
    let mut options = ConnectOptions::new(&app.database_url);
    options.max_connections(1);
    let owner = Database::connect(options).await.unwrap();
    owner.execute_unprepared("CREATE SCHEMA before; SET search_path TO before").await.unwrap();
    let mine = migration::Tenant::migrations().iter().position(|m| m.name() == "m0017_made_files").unwrap();
    migration::Tenant::up(&owner, Some(u32::try_from(mine).unwrap())).await.unwrap();
    owner
        .execute_unprepared(
            "INSERT INTO attachments (id, status, file_name, mime_type, size_bytes, sha256, created_at, uploaded_at)
                 SELECT gen_random_uuid(), 'READY', x.word, 'text/csv', 100, sha256('x'), now(), now()
                 FROM unnest('{made,brought}'::text[]) AS x (word);
             INSERT INTO audit_entries (id, at, actor_kind, action, subject_type, subject_id, request_id)
                 SELECT gen_random_uuid(), now(), 'SYSTEM', CASE file_name WHEN 'made' THEN 'depositFile' ELSE 'completeUpload' END,
                     'Attachment', id, 'r' FROM attachments",
        )
        .await
        .unwrap();
    migration::Tenant::up(&owner, None).await.unwrap();
    let sql = "SELECT array_agg(file_name || ' ' || files || ' ' || bytes) AS made FROM attachments, attachment_usage WHERE made";
    let row = owner.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
    let made: Vec<String> = row.try_get("", "made").unwrap();
    assert_eq!(made, ["made 1 100"]);
    owner.close().await.unwrap();
}
