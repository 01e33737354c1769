//! The same in a bucket: `tests/s3/bucket.py`, which computes every signature again.

use std::process::Stdio;

use axum::http::StatusCode;
use chrono::TimeDelta;
use horae::files::ObjectName;
use image::ImageFormat;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

use super::{Archive, photo, sha256};
use crate::support::python;

const KEY: &str = "AKIDHORAE";
const SECRET: &str = "a secret / with + signs";

struct Bucket {
    port: u16,
    log: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Bucket {
    async fn start() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/s3/bucket.py");
        let mut process = Command::new(python::program())
            .args([script, KEY, SECRET, "eu-south-2", "files"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = log.next_line().await.unwrap().expect("it says its port").parse().unwrap();
        Self { port, log, _process: process }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("HORAE_FILES", "s3://files/horae/test".to_owned()),
            ("HORAE_S3_ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("HORAE_S3_REGION", "eu-south-2".to_owned()),
            ("HORAE_S3_KEY_ID", KEY.to_owned()),
            ("HORAE_S3_SECRET", SECRET.to_owned()),
        ]
    }

    /// What was asked of it up to a request that fits.
    async fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            let line = self.log.next_line().await.unwrap().expect("it still runs");
            let request: Value = serde_json::from_str(&line).unwrap();
            let last = fits(&request);
            seen.push(request);
            if last {
                return seen;
            }
        }
    }
}

async fn open(settings: &[(&str, String)]) -> Archive {
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Archive::open_with(&settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_conversation_with_a_bucket() {
    let mut bucket = Bucket::start().await;
    let archive = open(&bucket.settings()).await;
    let app = &archive.clinic.app;
    let bytes = photo(300, 200, ImageFormat::Jpeg);
    let file = archive.upload("a.jpg", "image/jpeg", &bytes).await;
    assert_eq!((&file["width"], &file["height"]), (&json!(300), &json!(200)));
    app.run_jobs().await;
    let admin = &archive.clinic.admin;
    let whole = archive.get(&archive.link(admin, &file["id"], "downloadUrl").await).await;
    assert_eq!((whole.status, whole.body == bytes), (StatusCode::OK, true));
    let small = archive.get(&archive.link(admin, &file["id"], "thumbnailUrl").await).await;
    assert_eq!(small.status, StatusCode::OK);
    assert_eq!(image::load_from_memory(&small.body).unwrap().width(), 300);
    // A small one takes one request, under the prefix, the centre's id and the file's.
    let seen = bucket.until(|request| request["method"] == "PUT").await;
    let put = seen.last().unwrap();
    let tenant = archive.clinic.actor.tenant.id.0.simple().to_string();
    let key = put["key"].as_str().unwrap();
    assert!(key.starts_with(&format!("horae/test/{tenant}/")) && put["query"] == json!([]), "{put}");

    // A large one goes in parts of five mebibytes.
    let large = vec![b'7'; 12 * 1024 * 1024 + 5];
    let payload = archive.try_upload("b.txt", "text/plain", &large).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    let got = archive.get(&archive.link(admin, &payload["attachment"]["id"], "downloadUrl").await).await;
    assert_eq!(sha256(&got.body), sha256(&large));
    let seen = bucket.until(|request| request["method"] == "POST" && request["query"] == json!(["uploadId"])).await;
    let parts: Vec<u64> = seen
        .iter()
        .filter(|request| request["query"] == json!(["partNumber", "uploadId"]))
        .map(|request| request["size"].as_u64().unwrap())
        .collect();
    assert_eq!(parts, [5 * 1024 * 1024, 5 * 1024 * 1024, 2 * 1024 * 1024 + 5]);
    assert!(seen.iter().all(|request| request["status"] == 200 || request["status"] == 204), "{seen:?}");

    // One that breaks off leaves no parts.
    let ticket = archive.announce("c.txt", "text/plain", large.len() + 1).await;
    let stream = futures::stream::iter([Ok::<_, std::io::Error>(large.clone())]);
    let sent = archive.send(
        axum::http::Method::PUT,
        &ticket["url"],
        Some("text/plain"),
        axum::body::Body::from_stream(stream),
    );
    assert_eq!(sent.await.code(), "422 INVALID");
    let seen = bucket.until(|request| request["method"] == "DELETE").await;
    assert_eq!(seen.last().unwrap()["query"], json!(["uploadId"]));

    // Orphans are found by listing.
    let cx = &archive.clinic.centre.cx;
    let orphan = cx.new_id();
    cx.files.put(ObjectName::whole(archive.clinic.actor.tenant.id.0, orphan), b"bytes".to_vec()).await.unwrap();
    app.clock.advance(TimeDelta::hours(25));
    app.run_jobs().await;
    let name = orphan.simple().to_string();
    let gone = |request: &Value| request["method"] == "DELETE" && request["key"].as_str().unwrap().ends_with(&name);
    bucket.until(gone).await;
    let admin = app.admin("alfa").await;
    let still = archive.get(&archive.link(&admin, &file["id"], "downloadUrl").await).await;
    assert_eq!(still.body, bytes);
}

#[tokio::test]
async fn a_bucket_that_refuses_or_is_gone_is_our_fault_and_the_ticket_stays_good() {
    let bucket = Bucket::start().await;
    let mut settings = bucket.settings();
    let good = open(&settings).await;
    settings[4].1 = "another secret".to_owned();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let wrong = crate::support::app::TestApp::with_clock(
        &good.clinic.app.database_url,
        &settings,
        good.clinic.app.clock.clone(),
    )
    .await;
    let bytes = photo(64, 64, ImageFormat::Png);
    let ticket = good.announce("a.png", "image/png", bytes.len()).await;
    let here = good.address;
    let there = Archive { address: wrong.listen().await, ..good };
    let refused = there.put(&ticket, &bytes).await;
    assert_eq!(refused.code(), "500 INTERNAL");
    let text = String::from_utf8_lossy(&refused.body).into_owned();
    assert!(!text.contains("127.0.0.1") && !text.contains(KEY) && !text.contains("Signature"), "{text}");
    let good = Archive { address: here, ..there };
    assert_eq!(good.put(&ticket, &bytes).await.code(), "204 ");
}

#[test]
fn a_bucket_needs_its_name_and_its_key() {
    let build = |settings: &[(&str, &str)]| {
        let found = |name: &str| settings.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        horae::config::Config::from_lookup(found).map(|config| config.files).map_err(|error| error.to_string())
    };
    assert!(build(&[("HORAE_FILES", "s3:///prefix")]).unwrap_err().starts_with("HORAE_FILES: "));
    let named = [("HORAE_FILES", "s3://files/a/b/"), ("HORAE_S3_KEY_ID", KEY), ("HORAE_S3_SECRET", SECRET)];
    for missing in [1, 2] {
        let some: Vec<_> = named.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, one)| *one).collect();
        assert!(build(&some).unwrap_err().starts_with(named[missing].0), "{some:?}");
    }
    let Ok(horae::files::Place::S3(place)) = build(&named) else { panic!("no bucket") };
    assert_eq!((place.bucket.as_str(), place.prefix.as_str(), place.endpoint), ("files", "a/b", None));
    assert!(!format!("{:?}", build(&named)).contains(SECRET), "the secret is in no log");
}
