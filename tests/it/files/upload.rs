//! From the announcement to the file, and that there are never more than there may be.

use axum::http::{Method, StatusCode};
use futures::future::join_all;
use image::ImageFormat;
use serde_json::json;

use super::{Archive, photo, refused, sha256};

#[tokio::test]
async fn a_photograph_is_announced_sent_and_there() {
    let archive = Archive::open().await;
    let bytes = photo(640, 480, ImageFormat::Jpeg);
    let ticket = archive.announce("Antes del tratamiento.JPG", "image/jpeg", bytes.len()).await;
    let headers = json!({"Content-Type": "image/jpeg", "Content-Length": bytes.len().to_string()});
    assert_eq!((&ticket["headers"], &ticket["maxBytes"]), (&headers, &json!(bytes.len())));
    assert_eq!(ticket["expiresAt"], "2026-07-13T12:15:00+00:00");
    // Nothing has come: there is nothing to vouch for, and nothing to see.
    let early = archive.complete(&archive.clinic.admin, &ticket["attachmentId"], &sha256(&bytes)).await;
    assert_eq!(refused(&early), ("INVALID".to_owned(), "attachmentId".to_owned()));

    let sent = archive.put(&ticket, &bytes).await;
    assert_eq!(sent.status, StatusCode::NO_CONTENT, "{sent:?}");
    let payload =
        archive.complete(&archive.clinic.admin, &ticket["attachmentId"], &sha256(&bytes).to_uppercase()).await;
    let file = &payload["attachment"];
    assert_eq!(
        *file,
        json!({
            "id": ticket["attachmentId"], "fileName": "Antes del tratamiento.JPG", "mimeType": "image/jpeg",
            "sizeBytes": bytes.len(), "sha256": sha256(&bytes), "width": 640, "height": 480, "capturedAt": null,
            "uploadedAt": "2026-07-13T12:00:00+00:00",
        })
    );
    // Once more it is the same.
    assert_eq!(archive.complete(&archive.clinic.admin, &file["id"], &sha256(&bytes)).await, payload);
    let other = archive.complete(&archive.clinic.admin, &file["id"], &sha256(b"other")).await;
    assert_eq!(refused(&other), ("INVALID".to_owned(), "sha256".to_owned()));
    assert_eq!(archive.rows().await, 1, "what was ready stays");

    let link = archive.link(&archive.clinic.admin, &file["id"], "downloadUrl").await;
    let got = archive.get(&link).await;
    assert_eq!((got.status, got.body == bytes), (StatusCode::OK, true));
    // In the trail: who announced, who completed, who asked for a link, and that it was used.
    let told = archive
        .clinic
        .centre
        .count("SELECT count(*) FROM audit_entries WHERE subject_type = 'Attachment' AND action IN ('requestUpload', 'completeUpload', 'showFile', 'fetchFile')")
        .await;
    assert_eq!(told, 4);
}

#[tokio::test]
async fn a_ticket_takes_bytes_once_and_a_broken_transfer_is_none() {
    let archive = Archive::open().await;
    let bytes = photo(300, 200, ImageFormat::Png);
    let ticket = archive.announce("a.png", "image/png", bytes.len()).await;
    // Too few, too many, of another type, and packed: each leaves the ticket as it was.
    let few = archive.put(&ticket, &bytes[..bytes.len() - 1]).await;
    assert_eq!(few.code(), "422 INVALID");
    let many = archive.put(&ticket, &[bytes.as_slice(), b"!"].concat()).await;
    assert_eq!(many.code(), "413 FILE_TOO_LARGE");
    let other = archive.send(Method::PUT, &ticket["url"], Some("text/html"), bytes.clone()).await;
    assert_eq!(other.code(), "415 FILE_TYPE_NOT_ALLOWED");
    // In pieces of unknown length, where only counting helps.
    for pieces in [vec![bytes.clone(), vec![0; 70_000]], vec![bytes[..100].to_vec()]] {
        let stream = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        let body = axum::body::Body::from_stream(stream);
        let sent = archive.send(Method::PUT, &ticket["url"], Some("image/png"), body).await;
        assert!(matches!(sent.code().as_str(), "413 FILE_TOO_LARGE" | "422 INVALID"), "{sent:?}");
    }
    assert_eq!(archive.objects(), Vec::<String>::new(), "nothing is left of them");

    let all = [archive.put(&ticket, &bytes).await, archive.put(&ticket, &bytes).await];
    assert_eq!(all[0].status, StatusCode::NO_CONTENT, "{all:?}");
    assert_eq!(all[1].code(), "410 TOKEN_USED");
    let done = archive.complete(&archive.clinic.admin, &ticket["attachmentId"], &sha256(&bytes)).await;
    assert_eq!(done["userErrors"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_who_send_for_one_ticket_make_one_file() {
    let archive = Archive::open().await;
    let bytes = photo(900, 900, ImageFormat::Png);
    let ticket = archive.announce("a.png", "image/png", bytes.len()).await;
    let sent = join_all((0..8).map(|_| archive.put(&ticket, &bytes))).await;
    let mut codes: Vec<String> = sent.iter().map(super::Answer::code).collect();
    codes.sort();
    assert_eq!(codes[0], "204 ");
    assert!(codes[1..].iter().all(|code| code == "410 TOKEN_USED"), "{codes:?}");
    let hash = sha256(&bytes);
    let complete = || archive.complete(&archive.clinic.admin, &ticket["attachmentId"], &hash);
    let completed = join_all((0..4).map(|_| complete())).await;
    assert!(
        completed.iter().all(|payload| payload == &completed[0] && payload["userErrors"] == json!([])),
        "{completed:?}"
    );
    let entries = "SELECT count(*) FROM audit_entries WHERE action = 'completeUpload'";
    assert_eq!(archive.clinic.centre.count(entries).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_at_once_against_a_limit_of_three_leave_three() {
    let archive = Archive::open_with(&[("HORAE_FILES_PER_OWNER", "3")]).await;
    for round in 0..5 {
        let input =
            json!({"ownerId": archive.patient(), "fileName": "a.png", "mimeType": "image/png", "sizeBytes": 1_000});
        let answers = join_all((0..4).map(|_| archive.request(&archive.clinic.admin, input.clone()))).await;
        let (taken, refusals): (Vec<_>, Vec<_>) =
            answers.iter().partition(|payload| payload["userErrors"] == json!([]));
        assert_eq!((taken.len(), refusals.len()), (3, 1), "round {round}: {answers:#?}");
        let error = &refusals[0]["userErrors"][0];
        assert_eq!(error["__typename"], "QuotaError");
        assert_eq!(
            (&error["quota"], &error["limit"], &error["used"]),
            (&json!("files.per_owner"), &json!(3), &json!(3))
        );
        assert_eq!(refused(refusals[0]), ("QUOTA_EXCEEDED".to_owned(), "ownerId".to_owned()));
        assert_eq!(archive.rows().await, 3);
        archive.clinic.centre.run("DELETE FROM attachments", vec![]).await;
        assert_eq!(archive.clinic.centre.count("SELECT files + bytes FROM attachment_usage").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_centres_storage_is_counted_while_many_announce() {
    let archive = Archive::open_with(&[("HORAE_STORAGE_MIB", "2")]).await;
    let size = 1024 * 1024 - 7;
    let input = json!({"ownerId": archive.tenant(), "fileName": "a.csv", "mimeType": "text/csv", "sizeBytes": size});
    let answers = join_all((0..6).map(|_| archive.request(&archive.clinic.admin, input.clone()))).await;
    let refusals: Vec<_> = answers.iter().filter(|payload| payload["userErrors"] != json!([])).collect();
    assert_eq!(refusals.len(), 4, "{answers:#?}");
    for one in refusals {
        assert_eq!(refused(one), ("QUOTA_EXCEEDED".to_owned(), "sizeBytes".to_owned()));
        let error = &one["userErrors"][0];
        assert_eq!(
            (&error["quota"], &error["limit"], &error["used"]),
            (&json!("files.storage_mib"), &json!(2), &json!(1))
        );
    }
    assert_eq!(archive.clinic.centre.count("SELECT bytes FROM attachment_usage").await, 2 * i64::from(size));
}
