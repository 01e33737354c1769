//! From a listening socket to an orderly end.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::graphql::Sockets;

/// Serves until `stopping` is cancelled, then takes no more connections, lets running requests and sockets end, and
/// returns after `grace` at the latest. `sockets` must have been made with the same token.
///
/// # Errors
/// Only if the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    sockets: Sockets,
    stopping: CancellationToken,
    grace: Duration,
) -> io::Result<()> {
    // Otherwise the second small message in a row waits for the acknowledgement of the first, up to 40 ms.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "A connection could not be set to send at once.");
        }
    });
    let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, routes).with_graceful_shutdown(stopping.clone().cancelled_owned());
    let ending = async {
        serving.await?;
        sockets.closed().await;
        Ok(())
    };
    let too_late = async {
        stopping.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        ended = ending => ended,
        () = too_late => {
            tracing::warn!(sockets = sockets.count(), "What did not end in time was cut off.");
            Ok(())
        }
    }
}
