//! GraphQL over HTTP beyond what the public audits ask.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use futures::stream;
use horae::http::graphql::{Sockets, TransportOptions};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::schema::Shared;
use super::server::routes;

const NEWER: &str = "application/graphql-response+json";

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
    }
}

async fn send_with(options: TransportOptions, request: Request<Body>) -> Answer {
    let response = routes(Shared::new(), options, Sockets::default()).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn send(request: Request<Body>) -> Answer {
    send_with(TransportOptions::default(), request).await
}

fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post("/graphql")
        .header("content-type", "application/json")
        .header("accept", NEWER)
        .body(body.into())
        .unwrap()
}

fn query(query: &str) -> Request<Body> {
    post(json!({ "query": query }).to_string())
}

fn get(parameters: &[(&str, &str)]) -> Request<Body> {
    let encoded: Vec<String> = parameters
        .iter()
        .map(|(name, value)| {
            let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            format!("{name}={value}")
        })
        .collect();
    Request::get(format!("/graphql?{}", encoded.join("&"))).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn answers_with_data_and_a_request_id() {
    let answer = send(query("{ hello }")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/graphql-response+json; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.body["data"], json!({ "hello": "world" }));
    assert_eq!(answer.body["extensions"]["requestId"], answer.header("x-request-id"));
    assert_eq!(answer.header("x-request-id").len(), 36);
}

#[tokio::test]
async fn takes_over_a_sane_request_id_only() {
    let with_id = |id: &str| {
        let mut request = query("{ hello }");
        request.headers_mut().insert("x-request-id", id.parse().unwrap());
        request
    };
    assert_eq!(send(with_id("abc-123")).await.body["extensions"]["requestId"], "abc-123");
    assert_ne!(send(with_id("abc 123\tx=1")).await.header("x-request-id"), "abc 123\tx=1");
}

#[tokio::test]
async fn get_runs_queries_only() {
    let answer = send(get(&[("query", "{ hello }")])).await;
    assert_eq!((answer.status, &answer.body["data"]["hello"]), (StatusCode::OK, &json!("world")));
    for other in ["mutation { bump }", "subscription { count(to: 1) }"] {
        let answer = send(get(&[("query", other)])).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{other}");
        assert_eq!(answer.header("allow"), "POST");
    }
    let two = "query A { hello } mutation B { bump }";
    assert_eq!(send(get(&[("query", two), ("operationName", "A")])).await.body["data"]["hello"], "world");
    let chosen = send(get(&[("query", two), ("operationName", "B")])).await;
    assert_eq!(chosen.status, StatusCode::METHOD_NOT_ALLOWED);
    let variables = [("query", "query($n: Int!) { number(n: $n) }"), ("variables", r#"{"n":5}"#)];
    assert_eq!(send(get(&variables)).await.body["data"]["number"], 5);
}

#[tokio::test]
async fn other_methods_are_refused() {
    let request = Request::put("/graphql").body(Body::empty()).unwrap();
    let answer = send(request).await;
    assert_eq!((answer.status, answer.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD, POST"));
}

#[tokio::test]
async fn refuses_what_a_browser_sends_without_asking() {
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let mut request = query("mutation { bump }");
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        let answer = send(request).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_REQUEST"), "{kind}");
    }
}

#[tokio::test]
async fn refuses_batches_and_what_is_no_request() {
    for body in ["[{\"query\":\"{hello}\"}]", "[]", "1", "null", "", "{", "{\"query\":1}", "\u{feff}"] {
        let answer = send(post(body.to_owned())).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "BAD_REQUEST"), "{body}");
        assert!(answer.body.get("data").is_none());
        assert!(!answer.body["errors"][0]["message"].as_str().unwrap().contains("column"), "no text of the parser");
    }
}

#[tokio::test]
async fn not_acceptable() {
    let mut request = query("{ hello }");
    request.headers_mut().insert("accept", "text/html".parse().unwrap());
    let answer = send(request).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (StatusCode::NOT_ACCEPTABLE, "application/json; charset=utf-8")
    );
}

#[tokio::test]
async fn refuses_bodies_over_the_limit() {
    let options = TransportOptions { max_body: 1000, ..TransportOptions::default() };
    let fitting = format!("{{\"query\":\"{{hello}}\"{}}}", " ".repeat(1000 - 19));
    assert_eq!(fitting.len(), 1000);
    assert_eq!(send_with(options.clone(), post(fitting.clone())).await.status, StatusCode::OK);
    assert_eq!(send_with(options.clone(), post(fitting + " ")).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    // No length announced, and no end: only counting what arrives helps.
    let endless = Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 100]))));
    let answer = send_with(options, post(endless)).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::PAYLOAD_TOO_LARGE, "BAD_REQUEST"));
    assert_eq!(TransportOptions::default().max_body, 256 * 1024);
}

#[tokio::test]
async fn gives_up_on_bodies_and_operations_that_take_too_long() {
    let patience = Duration::from_millis(50);
    let options = TransportOptions { request_timeout: patience, body_timeout: patience, ..TransportOptions::default() };
    let stalled = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    assert_eq!(send_with(options.clone(), post(stalled)).await.status, StatusCode::REQUEST_TIMEOUT);
    let answer = send_with(options, query("{ hangs }")).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::GATEWAY_TIMEOUT, "REQUEST_TIMEOUT"));
}

#[tokio::test]
async fn request_errors_have_codes_and_no_data() {
    for (document, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ unknown }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { hello } query B { hello }", "BAD_REQUEST"),
        ("subscription { count(to: 1) }", "BAD_REQUEST"),
        ("{ number(n: \"x\") }", "BAD_USER_INPUT"),
    ] {
        let answer = send(query(document)).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, code), "{document}");
        assert!(answer.body.get("data").is_none(), "{document}");

        let mut older = query(document);
        older.headers_mut().insert("accept", "application/json".parse().unwrap());
        let answer = send(older).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::OK, code), "{document}");
    }
}

#[tokio::test]
async fn errors_in_execution_keep_the_data() {
    let answer = send(query("{ hello refuses }")).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::OK, "NOT_FOUND"));
    assert_eq!(answer.body["data"], json!({ "hello": "world", "refuses": null }));

    let answer = send(query("{ number(n: 99999999999) }")).await;
    assert_eq!(answer.code(), "BAD_USER_INPUT", "{}", answer.body);
}

#[tokio::test]
async fn a_fault_shows_a_request_id_and_nothing_else() {
    for document in ["{ hello leaks }", "{ hello leaksAll }"] {
        let answer = send(query(document)).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::OK, "INTERNAL_SERVER_ERROR"));
        assert!(answer.body.as_object().unwrap().contains_key("data"), "null, but there");
        assert!(!answer.body.to_string().contains("secret"), "{}", answer.body);
        assert_eq!(answer.body["errors"][0]["extensions"]["requestId"], answer.header("x-request-id"));
    }
    let answer = send(query("{ panics }")).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR"));
    assert!(!answer.body.to_string().contains("purpose"));
}

#[tokio::test]
async fn the_gate_decides() {
    let as_caller = |order: &str| {
        let mut request = query("{ caller }");
        request.headers_mut().insert("authorization", order.parse().unwrap());
        request
    };
    assert_eq!(send(query("{ caller }")).await.body["data"]["caller"], "nobody");
    assert_eq!(send(as_caller("ana")).await.body["data"]["caller"], "ana");
    for (order, code) in
        [("401", "UNAUTHENTICATED"), ("403", "FORBIDDEN"), ("429", "RATE_LIMITED"), ("503", "SERVICE_UNAVAILABLE")]
    {
        let answer = send(as_caller(order)).await;
        assert_eq!((answer.status.as_str(), answer.code()), (order, code));
        assert!(answer.body.get("data").is_none());
    }
    assert_eq!(send(as_caller("429")).await.header("retry-after"), "2");
    assert_eq!(send(as_caller("401")).await.header("www-authenticate"), "Bearer");
}
