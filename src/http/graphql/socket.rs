//! GraphQL over WebSocket: the `graphql-transport-ws` sub-protocol and no other.
//!
//! Each socket is one task ([`session`]) that runs its operations itself, so that a quiet socket costs little memory
//! and a slow reader slows nobody but itself: while a frame is being written, each operation goes on as far as its next
//! result and no further. Close codes are in [`close`].
//!
//! Where events come from, and what happens to those that a slow reader missed, is the schema's matter.

mod close;
#[cfg(any(test, fuzzing))]
pub mod foreign;
mod frame;
mod message;
mod operation;
mod places;
mod session;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::Executor;
use axum::extract::WebSocketUpgrade;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::session::Session;

pub use self::places::SocketPlaces;
use super::gate::{Gate, Refusal};
use super::negotiate::Media;
use super::{Transport, code, respond};
use crate::auth::alarm;
use crate::domain::limit::counted_address;
use crate::http::tally::Tally;
use crate::http::{ClientAddress, RequestId};

/// The sub-protocol's name. Its predecessor, `graphql-ws`, is not spoken.
const PROTOCOL: &str = "graphql-transport-ws";

/// Allocated for each socket and kept: the default of 128 KiB would be most of the memory of a quiet one. Longer messages
/// are read in several steps.
const READ_BUFFER: usize = 512;

/// What a socket may do.
#[derive(Debug, Clone)]
pub struct SocketOptions {
    /// Longest time from the upgrade to an accepted `connection_init`; then 4408.
    pub init_timeout: Duration,
    /// Time between pings of the server. A peer that sent nothing at all between two of them is taken for dead.
    pub ping_interval: Duration,
    /// Longest time for one frame to be taken by the peer; then the socket is dropped.
    pub write_timeout: Duration,
    /// Longest time to wait for the peer's half of the closing handshake.
    pub close_timeout: Duration,
    /// When the server stops, longest time to let running queries and mutations of a socket finish before 1001.
    pub drain_timeout: Duration,
    /// Longest message of the client, in bytes; then 1009.
    pub max_message: usize,
    /// Operations that may run on one socket at once; one more is answered with an `error`.
    pub max_operations: usize,
    /// How many sockets and subscriptions there may be.
    pub places: SocketPlaces,
    /// Values of `Origin` that may connect besides the server's own; others get 403. Browsers always send it, other
    /// clients need not, and without it a socket is not refused. `None` allows all.
    pub allowed_origins: Option<Vec<String>>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            init_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            write_timeout: Duration::from_secs(30),
            close_timeout: Duration::from_secs(2),
            drain_timeout: Duration::from_secs(5),
            max_message: 256 * 1024,
            max_operations: 50,
            places: SocketPlaces::default(),
            allowed_origins: None,
        }
    }
}

/// The open sockets of a node.
#[derive(Debug, Clone, Default)]
pub struct Sockets {
    open: TaskTracker,
    stopping: CancellationToken,
    /// Who has how many sockets …
    taken: Tally,
    /// … and subscriptions.
    subscriptions: Tally,
}

impl Sockets {
    /// Sockets that are told to go away (1001) when `stopping` is cancelled.
    #[must_use]
    pub fn new(stopping: CancellationToken) -> Self {
        Self { stopping, ..Self::default() }
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// Waits until all are closed. Cancel the token first: the HTTP server does not wait for sockets.
    pub async fn closed(&self) {
        self.open.close();
        self.open.wait().await;
    }
}

/// Answers the upgrade request and starts the session.
pub(super) fn accept<E: Executor, G: Gate>(
    transport: Arc<Transport<E, G>>,
    upgrade: WebSocketUpgrade,
    parts: Parts,
    request_id: &RequestId,
) -> Response {
    let options = &transport.options.socket;
    let refuse =
        |status, code, message: &str| respond::refused(status, Media::Json, code::error(code, message), request_id);
    if !origin_allowed(&parts, options) {
        return refuse(StatusCode::FORBIDDEN, code::FORBIDDEN, "This origin may not connect.");
    }
    let full = transport.sockets.count() >= options.places.node;
    if full {
        alarm::limited("sockets");
    }
    if full || transport.sockets.stopping.is_cancelled() {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE, "No more sockets here at the moment.");
    }
    // Until it is known who it is, the address answers for the socket.
    let address = parts.extensions.get::<ClientAddress>().map(|ClientAddress(ip)| *ip);
    let address: Arc<str> = format!("address:{}", counted_address(address)).into();
    let Some(place) = transport.sockets.taken.take(&address, options.places.address) else {
        alarm::limited("sockets");
        let message = "Too many sockets of this address are waiting to be initialised.";
        let refusal = Refusal::rate_limited(message, options.init_timeout);
        return respond::not_admitted(Media::Json, refusal, request_id);
    };
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(options.max_message)
        .max_frame_size(options.max_message)
        .protocols([PROTOCOL]);
    // Taken now and not when the upgrade is through, or many at once would pass the bound.
    let open = transport.sockets.open.token();
    let request_id = request_id.clone();
    // In boxes, and made before the task goes on, because a task has room for each move of what it holds.
    let parts = Box::new(parts);
    upgrade.on_upgrade(move |socket| {
        let mut session = Box::new(Session::new(transport, socket, parts, request_id, place));
        async move {
            let _open = open;
            session.run().await;
        }
    })
}

fn origin_allowed(parts: &Parts, options: &SocketOptions) -> bool {
    let (Some(allowed), Some(origin)) = (&options.allowed_origins, parts.headers.get(header::ORIGIN)) else {
        return true;
    };
    let is_listed = allowed.iter().any(|candidate| candidate.as_bytes().eq_ignore_ascii_case(origin.as_bytes()));
    is_listed || is_own(origin, parts.headers.get(header::HOST))
}

/// Whether a page of this very server asks: its origin is a scheme and the host that was asked.
fn is_own(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let (Ok(origin), Some(Ok(host))) = (origin.to_str(), host.map(HeaderValue::to_str)) else { return false };
    origin.split_once("://").is_some_and(|(_, place)| !place.is_empty() && place.eq_ignore_ascii_case(host))
}
