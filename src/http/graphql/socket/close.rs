//! Why a socket is closed, and what the peer is told.
//!
//! | code | when |
//! |---|---|
//! | 1001 | the server stops, or the peer answered no ping |
//! | 1002, 1007, 1009 | the peer broke WebSocket itself: framing, text that is not UTF-8, a message too long |
//! | 1013 | the gate says "not now": too many attempts, or it cannot tell; too many sockets of the caller or its tenant |
//! | 4400 | a message that the protocol does not know or allow |
//! | 4401 | `subscribe` before `connection_ack` |
//! | 4403 | the gate refused the caller; the token expired; the session was revoked |
//! | 4406 | the sub-protocol was not offered |
//! | 4408 | no accepted `connection_init` in time |
//! | 4409 | `subscribe` with an id that is in use |
//! | 4429 | a second `connection_init` |
//!
//! Expiry is 4403 and not 4401 because clients take 4401 for a mistake in their own code and give up, while after 4403
//! they connect again with a new token.

use axum::extract::ws::{CloseFrame, Utf8Bytes};
use axum::http::StatusCode;

use crate::http::graphql::gate::Refusal;

/// A control frame holds 125 bytes, two of which are the code. The WebSocket library does not check.
const MAX_REASON: usize = 123;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) code: u16,
    reason: Utf8Bytes,
}

impl Closing {
    pub(super) const GOING_AWAY: Self = Self::fixed(1001, "Server is shutting down");
    pub(super) const NO_ANSWER: Self = Self::fixed(1001, "No answer to ping");
    pub(super) const PROTOCOL: Self = Self::fixed(1002, "WebSocket protocol error");
    pub(super) const NOT_UTF8: Self = Self::fixed(1007, "Text is not UTF-8");
    pub(super) const TOO_BIG: Self = Self::fixed(1009, "Message too big");
    pub(super) const UNAUTHORIZED: Self = Self::fixed(4401, "Unauthorized");
    pub(super) const EXPIRED: Self = Self::fixed(4403, "Token expired");
    pub(super) const REVOKED: Self = Self::fixed(4403, "Session ended");
    pub(super) const TOO_MANY_SOCKETS: Self = Self::fixed(1013, "Too many sockets of yours or your centre are open");
    pub(super) const TOO_MANY_NOBODYS: Self = Self::fixed(1013, "Too many sockets that have not logged in are open");
    pub(super) const SUBPROTOCOL: Self = Self::fixed(4406, "Subprotocol not acceptable");
    pub(super) const INIT_TIMEOUT: Self = Self::fixed(4408, "Connection initialisation timeout");
    pub(super) const TOO_MANY_INITS: Self = Self::fixed(4429, "Too many initialisation requests");

    const fn fixed(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Utf8Bytes::from_static(reason) }
    }

    fn new(code: u16, reason: &str) -> Self {
        let reason = reason.get(..reason.floor_char_boundary(MAX_REASON)).unwrap_or_default();
        Self { code, reason: reason.into() }
    }

    pub(super) fn bad_request(reason: &str) -> Self {
        Self::new(4400, reason)
    }

    pub(super) fn id_in_use(id: &str) -> Self {
        Self::new(4409, &format!("Subscriber for {id} already exists"))
    }

    pub(super) fn refused(refusal: &Refusal) -> Self {
        match refusal.status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Self::new(1013, &refusal.message),
            _ => Self::new(4403, &refusal.message),
        }
    }

    /// What to say after a failed read; nothing if the connection itself is gone.
    pub(super) fn after(error: axum::Error) -> Option<Self> {
        use tungstenite::Error;
        use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;

        match error.into_inner().downcast_ref::<Error>() {
            Some(Error::Capacity(_)) => Some(Self::TOO_BIG),
            Some(Error::Utf8(_)) => Some(Self::NOT_UTF8),
            Some(Error::Protocol(ResetWithoutClosingHandshake)) => None,
            Some(Error::Protocol(_) | Error::AttackAttempt) => Some(Self::PROTOCOL),
            _ => None,
        }
    }

    pub(super) fn frame(&self) -> CloseFrame {
        CloseFrame { code: self.code, reason: self.reason.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_reasons_between_characters() {
        let closing = Closing::bad_request(&"ñ".repeat(100));
        assert_eq!(closing.reason.as_str(), "ñ".repeat(61));
        assert_eq!(Closing::id_in_use(&"x".repeat(300)).reason.len(), MAX_REASON);
        assert_eq!(Closing::bad_request("short").reason.as_str(), "short");
    }
}
