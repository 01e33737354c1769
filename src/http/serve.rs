//! From a listening socket to an orderly end.
//!
//! The loop is ours because axum's own waits for the head of a request as long as it takes, holds an answer as long as
//! nobody reads it, and keeps any number of connections, all of them one client's if need be.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::TrustedProxies;
use super::graphql::Sockets;
use super::tally::{Place, Tally};
use crate::domain::limit::counted_address;

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
    /// For some bytes of what a client is sent to be taken by it.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            body: Duration::from_secs(10),
            request: Duration::from_secs(30),
            write: Duration::from_secs(30),
        }
    }
}

/// How connections are treated.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// For the head of a request to arrive, and between two on one connection.
    pub head_timeout: Duration,
    /// Longest time in which the peer takes no byte of what it is sent; then the connection is cut, a socket's too.
    pub write_timeout: Duration,
    /// Open connections that have not become sockets; one more is closed at once.
    pub max_connections: usize,
    /// … of one address. A proxy that is trusted has as many as there are: they are those of everybody behind it.
    pub max_connections_per_address: usize,
    /// The proxies before the server.
    pub trusted_proxies: TrustedProxies,
    /// For what runs to end at a stop.
    pub grace: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        let Timeouts { head, write, .. } = Timeouts::default();
        Self {
            head_timeout: head,
            write_timeout: write,
            max_connections: 25_000,
            max_connections_per_address: 2_500,
            trusted_proxies: TrustedProxies::default(),
            grace: Duration::from_secs(20),
        }
    }
}

impl ServeOptions {
    /// A place for a connection from there, if one is left among those that are open and those of its address.
    fn place(&self, open: usize, addresses: &Tally, peer: SocketAddr) -> Option<Place> {
        let most = if self.trusted_proxies.contains(peer.ip()) { usize::MAX } else { self.max_connections_per_address };
        if open < self.max_connections { addresses.take(&counted_address(Some(peer.ip())).into(), most) } else { None }
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
    let options = Arc::new(options);
    let connections = TaskTracker::new();
    let addresses = Tally::default();
    let taking = async {
        loop {
            let (stream, peer) = accept(&listener).await;
            let Some(place) = options.place(connections.len(), &addresses, peer) else {
                metrics::counter!("http_connections_refused_total").increment(1);
                continue;
            };
            let served = connection(stream, peer, routes.clone(), stopping.child_token(), Arc::clone(&options));
            connections.spawn(async move {
                let _place = place;
                served.await;
            });
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
    options: Arc<ServeOptions>,
) {
    // Otherwise the second small message in a row waits for the acknowledgement of the first, up to 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "A connection could not be set to send at once.");
    }
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(options.write_timeout));
    let answering = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        routes.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(options.head_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(Box::pin(stream)), answering)
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
