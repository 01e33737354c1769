//! What every answer tells browsers not to do. A route that needs more of something has set it itself.

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

/// Nothing may be loaded or run, nobody may frame it: right for JSON, errors and redirects.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is the same for all answers.
#[derive(Clone, Debug)]
pub struct SecurityHeaders {
    hsts: Option<HeaderValue>,
}

impl SecurityHeaders {
    /// `hsts`: for how long https alone may be used, told only if that is how the server is reached.
    #[must_use]
    pub fn new(public_url: &str, hsts: Duration) -> Self {
        let told = public_url.starts_with("https://") && !hsts.is_zero();
        let value = format!("max-age={}; includeSubDomains", hsts.as_secs());
        Self { hsts: told.then(|| HeaderValue::from_str(&value).ok()).flatten() }
    }
}

/// Middleware: adds what the answer does not have yet.
pub async fn add_security_headers(State(own): State<SecurityHeaders>, request: Request, next: Next) -> Response {
    const USUAL: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ];
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in USUAL {
        headers.entry(name).or_insert(value);
    }
    if let Some(value) = own.hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    response
}
