//! A collector: takes OTLP over HTTP as protobuf and keeps every span.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value,
    trace::v1::{ResourceSpans, Span},
};
use prost::Message;
use tokio::net::TcpListener;

#[derive(Clone)]
pub struct Collector {
    pub address: SocketAddr,
    taken: Arc<Mutex<Vec<ResourceSpans>>>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self { address: listener.local_addr().unwrap(), taken: Arc::default() };
        let routes = Router::new().route("/v1/traces", post(take)).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        collector
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every span, of whatever resource and scope.
    pub fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap();
        taken.iter().flat_map(|one| &one.scope_spans).flat_map(|one| one.spans.clone()).collect()
    }

    /// Everything that arrived, as text.
    pub fn text(&self) -> String {
        format!("{:?}", self.taken.lock().unwrap())
    }

    /// The name under which the process calls itself.
    pub fn service(&self) -> Option<String> {
        let taken = self.taken.lock().unwrap();
        let attributes = &taken.first()?.resource.as_ref()?.attributes;
        let found = attributes.iter().find(|one| one.key == "service.name")?.value.clone()?.value?;
        match found {
            any_value::Value::StringValue(text) => Some(text),
            _ => None,
        }
    }
}

async fn take(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> (StatusCode, Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    collector.taken.lock().unwrap().extend(request.resource_spans);
    (StatusCode::OK, Bytes::new())
}

/// A span's attribute as text.
pub fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|one| one.key == key)?.value.clone()?.value?;
    Some(match value {
        any_value::Value::StringValue(text) => text,
        any_value::Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}
