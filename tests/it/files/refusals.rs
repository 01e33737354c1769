//! What is not announced like this, by these, or in time.

use axum::http::Method;
use chrono::TimeDelta;
use horae::{
    auth::{Actor, BuiltinRole, PermissionSet},
    domain::files::{Part, links, query},
    schema::id::Kind,
};
use image::ImageFormat;
use serde_json::{Value, json};

use super::{Archive, photo, refused, sha256};

#[tokio::test]
async fn what_is_wrong_with_an_announcement_is_named() {
    let archive = Archive::open_with(&[("HORAE_FILE_MAX_BYTES", "1000")]).await;
    let good = json!({"ownerId": archive.patient(), "fileName": "a.png", "mimeType": "image/png", "sizeBytes": 1_000});
    let cases = [
        ("fileName", json!("../../etc/passwd"), "INVALID"),
        ("fileName", json!("C:\\a.png"), "INVALID"),
        ("fileName", json!("a\u{202E}gnp.exe"), "INVALID"),
        ("fileName", json!("photo.exe"), "INVALID"),
        ("fileName", json!("x".repeat(201)), "INVALID"),
        ("fileName", json!("\u{0}.png"), "INVALID"),
        ("mimeType", json!("text/html"), "FILE_TYPE_NOT_ALLOWED"),
        ("mimeType", json!("image/svg+xml"), "FILE_TYPE_NOT_ALLOWED"),
        ("mimeType", json!(""), "FILE_TYPE_NOT_ALLOWED"),
        ("sizeBytes", json!(0), "INVALID"),
        ("sizeBytes", json!(-1), "INVALID"),
        ("sizeBytes", json!(1_001), "FILE_TOO_LARGE"),
        ("sha256", json!("abc"), "INVALID"),
        ("ownerId", archive.clinic.id(Kind::Branch, archive.clinic.branch), "NOT_FOUND"),
        ("ownerId", archive.clinic.id(Kind::Patient, uuid::Uuid::new_v4()), "NOT_FOUND"),
        ("ownerId", archive.clinic.id(Kind::Tenant, uuid::Uuid::new_v4()), "NOT_FOUND"),
    ];
    for (field, value, code) in cases {
        let mut input = good.clone();
        input[field] = value.clone();
        let payload = archive.request(&archive.clinic.admin, input).await;
        assert_eq!(refused(&payload), (code.to_owned(), field.to_owned()), "{value}");
        assert!(payload["userErrors"][0]["message"].as_str().unwrap().len() > 5);
    }
    assert_eq!(archive.rows().await, 0);
    let payload = archive.request(&archive.clinic.admin, good).await;
    assert_eq!(payload["userErrors"], json!([]));
}

#[tokio::test]
async fn who_may_write_announces_and_who_may_read_the_record_sees() {
    let archive = Archive::open().await;
    let app = &archive.clinic.app;
    let bytes = photo(64, 64, ImageFormat::Png);
    let input =
        json!({"ownerId": archive.patient(), "fileName": "a.png", "mimeType": "image/png", "sizeBytes": bytes.len()});
    let desk = app.user("alfa", BuiltinRole::Receptionist).await;
    let ticket = archive.request(&desk, input.clone()).await["ticket"].clone();
    archive.put(&ticket, &bytes).await;
    let file = archive.complete(&desk, &ticket["attachmentId"], &sha256(&bytes)).await["attachment"].clone();
    assert_eq!(file["fileName"], "a.png");
    // The desk has brought it, and does not read records.
    let node = "query($id: ID!) { node(id: $id) { id } }";
    assert_eq!(desk.error_code(node, json!({"id": file["id"]})).await, "NOT_FOUND");
    let complete = "mutation($id: ID!, $hash: String!) {
        completeUpload(attachmentId: $id, sha256: $hash) { attachment { downloadUrl } }
    }";
    let again = json!({"id": file["id"], "hash": sha256(&bytes)});
    assert_eq!(desk.error_code(complete, again).await, "FORBIDDEN");
    assert!(archive.link(&archive.clinic.admin, &file["id"], "downloadUrl").await.is_string());
    // Somebody who attends others neither adds to it nor sees it.
    let stranger = app.user("alfa", BuiltinRole::Professional).await;
    assert_eq!(
        refused(&archive.request(&stranger, input.clone()).await),
        ("NOT_FOUND".to_owned(), "ownerId".to_owned())
    );
    assert_eq!(stranger.error_code(node, json!({"id": file["id"]})).await, "NOT_FOUND");
    let nobody = app.user("alfa", BuiltinRole::Cashier).await;
    assert_eq!(refused(&archive.request(&nobody, input).await).0, "FORBIDDEN");
    // Another centre's administrator has an id of nothing.
    let beta = app.admin("beta").await;
    assert_eq!(beta.error_code(node, json!({"id": file["id"]})).await, "NOT_FOUND");
    let foreign = archive.complete(&beta, &file["id"], &sha256(&bytes)).await;
    assert_eq!(refused(&foreign), ("NOT_FOUND".to_owned(), "attachmentId".to_owned()));
}

#[tokio::test]
async fn what_is_brought_for_an_import_is_for_who_brought_it() {
    let archive = Archive::open().await;
    let bytes = b"nombre;rut\nRosa;1-9\n";
    let input = json!({
        "ownerId": archive.tenant(), "fileName": "pacientes.csv", "mimeType": "text/csv; charset=utf-8", "sizeBytes": bytes.len(),
        "sha256": sha256(bytes),
    });
    let ticket = archive.request(&archive.clinic.admin, input).await["ticket"].clone();
    assert_eq!(
        archive.put(&ticket, b"nombre;rut\nRosa;1-8\n").await.code(),
        "422 INVALID",
        "another hash than was said"
    );
    assert_eq!(archive.put(&ticket, bytes).await.code(), "204 ");
    let boss = archive.clinic.app.user("alfa", BuiltinRole::Administrator).await;
    let theirs = archive.complete(&boss, &ticket["attachmentId"], &sha256(bytes)).await;
    assert_eq!(refused(&theirs), ("NOT_FOUND".to_owned(), "attachmentId".to_owned()));
    let file =
        archive.complete(&archive.clinic.admin, &ticket["attachmentId"], &sha256(bytes)).await["attachment"].clone();
    assert_eq!((&file["mimeType"], &file["width"]), (&json!("text/csv"), &Value::Null));
    let node = "query($id: ID!) { node(id: $id) { id } }";
    assert_eq!(boss.error_code(node, json!({"id": file["id"]})).await, "NOT_FOUND");
    assert_eq!(
        archive.get(&archive.link(&archive.clinic.admin, &file["id"], "downloadUrl").await).await.body,
        &bytes[..]
    );
    // A job reads it where it lies.
    let system = archive.clinic.app.system("alfa").await;
    let id = crate::centre::local(&archive.clinic.app, "alfa", Kind::Attachment, &file["id"]).await;
    let (found, mut open) = query::open(&archive.clinic.centre.cx, &system, id).await.unwrap().unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut open, &mut text).unwrap();
    assert_eq!((found.file_name.as_str(), text.as_bytes()), ("pacientes.csv", &bytes[..]));
    // Who brought it and may do nothing any more sees it no more.
    let now = Actor { permissions: PermissionSet::default(), ..(*archive.clinic.actor).clone() };
    let cx = &archive.clinic.centre.cx;
    assert!(query::open(cx, &archive.clinic.actor, id).await.unwrap().is_some());
    assert!(query::open(cx, &now, id).await.unwrap().is_none());
    let wanted = links::Wanted { file: id, part: Part::Whole, ttl_seconds: links::USUAL_TTL_SECONDS };
    let denied = links::run(cx, &now, vec![wanted]).await.unwrap_err();
    assert!(format!("{denied:?}").contains("Forbidden"), "{denied:?}");
}

#[tokio::test]
async fn a_ticket_ends_and_is_for_nothing_else() {
    let archive = Archive::open().await;
    let bytes = photo(64, 64, ImageFormat::Png);
    let ticket = archive.announce("a.png", "image/png", bytes.len()).await;
    // It opens no file, and no link to a file takes bytes.
    assert_eq!(archive.get(&ticket["url"]).await.code(), "404 TOKEN_INVALID");
    let file = archive.upload("b.png", "image/png", &bytes).await;
    let link = archive.link(&archive.clinic.admin, &file["id"], "downloadUrl").await;
    let sent = archive.send(Method::PUT, &link, Some("image/png"), bytes.clone()).await;
    assert_eq!(sent.code(), "404 TOKEN_INVALID");
    // Of the right form, and no word of ours; of another centre's number.
    let word = ticket["url"].as_str().unwrap();
    let (head, secret) = word.rsplit_once('.').unwrap();
    let key = archive.clinic.app.system("beta").await.tenant.key;
    let other = format!("{}ct{key}.{secret}", &head[..head.rfind("ct").unwrap()]);
    for wrong in [
        format!("{head}.{}", "x".repeat(43)),
        other,
        format!("{word}-t"),
        format!("{}guess", &head[..head.rfind("ct").unwrap()]),
    ] {
        let sent = archive.send(Method::PUT, &json!(wrong), Some("image/png"), bytes.clone()).await;
        assert_eq!(sent.code(), "404 TOKEN_INVALID", "{wrong}");
    }
    archive.clinic.app.clock.advance(TimeDelta::minutes(15));
    assert_eq!(archive.put(&ticket, &bytes).await.code(), "410 EXPIRED");
}

#[tokio::test]
async fn files_go_with_their_patient_when_two_become_one() {
    let archive = Archive::open().await;
    let bytes = photo(64, 64, ImageFormat::Png);
    let file = archive.upload("a.png", "image/png", &bytes).await;
    let (kept, merged) = (archive.clinic.centre.patient("Rosa", "Soto").await, archive.patient());
    let merge = "mutation($keep: ID!, $merge: ID!, $key: IdempotencyKey!) {
        mergePatients(keepId: $keep, mergeId: $merge, idempotencyKey: $key) { userErrors { code message field } }
    }";
    let ids = json!({"keep": archive.clinic.id(Kind::Patient, kept), "merge": merged, "key": uuid::Uuid::new_v4()});
    let done = archive.clinic.admin.ok(merge, ids).await;
    assert_eq!(done["mergePatients"]["userErrors"], json!([]), "{done}");
    // By the old id it is the one who was kept that gets a new one, too.
    let late = archive.upload("b.png", "image/png", &bytes).await;
    for one in [&file, &late] {
        let link = archive.link(&archive.clinic.admin, &one["id"], "downloadUrl").await;
        assert_eq!(archive.get(&link).await.body, bytes);
    }
    let sql = "SELECT count(*) FROM attachments a JOIN patients p ON p.id = a.patient_id WHERE p.merged_into IS NULL";
    assert_eq!(archive.clinic.centre.count(sql).await, 2);
}
