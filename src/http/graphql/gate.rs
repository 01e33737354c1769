//! The seam between transport and authentication.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Data;
use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio_util::sync::CancellationToken;

use super::code;

/// Decides who calls. It is the only thing that the transport knows of identity.
///
/// A request without credentials is the gate's to judge too: it may admit it as nobody.
pub trait Gate: Clone + Send + Sync + 'static {
    /// Judges one HTTP request by its head.
    fn admit(&self, parts: &Parts) -> impl Future<Output = Result<Admission, Refusal>> + Send;

    /// Judges one socket by the head of its upgrade request and the payload of `connection_init`, which is null if
    /// the client sent none. Called once per socket.
    fn admit_socket(
        &self,
        parts: &Parts,
        payload: serde_json::Value,
    ) -> impl Future<Output = Result<Admission, Refusal>> + Send;
}

/// Whose share of the server's room a caller takes.
#[derive(Debug, Clone)]
pub struct Party {
    /// The tenant; no two have the same.
    pub tenant: Arc<str>,
    /// The caller; no two callers have the same, of whatever tenant.
    pub actor: Arc<str>,
}

/// What the gate found out about an admitted caller.
#[derive(Debug, Default)]
pub struct Admission {
    /// Who it is, as far as room is concerned; none: nobody in particular.
    pub party: Option<Party>,
    /// Seen by every resolver: of the request, or of all operations of the socket.
    pub data: Data,
    /// How long the credentials stay valid from now on. A socket is closed with 4403 when this has passed.
    pub expires_in: Option<Duration>,
    /// Cancelled when the credentials are revoked, which closes the socket with 4403.
    pub ended: Option<CancellationToken>,
}

/// Why a caller is not admitted.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// 401, 403, 429 or 503 over HTTP. A socket is closed with 4403 for the first two and 1013 for the others.
    pub status: StatusCode,
    /// `extensions.code` of the error.
    pub code: &'static str,
    /// For the client's developer; must not say whether an account exists.
    pub message: String,
    /// When it may be worth trying again; becomes `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// The caller is not known: no credentials, or none that are valid.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code::UNAUTHENTICATED, message)
    }

    /// The caller is known and may not come in.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code::FORBIDDEN, message)
    }

    /// The caller has come too often.
    pub fn rate_limited(message: impl Into<String>, retry_after: Duration) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, code::RATE_LIMITED, message);
        Self { retry_after: Some(retry_after), ..refusal }
    }

    /// The gate cannot tell at the moment.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE, message)
    }

    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }
}
