//! What is signed never changes: not by the centre's own role, whatever SQL it sends; and who has the keys to the server
//! and changes it all the same is found out.

use horae::{db::Access, schema::id::Kind};
use sea_orm::ConnectionTrait;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{Ward, entry};
use crate::support::fingerprint::fingerprint;

#[tokio::test]
async fn no_sql_of_the_centres_role_changes_what_is_signed() {
    let ward = Ward::open().await;
    let signed = ward.signed("Alergia a la penicilina").await;
    let input = ward.input(&[("note", json!("Sin alergias"))]);
    let draft = entry(ward.amend(&ward.doctor, &signed, input, "error").await);
    let amending = entry(ward.sign(&ward.doctor, &draft).await);
    let voided = entry(ward.void(&ward.doctor, &ward.draft("x").await, "nada").await);
    let draft = ward.draft("otro borrador").await;
    let before = fingerprint(&ward.app, "alfa").await;
    let tx = ward.centre.cx.read(&ward.centre.system).await.unwrap();
    let columns: Vec<String> = tx
        .scalars(
            "SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = 'record_entries'",
            [],
        )
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(columns.len() > 15, "{columns:?}");
    let mut tried = Vec::new();
    for (state, one) in [("SIGNED", &amending), ("AMENDED", &signed), ("VOIDED", &voided)] {
        let id = ward.local(Kind::RecordEntry, &one["id"]);
        // Each column, with any other value that its type has.
        for column in &columns {
            let other = match column.as_str() {
                "version" | "template_version" => "99".to_owned(),
                "status" if state == "SIGNED" => "'DRAFT'".to_owned(),
                "status" => "'SIGNED'".to_owned(),
                name if name.ends_with("_at") || name == "at" => "now()".to_owned(),
                name if name.ends_with("_sealed") || name == "signature" => "'\\x01'".to_owned(),
                _ => "gen_random_uuid()".to_owned(),
            };
            tried.push(format!("UPDATE record_entries SET {column} = {other} WHERE id = '{id}'"));
        }
        tried.push(format!("UPDATE record_entries SET status = 'DRAFT', signed_at = NULL, signed_by = NULL, signature = NULL, voided_at = NULL, voided_by = NULL, void_reason_sealed = NULL WHERE id = '{id}'"));
        tried.push(format!("DELETE FROM record_entries WHERE id = '{id}'"));
        tried.push(format!("UPDATE record_values SET value_sealed = '\\x01' WHERE entry_id = '{id}'"));
        tried.push(format!("UPDATE record_values SET field_key = 'x' WHERE entry_id = '{id}'"));
        tried.push(format!("DELETE FROM record_values WHERE entry_id = '{id}'"));
        tried.push(format!(
            "INSERT INTO record_values (entry_id, field_key, value_sealed) VALUES ('{id}', 'more', '\\x01')"
        ));
        let draft = ward.local(Kind::RecordEntry, &draft["id"]);
        tried.push(format!("UPDATE record_values SET entry_id = '{id}' WHERE entry_id = '{draft}'"));
        tried.push(format!("UPDATE record_values SET entry_id = '{draft}' WHERE entry_id = '{id}'"));
        tried.push(format!("SELECT sealing.reseal('{}', 'record_values', 'value_sealed', 'entry_id', 'field_key', ARRAY['{id}']::uuid[], ARRAY['note'], ARRAY['x']::bytea[], ARRAY['y']::bytea[])", ward.centre.system.tenant.schema_name));
    }
    // Not signed, and marked as amended nevertheless; born signed.
    let id = ward.local(Kind::RecordEntry, &amending["id"]);
    tried.push(format!("UPDATE record_entries SET status = 'AMENDED', version = version + 1 WHERE id = '{id}'"));
    tried.push("INSERT INTO record_entries SELECT gen_random_uuid(), patient_id, template_id, template_version, appointment_id, author_id, status, at, NULL, NULL, signed_at, signed_by, signature, voided_at, voided_by, void_reason_sealed, version, updated_at FROM record_entries WHERE status = 'SIGNED'".to_owned());
    let draft = ward.local(Kind::RecordEntry, &draft["id"]);
    for column in ["patient_id", "author_id", "template_id", "amends_id", "id"] {
        tried.push(format!("UPDATE record_entries SET {column} = gen_random_uuid() WHERE id = '{draft}'"));
    }
    tried.extend(["record_entries", "record_values"].iter().flat_map(|table| {
        [
            format!("TRUNCATE {table} CASCADE"),
            format!("ALTER TABLE {table} DISABLE TRIGGER ALL"),
            format!("DROP TABLE {table} CASCADE"),
        ]
    }));
    tried.push("SET LOCAL session_replication_role = replica".to_owned());
    // A table in front of the real one that says that it is a draft.
    let id = ward.local(Kind::RecordEntry, &amending["id"]);
    let schema = &ward.centre.system.tenant.schema_name;
    tried.extend(["DELETE FROM", "UPDATE"].map(|what| {
        let set = if what == "UPDATE" { "SET value_sealed = '\\x01'" } else { "" };
        format!(
            "CREATE TEMPORARY TABLE record_entries (id uuid, status text); INSERT INTO record_entries VALUES ('{id}', 'DRAFT');
             {what} {schema}.record_values {set} WHERE entry_id = '{id}'"
        )
    }));
    tried.push("CREATE OR REPLACE FUNCTION keep_record_entries() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$".to_owned());
    for sql in &tried {
        let tx = ward.app.app.cx.db.begin(&ward.centre.system.tenant, Access::Write).await.unwrap();
        let error = tx.execute_unprepared(sql).await.unwrap_err().to_string();
        let told = ["never changes", "permission denied", "must be owner", "stays where it was put"];
        assert!(told.iter().any(|words| error.contains(words)), "{sql}: {error}");
    }
    println!("{} statements of the centre's role were refused", tried.len());
    assert_eq!(fingerprint(&ward.app, "alfa").await, before);
}

#[tokio::test]
async fn a_change_behind_the_fences_is_told_and_a_moved_value_does_not_open() {
    let ward = Ward::open().await;
    let signed = ward.signed("Alergia a la penicilina").await;
    let other = ward.signed("Otra nota").await;
    let id = ward.local(Kind::RecordEntry, &signed["id"]);
    let mut owner = PgConnection::connect(&ward.app.database_url).await.unwrap();
    let schema = &ward.centre.system.tenant.schema_name;
    let tamper = |what: String| {
        format!(
            "SET search_path TO {schema}; ALTER TABLE record_entries DISABLE TRIGGER USER; ALTER TABLE record_values DISABLE TRIGGER USER; {what}; ALTER TABLE record_entries ENABLE TRIGGER USER; ALTER TABLE record_values ENABLE TRIGGER USER"
        )
    };
    // Even the owner has to take the fence down first.
    let plain = format!(
        "SET search_path TO {schema}; UPDATE record_entries SET author_id = signed_by, at = now() WHERE id = '{id}'"
    );
    assert!(
        sqlx::raw_sql(AssertSqlSafe(plain))
            .execute(&mut owner)
            .await
            .unwrap_err()
            .to_string()
            .contains("never changes")
    );
    assert_eq!(ward.entry(&ward.doctor, &signed["id"]).await["signatureValid"], true);
    // Another time; another value, gone.
    let changed = tamper(format!("UPDATE record_entries SET at = at + interval '1 hour' WHERE id = '{id}'"));
    sqlx::raw_sql(AssertSqlSafe(changed)).execute(&mut owner).await.unwrap();
    assert_eq!(ward.entry(&ward.doctor, &signed["id"]).await["signatureValid"], false);
    let back = tamper(format!("UPDATE record_entries SET at = at - interval '1 hour' WHERE id = '{id}'"));
    sqlx::raw_sql(AssertSqlSafe(back)).execute(&mut owner).await.unwrap();
    assert_eq!(ward.entry(&ward.doctor, &signed["id"]).await["signatureValid"], true);
    let gone = tamper(format!("DELETE FROM record_values WHERE entry_id = '{id}' AND field_key = 'weight'"));
    sqlx::raw_sql(AssertSqlSafe(gone)).execute(&mut owner).await.unwrap();
    assert_eq!(ward.entry(&ward.doctor, &signed["id"]).await["signatureValid"], false);
    // Another entry's value is not read as this one's.
    let other_id = ward.local(Kind::RecordEntry, &other["id"]);
    let moved = tamper(format!(
        "UPDATE record_values SET value_sealed = (SELECT value_sealed FROM record_values WHERE entry_id = '{other_id}' AND field_key = 'note') WHERE entry_id = '{id}' AND field_key = 'note'"
    ));
    sqlx::raw_sql(AssertSqlSafe(moved)).execute(&mut owner).await.unwrap();
    let document = "query($id: ID!) { node(id: $id) { id } }";
    assert_eq!(ward.doctor.error_code(document, json!({"id": signed["id"]})).await, "INTERNAL");
}
