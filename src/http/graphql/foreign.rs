//! What must hold for whatever a client sends to the transport: see [`crate::foreign`].

#![expect(clippy::expect_used, reason = "a property fails by panicking")]

use axum::http::{HeaderMap, HeaderValue, Uri, header};

pub use super::socket::foreign::messages;
use super::{DocumentLimits, limits, negotiate, request};
use crate::{http::RequestId, telemetry::traceparent};

/// Bodies, query strings and the documents in them: refused or measured, in time that the limits bound, and never
/// nested so deeply that the parser runs out of stack.
pub fn documents(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let from_body = request::from_body(data);
    let from_uri = text.parse::<Uri>().map(|uri| request::from_query_string(&uri));
    let as_document = Ok(async_graphql::Request::new(text));
    let requests = [from_body, as_document].into_iter().chain(from_uri);
    for mut request in requests.flatten() {
        let limits = DocumentLimits::default();
        if limits.check(&mut request).is_ok() {
            assert!(limits.check(&mut request).is_ok(), "a document fits once and not twice");
            let _ = limits::operation_type(&mut request);
        }
    }
}

/// Headers: media types, request ids, trace parents.
pub fn headers(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, value.clone());
    headers.insert(header::CONTENT_TYPE, value.clone());
    let _ = negotiate::negotiate(&headers);
    if request::check_content_type(&headers).is_ok() {
        let text = value.to_str().expect("a type that was taken is text").trim().to_ascii_lowercase();
        assert!(text.starts_with("application/json"), "{text}");
    }
    let Ok(text) = value.to_str() else { return };
    if let Some(id) = RequestId::parse(text) {
        assert!(id.as_str() == text && !text.contains(['\n', '"', ' ', '<']), "{text:?}");
    }
    if let Some(parent) = traceparent::parse(text) {
        let (trace, span) = (parent.trace_id().to_string(), parent.span_id().to_string());
        assert!(parent.is_valid() && text.contains(&trace) && text.contains(&span), "{text}");
        assert!(parent.trace_state().header().is_empty(), "{text}");
    }
}
