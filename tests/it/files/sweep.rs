//! What nobody finishes goes, what a crash leaves goes, and nothing else.

use std::time::Duration;

use axum::{body::Body, http::Method};
use bytes::Bytes;
use chrono::TimeDelta;
use horae::{
    domain::clock::{Clock, SystemClock},
    files::ObjectName,
};
use image::ImageFormat;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{Archive, photo, sha256};
use crate::{booking::Clinic, support::node::Node};

#[tokio::test]
async fn what_is_never_finished_goes_and_what_is_ready_stays() {
    let archive = Archive::open().await;
    let bytes = photo(64, 64, ImageFormat::Png);
    let kept = archive.upload("kept.png", "image/png", &bytes).await;
    let import = json!({"ownerId": archive.tenant(), "fileName": "i.csv", "mimeType": "text/csv", "sizeBytes": 3});
    let ticket = archive.request(&archive.clinic.admin, import).await["ticket"].clone();
    archive.put(&ticket, b"a,b").await;
    archive.complete(&archive.clinic.admin, &ticket["attachmentId"], &sha256(b"a,b")).await;
    archive.announce("never.png", "image/png", bytes.len()).await;
    let sent = archive.announce("sent.png", "image/png", bytes.len()).await;
    archive.put(&sent, &bytes).await;
    let app = &archive.clinic.app;
    app.run_jobs().await;
    assert_eq!((archive.rows().await, archive.objects().len()), (4, 4), "three files and a small picture");
    app.clock.advance(TimeDelta::minutes(16));
    app.run_jobs().await;
    assert_eq!((archive.rows().await, archive.objects().len()), (3, 4), "what was announced in vain is gone");
    app.clock.advance(TimeDelta::hours(24));
    app.run_jobs().await;
    assert_eq!((archive.rows().await, archive.objects().len()), (2, 3), "nobody vouched for what was sent");
    app.clock.advance(TimeDelta::days(30));
    app.run_jobs().await;
    assert_eq!((archive.rows().await, archive.objects().len()), (1, 2), "what was imported is in the patients");
    let admin = app.admin("alfa").await;
    let link = archive.link(&admin, &kept["id"], "downloadUrl").await;
    assert_eq!(archive.get(&link).await.body, bytes);
    assert_eq!(archive.clinic.centre.count("SELECT files FROM attachment_usage").await, 1);
}

#[tokio::test]
async fn what_a_crash_leaves_between_store_and_database_goes_after_a_day() {
    let archive = Archive::open().await;
    let (app, cx) = (&archive.clinic.app, &archive.clinic.centre.cx);
    let bytes = photo(64, 64, ImageFormat::Png);
    archive.upload("kept.png", "image/png", &bytes).await;
    app.run_jobs().await;
    let (tenant, other) = (archive.clinic.actor.tenant.id.0, app.system("beta").await.tenant.id.0);
    // An object whose row is gone or never was, one of another centre, and a half of one whose process was killed.
    let orphan = cx.new_id();
    cx.files.put(ObjectName::whole(tenant, orphan), b"bytes".to_vec()).await.unwrap();
    cx.files.put(ObjectName::thumbnail(tenant, orphan), b"bytes".to_vec()).await.unwrap();
    let half = app.files.path().join(tenant.simple().to_string()).join(format!("{}#1", cx.new_id().simple()));
    std::fs::write(&half, b"half").unwrap();
    let foreign = cx.new_id();
    cx.files.put(ObjectName::whole(other, foreign), b"bytes".to_vec()).await.unwrap();
    app.clock.advance(TimeDelta::hours(23));
    app.run_jobs().await;
    assert_eq!(archive.objects().len(), 6, "each may still be on its way to a row");
    // New ones are left alone when the old ones go.
    app.clock.advance(TimeDelta::hours(14));
    let new = cx.new_id();
    cx.files.put(ObjectName::whole(tenant, new), b"bytes".to_vec()).await.unwrap();
    app.run_jobs().await;
    let there = archive.objects();
    assert!(!there.iter().any(|name| name.contains(&orphan.simple().to_string())), "{there:?}");
    assert!(!half.exists());
    assert!(there.contains(&new.simple().to_string()));
    assert!(!there.contains(&foreign.simple().to_string()), "the other centre's own job removed its own");
    assert_eq!(there.len(), 3, "{there:?}");
}

#[tokio::test]
async fn bytes_that_are_coming_keep_their_file_from_the_sweep() {
    let archive = Archive::open().await;
    let bytes = photo(64, 64, ImageFormat::Png);
    let ticket = archive.announce("a.png", "image/png", bytes.len()).await;
    let (pieces, body) = futures::channel::mpsc::unbounded::<Result<Bytes, std::io::Error>>();
    let (first, second) = bytes.split_at(100);
    let app = &archive.clinic.app;
    app.clock.advance(TimeDelta::minutes(14));
    pieces.unbounded_send(Ok(Bytes::copy_from_slice(first))).unwrap();
    let sending = archive.send(Method::PUT, &ticket["url"], Some("image/png"), Body::from_stream(body));
    let meanwhile = async {
        // It has begun when the ticket is used.
        while archive.clinic.centre.count("SELECT sum(uses) FROM capability_tokens WHERE purpose = 'FILE_UPLOAD'").await
            == 0
        {
            tokio::task::yield_now().await;
        }
        app.clock.advance(TimeDelta::minutes(3));
        app.run_jobs().await;
        pieces.unbounded_send(Ok(Bytes::copy_from_slice(second))).unwrap();
        drop(pieces);
    };
    let (sent, ()) = tokio::join!(sending, meanwhile);
    assert_eq!(sent.code(), "204 ");
    let admin = app.admin("alfa").await;
    let done = archive.complete(&admin, &ticket["attachmentId"], &sha256(&bytes)).await;
    assert_eq!(done["userErrors"], json!([]));
}

#[tokio::test]
async fn who_stops_sending_is_cut_off_and_begins_again_with_the_same_ticket() {
    let archive = Archive::open_with(&[("HORAE_BODY_TIMEOUT", "1")]).await;
    let bytes = photo(200, 200, ImageFormat::Png);
    let ticket = archive.announce("a.png", "image/png", bytes.len()).await;
    // Half of it, and then nothing for ever.
    let body = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(&bytes[..500]))]);
    let body = Body::from_stream(futures::StreamExt::chain(body, futures::stream::pending()));
    let sent = archive.send(Method::PUT, &ticket["url"], Some("image/png"), body).await;
    assert_eq!(sent.status.as_u16(), 408);
    // Half of it, and then the connection is gone.
    let mut line = sending(&archive, &ticket, bytes.len()).await;
    line.write_all(&bytes[..500]).await.unwrap();
    let used = "SELECT sum(uses) FROM capability_tokens WHERE purpose = 'FILE_UPLOAD'";
    let until = async |uses: i64| {
        let seen = async {
            while archive.clinic.centre.count(used).await != uses {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), seen).await.expect("the ticket is taken and given back");
    };
    until(1).await;
    drop(line);
    until(0).await;
    assert_eq!(archive.objects(), Vec::<String>::new(), "halves are gone");
    assert_eq!(archive.put(&ticket, &bytes).await.code(), "204 ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_node_leaves_of_a_file_goes_and_the_file_can_be_sent_again() {
    const SIZE: usize = 20 * 1024 * 1024;
    let (archive, node) = by_a_real_node(Archive::open().await).await;
    let bytes = vec![b'x'; SIZE];
    let ticket = archive.announce("notes.txt", "text/plain", SIZE).await;
    let mut line = sending(&archive, &ticket, SIZE).await;
    // More than the node keeps in memory before it writes.
    line.write_all(&bytes[..SIZE - 1]).await.unwrap();
    let half = async {
        while archive.objects().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), half).await.expect("a half is there");
    node.kill().await;
    let halves = archive.objects();
    assert!(halves.len() == 1 && halves[0].contains('#'), "{halves:?}");

    // Another node goes on.
    let address = archive.clinic.app.listen().await;
    let archive = Archive { address, ..archive };
    let kept = archive.upload("notes.txt", "text/plain", &bytes).await;
    let app = &archive.clinic.app;
    app.clock.advance(TimeDelta::hours(37));
    app.run_jobs().await;
    assert_eq!(archive.rows().await, 1, "what was not finished is gone");
    let left = archive.objects();
    assert!(left.len() == 1 && !left[0].contains('#'), "{left:?}");
    let admin = app.admin("alfa").await;
    let link = archive.link(&admin, &kept["id"], "downloadUrl").await;
    assert_eq!(archive.get(&link).await.body, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_do_not_grow_with_their_files() {
    const SMALL: usize = 2 * 1024 * 1024;
    const LARGE: usize = 20 * 1024 * 1024;
    let (archive, node) = by_a_real_node(Archive::open().await).await;
    // As many at once, so that all that they need but room for their bytes is there.
    there_and_back(&archive, SMALL).await;
    let before = node.peak_from_now();
    there_and_back(&archive, LARGE).await;
    let grown = node.peak().saturating_sub(before);
    println!("{AT_ONCE} uploads of {LARGE} bytes at once, and their downloads: the node grew by {} KiB", grown / 1024);
    assert!(grown < LARGE as u64, "the node grew by {grown} bytes");
    node.stop().await;
}

const AT_ONCE: usize = 6;

/// Files that are sent at once, and read again one after another.
async fn there_and_back(archive: &Archive, size: usize) {
    let bytes = vec![b'x'; size];
    let mut tickets = Vec::new();
    for n in 0..AT_ONCE {
        tickets.push(archive.announce(&format!("{n}.txt"), "text/plain", size).await);
    }
    let sent = futures::future::join_all(tickets.iter().map(|ticket| archive.put(ticket, &bytes))).await;
    assert!(sent.iter().all(|answer| answer.code() == "204 "), "{sent:?}");
    let hash = sha256(&bytes);
    for ticket in &tickets {
        let done = archive.complete(&archive.clinic.admin, &ticket["attachmentId"], &hash).await;
        let link = archive.link(&archive.clinic.admin, &done["attachment"]["id"], "downloadUrl").await;
        assert_eq!(archive.get(&link).await.body.len(), size);
    }
}

/// A file's way to the server, of which only the head is sent.
async fn sending(archive: &Archive, ticket: &Value, size: usize) -> TcpStream {
    let url = ticket["url"].as_str().unwrap();
    let path = &url[url.find("/f/").unwrap()..];
    let mime = ticket["headers"]["Content-Type"].as_str().unwrap();
    let mut line = TcpStream::connect(archive.address).await.unwrap();
    let head = format!("PUT {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {mime}\r\ncontent-length: {size}\r\n\r\n");
    line.write_all(head.as_bytes()).await.unwrap();
    line
}

/// The same centre and store, served by a process. It lives in the present, as this test's server does from now on.
async fn by_a_real_node(archive: Archive) -> (Archive, Node) {
    let app = &archive.clinic.app;
    app.clock.set(SystemClock.now());
    let settings = [("HORAE_FILES", app.files.path().to_str().unwrap().to_owned())];
    let node = Node::start(&app.database_url, &settings).await;
    let admin = app.admin("alfa").await;
    (Archive { address: node.address, clinic: Clinic { admin, ..archive.clinic }, ..archive }, node)
}
