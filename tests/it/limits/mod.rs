//! What protects the service and its centres from each other: costs, rates, tries, room.

mod abuse;
mod attempts;
mod cost;
mod headers;
mod rates;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::app::{Client, TestApp};

/// Lets a test say from which address it asks.
pub const BELIEVE: (&str, &str) = ("HORAE_TRUSTED_PROXIES", "0.0.0.0/32");

/// One client at one address.
#[derive(Clone)]
pub struct Caller {
    router: Router,
    token: Option<String>,
    address: String,
}

/// An answer with its head.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default()
    }

    /// Refused for now, and told until when in both places.
    #[track_caller]
    pub fn is_too_often(&self) -> u64 {
        assert_eq!((self.status, self.code()), (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED"), "{:#}", self.body);
        let seconds = self.body["errors"][0]["extensions"]["retryAfter"].as_u64().unwrap();
        assert_eq!(self.headers[header::RETRY_AFTER], seconds.to_string());
        assert!(self.body.get("data").is_none());
        assert!(self.body["extensions"]["requestId"].is_string());
        seconds
    }
}

impl Caller {
    pub fn new(app: &TestApp, client: &Client, address: &str) -> Self {
        Self { router: app.router.clone(), token: client.token.clone(), address: address.to_owned() }
    }

    pub async fn ask(&self, query: &str, variables: Value) -> Answer {
        self.ask_for("application/json", query, variables).await
    }

    pub async fn ask_for(&self, accept: &str, query: &str, variables: Value) -> Answer {
        let mut request = Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, accept)
            .header("x-forwarded-for", &self.address);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = json!({"query": query, "variables": variables}).to_string();
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body }
    }
}
