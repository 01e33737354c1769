//! Automatic persisted queries, as Apollo's clients speak them.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use horae::http::graphql::{Sockets, TransportOptions};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower::ServiceExt;

use super::schema::Shared;
use super::server::routes;

fn hash(document: &str) -> String {
    hex::encode(Sha256::digest(document))
}

fn extensions(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

async fn send(routes: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = routes.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn post(routes: &Router, body: Value) -> (StatusCode, Value) {
    let request = Request::post("/graphql").header("content-type", "application/json");
    send(routes, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn get(routes: &Router, hash: &str) -> (StatusCode, Value) {
    let extensions: String = extensions(hash).to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
    let request = Request::get(format!("/graphql?extensions={extensions}")).header("apollo-require-preflight", "true");
    send(routes, request.body(Body::empty()).unwrap()).await
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
}

fn fresh() -> Router {
    routes(Shared::new(), TransportOptions::default(), Sockets::default())
}

#[tokio::test]
async fn a_document_is_sent_once_and_then_only_its_hash() {
    let routes = fresh();
    let document = "query Hello { hello }";
    let hash = hash(document);
    let (status, answer) = post(&routes, json!({ "extensions": extensions(&hash) })).await;
    assert_eq!((status, code(&answer)), (StatusCode::OK, "PERSISTED_QUERY_NOT_FOUND"));
    assert_eq!(answer["errors"][0]["message"], "PersistedQueryNotFound", "the words that clients look for");
    let (_, answer) = post(&routes, json!({ "query": document, "extensions": extensions(&hash) })).await;
    assert_eq!(answer["data"]["hello"], "world");
    for (status, answer) in
        [post(&routes, json!({ "query": null, "extensions": extensions(&hash) })).await, get(&routes, &hash).await]
    {
        assert_eq!((status, &answer["data"]["hello"]), (StatusCode::OK, &json!("world")));
    }
}

#[tokio::test]
async fn what_is_kept_is_what_was_hashed_and_within_the_limits() {
    let routes = fresh();
    let wrong = json!({ "query": "{ hello }", "extensions": extensions(&hash("{ number(n: 1) }")) });
    let (status, answer) = post(&routes, wrong).await;
    assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "BAD_REQUEST"));
    for document in ["{ hello", &format!("{}hello{}", "{again".repeat(13), "}".repeat(13))] {
        let hash = hash(document);
        post(&routes, json!({ "query": document, "extensions": extensions(&hash) })).await;
        let (_, answer) = post(&routes, json!({ "extensions": extensions(&hash) })).await;
        assert_eq!(code(&answer), "PERSISTED_QUERY_NOT_FOUND", "{document}");
    }
    for malformed in [
        json!("x"),
        json!({ "version": 2, "sha256Hash": hash("{ hello }") }),
        json!({ "version": 1, "sha256Hash": "abc" }),
        json!({ "version": 1 }),
    ] {
        let (status, answer) = post(&routes, json!({ "extensions": { "persistedQuery": malformed } })).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "BAD_REQUEST"), "{malformed}");
    }
}

#[tokio::test]
async fn a_kept_mutation_is_not_run_by_get() {
    let routes = fresh();
    let document = "mutation { bump }";
    let hash = hash(document);
    post(&routes, json!({ "query": document, "extensions": extensions(&hash) })).await;
    let (status, _) = get(&routes, &hash).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}
