//! How often one address may try the links of mails: whoever guesses tokens is slowed down before any is looked up.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::ClientAddress;
use crate::domain::limit::{Bucket, Limiter, Rates, Taken};

/// Counts tries by address.
#[derive(Clone)]
pub struct Tries {
    limiter: Arc<dyn Limiter>,
    per_minute: u32,
}

impl Tries {
    /// Kept there, at the rate of one address.
    #[must_use]
    pub fn new(limiter: Arc<dyn Limiter>, rates: Rates) -> Self {
        Self { limiter, per_minute: rates.attempts_per_address }
    }
}

/// Middleware: refuses who tries too often, whether what was tried exists or not.
pub async fn limit_tries(State(tries): State<Tries>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ClientAddress>().map(|ClientAddress(ip)| ip.to_string());
    let key = format!("{{attempts}}:link:address:{}", address.as_deref().unwrap_or("unknown"));
    let bucket = Bucket { key, capacity: tries.per_minute, per_minute: tries.per_minute };
    match tries.limiter.take(1, &[bucket]).await {
        Taken::Granted { .. } => next.run(request).await,
        Taken::Refused { wait, .. } => {
            metrics::counter!("horae_limited_total", "limit" => "attempts").increment(1);
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let retry_after = [(header::RETRY_AFTER, HeaderValue::from(seconds))];
            (StatusCode::TOO_MANY_REQUESTS, retry_after, "Demasiados intentos. Too many tries.").into_response()
        }
    }
}
