//! Links: once, for whoever holds them, for a while.

use axum::http::{Method, StatusCode, header};
use chrono::TimeDelta;
use futures::future::join_all;
use image::{GenericImageView, ImageFormat};
use serde_json::{Value, json};

use super::{Archive, photo};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_who_come_at_once_one_gets_the_file() {
    let archive = Archive::open().await;
    let bytes = photo(500, 400, ImageFormat::Jpeg);
    let file = archive.upload("Informe año 2026.jpg", "image/jpeg", &bytes).await;
    let link = archive.link(&archive.clinic.admin, &file["id"], "downloadUrl").await;
    // Looking at the link does not use it up.
    let told = archive.send(Method::HEAD, &link, None, axum::body::Body::empty()).await;
    assert_eq!((told.status, told.body.len()), (StatusCode::OK, 0));
    assert_eq!(told.headers[header::CONTENT_LENGTH], bytes.len().to_string());
    let got = join_all((0..20).map(|_| archive.get(&link))).await;
    let (one, others): (Vec<_>, Vec<_>) = got.iter().partition(|answer| answer.status == StatusCode::OK);
    assert_eq!((one.len(), others.len()), (1, 19));
    assert!(others.iter().all(|answer| answer.code() == "410 TOKEN_USED"), "{others:?}");
    let one = one[0];
    assert_eq!(one.body, bytes);
    let header = |name: &str| one.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "image/jpeg");
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"Informe a_o 2026.jpg\"; filename*=UTF-8''Informe%20a%C3%B1o%202026.jpg"
    );
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "private, no-store");
    assert!(header("content-security-policy").starts_with("sandbox;"));
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert!(!one.headers.contains_key("content-encoding"));
    let told = archive.send(Method::HEAD, &link, None, axum::body::Body::empty()).await;
    assert_eq!(told.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_link_lives_as_long_as_was_asked() {
    let archive = Archive::open().await;
    let file = archive.upload("a.txt", "text/plain", b"hola").await;
    let admin = &archive.clinic.admin;
    let link = |ttl: i32| {
        format!("query($id: ID!) {{ node(id: $id) {{ ... on Attachment {{ downloadUrl(ttlSeconds: {ttl}) }} }} }}")
    };
    for wrong in [9, 3_601, -1] {
        assert_eq!(admin.error_code(&link(wrong), json!({"id": file["id"]})).await, "INVALID", "{wrong}");
    }
    let short = admin.ok(&link(10), json!({"id": file["id"]})).await["node"]["downloadUrl"].clone();
    let long = archive.link(admin, &file["id"], "downloadUrl").await;
    archive.clinic.app.clock.advance(TimeDelta::seconds(10));
    assert_eq!(archive.get(&short).await.code(), "410 EXPIRED");
    assert_eq!(archive.get(&long).await.body, "hola");
}

#[tokio::test]
async fn a_photograph_gets_a_small_picture_without_what_the_camera_noted() {
    let archive = Archive::open().await;
    let plain = photo(1_600, 900, ImageFormat::Jpeg);
    // Held upright, in a place that is nobody's business.
    let mut tiff = b"MM\0*\0\0\0\x08\0\x02".to_vec();
    tiff.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0]);
    tiff.extend([0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38]);
    tiff.extend(b"\0\0\0\0GPS 33.4489 S 70.6693 W");
    let segment = [b"Exif\0\0", tiff.as_slice()].concat();
    let length = u16::try_from(segment.len() + 2).unwrap().to_be_bytes();
    let bytes = [&plain[..2], &[0xFF, 0xE1], &length, &segment, &plain[2..]].concat();
    let file = archive.upload("a.jpg", "image/jpeg", &bytes).await;
    assert_eq!((&file["width"], &file["height"]), (&json!(900), &json!(1_600)), "as it is to be shown");
    let admin = &archive.clinic.admin;
    assert_eq!(archive.link(admin, &file["id"], "thumbnailUrl").await, Value::Null);
    archive.clinic.app.run_jobs().await;
    let link = archive.link(admin, &file["id"], "thumbnailUrl").await;
    let got = archive.get(&link).await;
    assert_eq!(
        (got.status, &got.headers["content-type"]),
        (StatusCode::OK, &header::HeaderValue::from_static("image/jpeg"))
    );
    let small = image::load_from_memory(&got.body).unwrap();
    assert_eq!(small.dimensions(), (288, 512));
    assert!(!got.body.windows(4).any(|window| window == b"Exif" || window == b"GPS "));
    // The link to the small picture does not open the whole one.
    let link = archive.link(admin, &file["id"], "thumbnailUrl").await;
    let whole = json!(link.as_str().unwrap().strip_suffix("-t").unwrap());
    assert_eq!(archive.get(&whole).await.code(), "404 TOKEN_INVALID");
    // What cannot be decoded has none, and nothing is tried for ever.
    let half = &plain[..plain.len() / 3];
    let file = archive.upload("b.jpg", "image/jpeg", half).await;
    archive.clinic.app.run_jobs().await;
    let waiting = archive.clinic.centre.count("SELECT count(*) FROM attachments WHERE thumbnail = 'WAITING'").await;
    assert_eq!(waiting, 0);
    assert!(archive.link(admin, &file["id"], "downloadUrl").await.is_string());
}

#[tokio::test]
async fn the_links_of_a_list_take_as_many_statements_as_one() {
    let archive = Archive::open().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(archive.upload(&format!("{n}.txt"), "text/plain", format!("text {n}").as_bytes()).await["id"].clone());
    }
    let document = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Attachment { fileName downloadUrl } } }";
    let db = &archive.clinic.centre.cx.db;
    let mut counted = Vec::new();
    for some in [&ids[..1], &ids[..]] {
        let mut fewest = u64::MAX;
        for _ in 0..3 {
            let before = db.statements();
            let found = archive.clinic.admin.ok(document, json!({ "ids": some })).await;
            fewest = fewest.min(db.statements() - before);
            assert!(found["nodes"].as_array().unwrap().iter().all(|one| one["downloadUrl"].is_string()), "{found}");
        }
        counted.push(fewest);
    }
    assert_eq!(counted[0], counted[1]);
}

#[tokio::test]
async fn pages_of_allowed_origins_alone_may_send_and_fetch() {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;
    let archive = Archive::open_with(&[("HORAE_ALLOWED_ORIGINS", "https://front.example")]).await;
    let ticket = archive.announce("a.txt", "text/plain", 4).await;
    let url = ticket["url"].as_str().unwrap();
    for (origin, allowed) in [("https://front.example", true), ("https://other.example", false)] {
        let asked = Request::options(&url[url.find("/f/").unwrap()..])
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "content-type");
        let router = archive.clinic.app.router.clone();
        let told = router.oneshot(asked.body(Body::empty()).unwrap()).await.unwrap();
        let header = |name: &str| told.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(header("access-control-allow-origin"), if allowed { origin } else { "" });
        assert!(header("access-control-allow-methods").contains("PUT"));
        assert!(!told.headers().contains_key("access-control-allow-credentials"));
    }
    // Being asked about does not use the ticket up.
    assert_eq!(archive.put(&ticket, b"hola").await.status, StatusCode::NO_CONTENT);
}
