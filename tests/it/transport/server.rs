//! The transport on a real socket.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use horae::http::graphql::{self, Sockets, TransportOptions};
use horae::http::{ServeOptions, assign_request_id, log_access, serve};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::schema::{Shared, TestGate, schema};

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) shared: Shared,
    pub(super) sockets: Sockets,
    pub(super) stopping: CancellationToken,
    pub(super) serving: JoinHandle<std::io::Result<()>>,
}

/// The routes as a server mounts them.
pub(super) fn routes(shared: Shared, options: TransportOptions, sockets: Sockets) -> Router {
    graphql::router(schema(shared.clone()), TestGate(shared), options, sockets)
        .layer(from_fn(log_access))
        .layer(from_fn(assign_request_id))
}

/// Time limits short enough to wait for, where a test waits for them.
pub(super) fn options() -> TransportOptions {
    let mut options = TransportOptions::default();
    options.socket.close_timeout = Duration::from_millis(500);
    options
}

fn serving_options() -> ServeOptions {
    ServeOptions { grace: Duration::from_secs(5), ..ServeOptions::default() }
}

pub(super) async fn start() -> Server {
    start_with(options()).await
}

pub(super) async fn start_with(options: TransportOptions) -> Server {
    let shared = Shared::new();
    let stopping = CancellationToken::new();
    let sockets = Sockets::new(stopping.clone());
    let routes = routes(shared.clone(), options, sockets.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = serve(listener, routes, sockets.clone(), stopping.clone(), serving_options());
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    let serving = tokio::spawn(serving);
    Server { address, shared, sockets, stopping, serving }
}

impl Server {
    pub(super) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/graphql", self.address)
    }
}
