//! Takes the bytes of an announced file.

use std::time::Duration;

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use super::{RETRY_SOON, Transfers, refused, say};
use crate::{
    domain::files::receive::{self, Cut, Head, NotReceived},
    http::RequestId,
};

pub(super) async fn take(
    State(transfers): State<Transfers>,
    Extension(request): Extension<RequestId>,
    Path(word): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return say(StatusCode::UNSUPPORTED_MEDIA_TYPE, "INVALID", "send the file as it is, without Content-Encoding");
    }
    let Ok(place) = transfers.uploads.clone().try_acquire_owned() else {
        let busy =
            say(StatusCode::SERVICE_UNAVAILABLE, "SERVICE_UNAVAILABLE", "too many uploads at the moment; try again");
        return ([(header::RETRY_AFTER, RETRY_SOON)], busy).into_response();
    };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let head = Head {
        length: text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok()),
        mime: text(header::CONTENT_TYPE).map(str::to_owned),
    };
    let cx = transfers.cx;
    let total = Duration::from_secs(cx.file_rules.upload_seconds.unsigned_abs().into());
    let bytes = timed(body, transfers.stall, total);
    // A task of its own: when the client goes away, what runs for the connection is dropped where it stands, and
    // nobody would give the ticket back.
    let received = transfers.tasks.spawn(
        async move {
            let _place = place;
            receive::run(&cx, &word, request.as_str(), head, bytes).await
        }
        .in_current_span(),
    );
    match received.await {
        Ok(Ok(())) => (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "private, no-store")]).into_response(),
        Ok(Err(NotReceived::Cut(Cut::Late))) => {
            say(StatusCode::REQUEST_TIMEOUT, "INVALID", "the file took too long to arrive; send it again")
        }
        Ok(Err(NotReceived::Cut(Cut::Broken))) => {
            say(StatusCode::BAD_REQUEST, "INVALID", "the file did not arrive whole; send it again")
        }
        Ok(Err(NotReceived::Failed(failure))) => refused(&failure),
        Err(error) => {
            tracing::error!(%error, "An upload broke off inside the server");
            say(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "something went wrong on our side")
        }
    }
}

/// The bytes of a body, as long as they come fast enough.
fn timed(body: Body, stall: Duration, total: Duration) -> impl Stream<Item = Result<Bytes, Cut>> + Send {
    let deadline = Instant::now() + total;
    stream::unfold(Some(body.into_data_stream()), move |body| async move {
        let mut body = body?;
        let patience = stall.min(deadline.saturating_duration_since(Instant::now()));
        match timeout(patience, body.next()).await {
            Err(_late) => Some((Err(Cut::Late), None)),
            Ok(None) => None,
            Ok(Some(Err(_broken))) => Some((Err(Cut::Broken), None)),
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some(body))),
        }
    })
}
