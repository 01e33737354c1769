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

/// An Int of 32 bits is named by its place also when it is written into the document.
#[tokio::test]
async fn a_number_that_is_too_wide_is_named_wherever_it_stands() {
    let router = routes(Shared::new(), TransportOptions::default(), Sockets::default());
    let ask = async |query: &str, variables: Value| -> Value {
        let request = Request::post("/graphql").header("content-type", "application/json");
        let body = json!({"query": query, "variables": variables}).to_string();
        let answer = router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap()
    };
    for (query, field) in [
        ("{number(n:2147483648)}", json!(["n"])),
        ("{number(n:-2147483649)}", json!(["n"])),
        ("query($n:Int!=3000000000){number(n:$n)}", json!(["n"])),
        ("{deep(input:{n:3000000000})}", json!(["input", "n"])),
        ("{deep(input:{list:[1,3000000000]})}", json!(["input", "list", "1"])),
        ("{deep(input:{list:3000000000})}", json!(["input", "list"])),
        (
            "{deep(input:{more:[{n:1},{more:[{list:[3000000000]}]}]})}",
            json!(["input", "more", "1", "more", "0", "list", "0"]),
        ),
        ("{again{again{number(n:3000000000)}}}", json!(["n"])),
        ("{...A} fragment A on Query{again{...on Query{number(n:3000000000)}}}", json!(["n"])),
    ] {
        let answer = ask(query, json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["field"], field, "{query}: {answer}");
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{query}");
        assert!(error["message"].as_str().unwrap().ends_with("an Int has 32 bits"), "{query}: {error}");
        assert!(error["locations"][0]["column"].as_u64().unwrap() > 1, "{query}: {error}");
    }
    for (query, expected) in [
        ("{number(n:2147483647)}", json!({"number": 2_147_483_647})),
        ("{deep(input:{text:\"3000000000\"})}", json!({"deep": 2})),
        ("{deep(input:{more:[{list:[-2147483648]}]})}", json!({"deep": i32::MIN})),
        ("query($n:Int!=3){number(n:$n) a:deep(input:{n:$n,text:\"3000000000\"})}", json!({"number": 3, "a": 3})),
    ] {
        assert_eq!(ask(query, json!({})).await["data"], expected, "{query}");
    }
}
