//! Documents that are small to send and would be large to run, over HTTP and over a socket.

use std::fmt::Write;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use horae::http::graphql::{Sockets, TransportOptions};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::client::Client;
use super::schema::Shared;
use super::server::{routes, start};

/// `levels` fragments that each spread the next one `times` times.
fn bomb(operation: &str, on: &str, levels: usize, times: usize) -> String {
    let mut document = format!("{operation}{{...f0}}");
    for level in 0..levels {
        let next = format!("...f{}", level + 1).repeat(times);
        write!(document, "fragment f{level} on {on}{{{next}}}").unwrap();
    }
    write!(document, "fragment f{levels} on {on}{{__typename}}").unwrap();
    document
}

fn hostile() -> Vec<(&'static str, String)> {
    let aliases: String = (0..10_000).fold(String::new(), |mut all, n| {
        write!(all, "a{n}:hello ").unwrap();
        all
    });
    vec![
        ("ten fragments, eightfold", bomb("query", "Query", 10, 8)),
        ("thirty fragments, double", bomb("query", "Query", 30, 2)),
        ("unused fragments", bomb("query", "Query", 30, 2).replacen("...f0", "hello", 1)),
        ("a circle", "{...a} fragment a on Query{...b ...b} fragment b on Query{again{...a ...a}}".to_owned()),
        ("a circle of one", "{...a} fragment a on Query{...a ...a}".to_owned()),
        ("ten thousand aliases", format!("{{{aliases}}}")),
        ("depth 200", format!("{}hello{}", "{again".repeat(200), "}".repeat(200))),
        ("depth 50000", "{again".repeat(40_000)),
        ("nested lists", format!("{{number(n:{})}}", "[".repeat(100_000))),
        ("nested types", format!("query($a:{})", "[".repeat(100_000))),
        ("nested fragments, linear", bomb("query", "Query", 500, 1)),
        ("nested inline fragments", format!("{}hello{}", "{...".repeat(63), "}".repeat(63))),
        ("repeated directives", format!("{{hello {}}}", "@include(if:true)".repeat(1_000))),
        ("circular introspection", format!("{{__schema{{types{}}}}}", nested_introspection(5))),
    ]
}

fn nested_introspection(levels: usize) -> String {
    (0..levels).fold("{name}".to_owned(), |inner, _| format!("{{fields{{type{inner}}}}}"))
}

#[tokio::test]
async fn are_refused_at_once_over_http() {
    let routes = routes(Shared::new(), TransportOptions::default(), Sockets::default());
    for (name, document) in hostile() {
        let body = json!({ "query": document }).to_string();
        let request = Request::post("/graphql")
            .header("content-type", "application/json")
            .header("accept", "application/graphql-response+json")
            .body(Body::from(body))
            .unwrap();
        let started = Instant::now();
        let response = routes.clone().oneshot(request).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(2), "{name} took {:?}", started.elapsed());
        assert_eq!(response.status(), 400, "{name}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.len() < 2_000, "{name}: {} bytes", body.len());
        let body: Value = serde_json::from_slice(&body).unwrap();
        let code = body["errors"][0]["extensions"]["code"].as_str().unwrap();
        assert!(["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"].contains(&code), "{name}: {body}");
    }
}

#[tokio::test]
async fn are_refused_at_once_over_a_socket() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    let small = bomb("subscription", "Events", 9, 8);
    assert!(small.len() < 1000, "{}", small.len());
    for (name, document) in hostile().into_iter().chain([("a subscription", small)]) {
        let started = Instant::now();
        client.subscribe("1", &document).await;
        let heard = client.hear().await;
        assert!(started.elapsed() < Duration::from_secs(2), "{name} took {:?}", started.elapsed());
        assert_eq!((&heard["type"], &heard["id"]), (&json!("error"), &json!("1")), "{name}: {heard}");
    }
    client.hears_nothing().await;
}

#[tokio::test]
async fn many_errors_are_cut() {
    let fields: String = (0..3_000).fold(String::new(), |mut all, n| {
        write!(all, "x{n} ").unwrap();
        all
    });
    let routes = routes(Shared::new(), TransportOptions::default(), Sockets::default());
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .body(Body::from(json!({ "query": format!("{{{fields}}}") }).to_string()))
        .unwrap();
    let body = routes.oneshot(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["errors"].as_array().unwrap().len(), 50);
}
