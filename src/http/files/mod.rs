//! `/f/{word}`: the bytes of files. PUT takes those of an announced one, GET gives one to who has a link, HEAD tells of it.
//! The word is the only credential, and good once.

mod download;
mod upload;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::{
    domain::{
        cx::Cx,
        refusal::{Code, Failure},
    },
    schema::error::ErrorCode,
};

/// Seconds after which somebody turned away for want of room, or by maintenance, may ask again.
const RETRY_SOON: &str = "5";
const RETRY_LATER: &str = "300";

/// Uploads at once in one process: each may hold a part of some megabytes.
const UPLOADS_AT_ONCE: usize = 32;

#[derive(Clone)]
struct Transfers {
    cx: Cx,
    /// An upload ends in order even when its client has gone.
    tasks: TaskTracker,
    /// Longest time without a byte.
    stall: Duration,
    uploads: Arc<Semaphore>,
}

/// The route `/f/{word}`.
pub fn files(cx: Cx, tasks: TaskTracker, stall: Duration) -> Router {
    let transfers = Transfers { cx, tasks, stall, uploads: Arc::new(Semaphore::new(UPLOADS_AT_ONCE)) };
    Router::new().route("/f/{word}", get(download::give).head(download::tell).put(upload::take)).with_state(transfers)
}

/// What a program is told that was refused, with the words of the API.
fn refused(failure: &Failure) -> Response {
    let Failure::Refused(refusals) = failure else {
        tracing::error!(error = ?failure, "A file could not be transferred");
        return say(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "something went wrong on our side");
    };
    let Some(refusal) = refusals.first() else { return StatusCode::NOT_FOUND.into_response() };
    let status = match refusal.code {
        Code::TokenUsed | Code::Expired => StatusCode::GONE,
        Code::FileTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::FileTypeNotAllowed => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Code::TenantInMaintenance => StatusCode::SERVICE_UNAVAILABLE,
        // Of a closed centre no more is told than of a word that never was.
        _ => return say(StatusCode::NOT_FOUND, "TOKEN_INVALID", "this link is not valid"),
    };
    let response = say(status, &ErrorCode::from(refusal.code).word(), &refusal.message);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return ([(header::RETRY_AFTER, RETRY_LATER)], response).into_response();
    }
    response
}

fn say(status: StatusCode, code: &str, message: &str) -> Response {
    let body = Json(serde_json::json!({ "code": code, "message": message }));
    (status, [(header::CACHE_CONTROL, "private, no-store")], body).into_response()
}
