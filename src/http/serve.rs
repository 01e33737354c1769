//! From a listening socket to an orderly end.
//!
//! The loop is ours because axum's own waits for the head of a request as long as it takes, and keeps any number of
//! connections that say nothing.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::graphql::Sockets;

/// Longest head of a request, in bytes; hyper's own bound is 400 KiB a connection.
const MAX_HEAD: usize = 64 * 1024;

/// What the loop does when no connection can be taken, for want of file descriptors.
const RESPITE: Duration = Duration::from_millis(200);

/// How long clients may take, and the server for them.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the head of a request to arrive, and between two on one connection.
    pub head: Duration,
    /// For the body to arrive.
    pub body: Duration,
    /// For a query or mutation to run.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { head: Duration::from_secs(30), body: Duration::from_secs(10), request: Duration::from_secs(30) }
    }
}

/// How connections are treated.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// For the head of a request to arrive, and between two on one connection.
    pub head_timeout: Duration,
    /// Open connections that have not become sockets; one more is closed at once.
    pub max_connections: usize,
    /// For what runs to end at a stop.
    pub grace: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self { head_timeout: Timeouts::default().head, max_connections: 25_000, grace: Duration::from_secs(20) }
    }
}

/// Serves until `stopping` is cancelled, then takes no more connections, lets running requests and sockets end, and
/// returns when the grace is over at the latest. `sockets` must have been made with the same token.
///
/// # Errors
/// None at present: a listener that takes no connection is tried again.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    sockets: Sockets,
    stopping: CancellationToken,
    options: ServeOptions,
) -> io::Result<()> {
    let connections = TaskTracker::new();
    let taking = async {
        loop {
            let (stream, peer) = accept(&listener).await;
            if connections.len() >= options.max_connections {
                metrics::counter!("http_connections_refused_total").increment(1);
                continue;
            }
            let served = connection(stream, peer, routes.clone(), stopping.child_token(), options.head_timeout);
            connections.spawn(served);
        }
    };
    let _none: Option<Infallible> = stopping.run_until_cancelled(taking).await;
    drop(listener);
    connections.close();
    let ended = async {
        connections.wait().await;
        sockets.closed().await;
    };
    if tokio::time::timeout(options.grace, ended).await.is_err() {
        tracing::warn!(sockets = sockets.count(), "What did not end in time was cut off.");
    }
    Ok(())
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The peer was gone before it was its turn.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionRefused
                        | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::error!(%error, "No connection can be taken.");
                tokio::time::sleep(RESPITE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    stopping: CancellationToken,
    head_timeout: Duration,
) {
    // Otherwise the second small message in a row waits for the acknowledgement of the first, up to 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "A connection could not be set to send at once.");
    }
    let answering = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), answering)
        .with_upgrades();
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopping.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "A connection ended badly.");
    }
}
