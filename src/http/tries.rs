//! How often one address may try the links of mails and the keys of programs and pages: whoever guesses is slowed down
//! before anything is looked up.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::ClientAddress;
use crate::auth::alarm;
use crate::domain::limit::{Bucket, Limiter, Rates, Taken, counted_address};

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

    /// The same for words of files: a page of small pictures is a hundred of them at once, and each is good.
    #[must_use]
    pub fn of_files(limiter: Arc<dyn Limiter>, rates: Rates) -> Self {
        const WIDER: u32 = 20;
        Self { limiter, per_minute: rates.attempts_per_address.saturating_mul(WIDER) }
    }

    /// One more try of this kind.
    ///
    /// # Errors
    /// How long to wait, when there were too many from this address.
    pub async fn take(&self, kind: &str, address: Option<IpAddr>) -> Result<(), Duration> {
        let key = format!("{{attempts}}:{kind}:address:{}", counted_address(address));
        let bucket = Bucket { key, capacity: self.per_minute, per_minute: self.per_minute };
        match self.limiter.take(1, &[bucket]).await {
            Taken::Granted { .. } => Ok(()),
            Taken::Refused { wait, .. } => {
                alarm::limited("attempts");
                Err(wait)
            }
        }
    }
}

/// Middleware: refuses who tries too often, whether what was tried exists or not.
pub async fn limit_tries(State(tries): State<Tries>, request: Request, next: Next) -> Response {
    limit(&tries, "link", request, next).await
}

/// The same for the words of files.
pub async fn limit_file_tries(State(tries): State<Tries>, request: Request, next: Next) -> Response {
    limit(&tries, "file", request, next).await
}

async fn limit(tries: &Tries, kind: &str, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ClientAddress>().map(|ClientAddress(ip)| *ip);
    match tries.take(kind, address).await {
        Ok(()) => next.run(request).await,
        Err(wait) => {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let retry_after = [(header::RETRY_AFTER, HeaderValue::from(seconds))];
            (StatusCode::TOO_MANY_REQUESTS, retry_after, "Demasiados intentos. Too many tries.").into_response()
        }
    }
}
