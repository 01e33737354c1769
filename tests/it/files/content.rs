//! What the bytes are, whatever was said of them.

use std::io::{Cursor, Write};

use image::ImageFormat;
use serde_json::json;
use zip::{ZipWriter, write::SimpleFileOptions};

use super::{Archive, photo, refused, sha256};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

fn workbook(sheet: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let parts = [
        ("[Content_Types].xml", &b"<Types/>"[..]),
        ("xl/workbook.xml", b"<workbook/>"),
        ("xl/worksheets/sheet1.xml", sheet),
    ];
    for (name, bytes) in parts {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[tokio::test]
async fn a_file_that_is_not_what_was_said_is_refused_and_gone() {
    let archive = Archive::open().await;
    let jpeg = photo(64, 64, ImageFormat::Jpeg);
    let mut huge = photo(64, 64, ImageFormat::Png);
    huge[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    let bomb = workbook(&vec![b'0'; 20 * 1024 * 1024]);
    assert!(bomb.len() < 50_000);
    let cases: [(&str, &str, &[u8], &str); 8] = [
        ("a.png", "image/png", &jpeg, "image/jpeg"),
        ("a.jpg", "image/jpeg", b"<html><script>alert(1)</script></html>", "text/html"),
        ("a.pdf", "application/pdf", b"MZ\x90\x00 a program", "announced as application/pdf"),
        ("a.txt", "text/plain", b"<!DOCTYPE html><p>", "text/html"),
        ("a.csv", "text/csv", b"a,b\x00c", "announced as a text"),
        ("a.png", "image/png", &huge, "60000 × 60000"),
        ("a.xlsx", XLSX, &bomb, "unpacked it is more than"),
        ("a.xlsx", XLSX, b"PK\x03\x04 and no more", "no archive"),
    ];
    for (name, mime, bytes, why) in cases {
        let payload = archive.try_upload(name, mime, bytes).await;
        assert_eq!(refused(&payload), ("FILE_TYPE_NOT_ALLOWED".to_owned(), "attachmentId".to_owned()), "{name} {why}");
        let message = payload["userErrors"][0]["message"].as_str().unwrap();
        assert!(message.contains(why), "{message}");
        assert_eq!((archive.rows().await, archive.objects().len()), (0, 0), "{name}");
    }
    // Each left an entry that says why, and the place is free again.
    assert_eq!(
        archive.clinic.centre.count("SELECT count(*) FROM audit_entries WHERE action = 'rejectUpload'").await,
        8
    );
    assert_eq!(archive.clinic.centre.count("SELECT files + bytes FROM attachment_usage").await, 0);
    let sheet = archive.upload("a.xlsx", XLSX, &workbook(b"<sheetData/>")).await;
    assert_eq!(sheet["mimeType"], XLSX);
}

#[tokio::test]
async fn another_hash_is_refused_and_the_file_gone() {
    let archive = Archive::open().await;
    let bytes = photo(64, 64, ImageFormat::WebP);
    let ticket = archive.announce("a.webp", "image/webp", bytes.len()).await;
    archive.put(&ticket, &bytes).await;
    let admin = &archive.clinic.admin;
    let form = archive.complete(admin, &ticket["attachmentId"], "abc").await;
    assert_eq!(refused(&form), ("INVALID".to_owned(), "sha256".to_owned()));
    assert_eq!(archive.rows().await, 1, "what is no hash says nothing of the file");
    let wrong = archive.complete(admin, &ticket["attachmentId"], &sha256(b"other")).await;
    assert_eq!(refused(&wrong), ("INVALID".to_owned(), "sha256".to_owned()));
    assert_eq!((archive.rows().await, archive.objects().len()), (0, 0));
    let late = archive.complete(admin, &ticket["attachmentId"], &sha256(&bytes)).await;
    assert_eq!(refused(&late), ("NOT_FOUND".to_owned(), "attachmentId".to_owned()));
    assert_eq!(archive.put(&ticket, &bytes).await.code(), "410 TOKEN_USED");
    let again = archive.upload("a.webp", "image/webp", &bytes).await;
    assert_eq!((&again["width"], &again["height"]), (&json!(64), &json!(64)));
}
