//! The id that a request keeps through logs, errors, audit entries and the answer.

use std::fmt;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use uuid::Uuid;

/// The header that carries the id in and out.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id taken from outside: it ends up in every log line.
const MAX_LENGTH: usize = 64;

/// Identifies one request; in the extensions of the HTTP request and in the data of the GraphQL request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// A new id that sorts by time.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "correlates logs and decides nothing, so no test needs to repeat it")]
    pub fn generate() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    /// Takes over the id of a client or proxy if it is 1 to 64 letters, digits and hyphens: anything else could forge
    /// lines in a log.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let sane = (1..=MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        sane.then(|| Self(text.into()))
    }

    /// The same id for the schema, which knows nothing of HTTP.
    #[must_use]
    pub fn of_operation(&self) -> crate::schema::request::RequestId {
        crate::schema::request::RequestId(Arc::clone(&self.0))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Middleware: takes the id from `X-Request-Id` or makes one, and returns it in the same header.
pub async fn assign_request_id(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(&HEADER).and_then(|value| RequestId::parse(value.to_str().ok()?));
    let id = given.unwrap_or_else(RequestId::generate);
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, value);
    }
    response.extensions_mut().insert(id);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_ids_that_are_safe_in_a_log() {
        for good in ["a", "0190-abc-DEF", &"x".repeat(64)] {
            assert!(RequestId::parse(good).is_some(), "{good}");
        }
        for bad in ["", "a b", "a\nb", "a_b", "ñ", &"x".repeat(65)] {
            assert!(RequestId::parse(bad).is_none(), "{bad}");
        }
    }
}
