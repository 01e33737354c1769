//! Words that are a credential by themselves: pages behind mails, calendars, keys, access tokens. One of another centre,
//! brought here, is one that never was.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use horae::auth::secret_token;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::house::House;
use crate::support::{
    app::{Client, TestApp},
    fingerprint::fingerprint,
};

/// Status, the headers that could tell something, body.
type Seen = (StatusCode, Vec<(String, String)>, String);

async fn ask(app: &TestApp, method: Method, path: &str) -> Seen {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::ACCEPT_LANGUAGE, "en")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin");
    let response = app.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let told = parts.headers.iter().filter(|(name, _)| *name != "x-request-id" && *name != header::DATE);
    let mut headers: Vec<_> =
        told.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
    headers.sort();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, headers, String::from_utf8_lossy(&body).into_owned())
}

/// `theirs` as if it were of the house, and a word of that form that never was.
fn brought(house: &House, theirs: &str) -> [String; 2] {
    let (head, secret) = theirs.split_once('.').unwrap();
    let kind = head.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = house.centre.system.tenant.key;
    [format!("{kind}{number}.{secret}"), format!("{kind}{number}.{}", secret_token())]
}

#[tokio::test]
async fn a_link_of_another_centre_opens_nothing_here_and_stays_good_there() {
    let app = TestApp::start().await;
    let (alfa, mut beta) = (House::open(&app, "alfa").await, House::open(&app, "beta").await);
    let mut links = Vec::new();
    for (name, path) in [
        ("confirm", "/a/{}"),
        ("cancel", "/a/{}"),
        ("invite", "/u/{}"),
        ("reset", "/u/{}"),
        ("calendar", "/c/{}.ics"),
        ("fileLink", "/f/{}"),
    ] {
        links.push((path, beta.word(&app, name).await.as_str().unwrap().to_owned()));
    }
    app.run_jobs().await;
    let before = (fingerprint(&app, "alfa").await, fingerprint(&app, "beta").await);
    for (path, word) in &links {
        let at = |word: &str| path.replace("{}", word);
        let [foreign, never] = brought(&alfa, word);
        for method in [Method::GET, Method::POST] {
            let seen = ask(&app, method.clone(), &at(&foreign)).await;
            let unknown = if method == Method::POST && (path.starts_with("/c/") || path.starts_with("/f/")) {
                StatusCode::METHOD_NOT_ALLOWED
            } else {
                StatusCode::NOT_FOUND
            };
            assert_eq!(seen.0, unknown, "{method} {path}");
            assert!(!seen.2.contains("Centro"), "{method} {path} names a centre: {}", seen.2);
            assert_eq!(seen, ask(&app, method.clone(), &at(&never)).await, "{method} {path}");
        }
    }
    assert_eq!(before, (fingerprint(&app, "alfa").await, fingerprint(&app, "beta").await));
    for (path, word) in &links {
        let (status, _, body) = ask(&app, Method::GET, &path.replace("{}", word)).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!body.contains("Centro alfa"), "{path}: {body}");
    }
}

const WHO: &str = "{ viewer { tenant { slug } } }";

#[tokio::test]
async fn a_key_of_another_centre_is_nobody_here() {
    let app = TestApp::start().await;
    let (alfa, mut beta) = (House::open(&app, "alfa").await, House::open(&app, "beta").await);
    let zones = "{ timeZones(country: \"CL\") { id } }";
    beta.word(&app, "apiKey").await;
    let secret = beta.word(&app, "secretKey").await.as_str().unwrap().to_owned();
    for (key, question) in [(secret, WHO), (beta.page.token.clone().unwrap(), zones)] {
        let [foreign, never] = brought(&alfa, &key);
        let ask = async |word: &str| {
            let client = Client { router: app.router.clone(), token: Some(word.to_owned()) };
            let (status, mut answer) = client.answer(question, json!({})).await;
            answer.as_object_mut().unwrap().remove("extensions");
            (status, answer)
        };
        let (status, answer) = ask(&foreign).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{status} {answer}");
        assert_eq!((status, answer), ask(&never).await);
        assert_eq!(ask(&key).await.1.get("errors"), None, "it is still good where it belongs");
    }
}

#[tokio::test]
async fn nothing_but_the_token_says_which_centre_it_is() {
    let app = TestApp::start().await;
    let beta = app.admin("beta").await;
    let alfa = app.app.cx.db.find_tenant_by_slug("alfa").await.unwrap().unwrap();
    let id = alfa.id.0.to_string();
    for (name, value) in [
        ("host", "alfa.example.com"),
        ("x-forwarded-host", "alfa.example.com"),
        ("origin", "https://alfa.example.com"),
        ("x-tenant", "alfa"),
        ("x-tenant-id", id.as_str()),
        ("x-tenant-slug", "alfa"),
        ("cookie", "tenant=alfa"),
    ] {
        let request = Request::post("/graphql?tenant=alfa")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {}", beta.token.as_deref().unwrap()))
            .header(name, value);
        let body = json!({"query": WHO, "extensions": {"tenant": "alfa"}}).to_string();
        let response = app.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(answer["data"]["viewer"]["tenant"]["slug"], "beta", "{name}: {answer}");
    }
}
