//! `/c/{token}.ics`: an agenda for calendars to subscribe to. The token is the only credential.

use axum::{
    Extension, Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::RequestId;
use crate::domain::{
    agenda::feed::{self, Feed},
    cx::Cx,
    refusal::{Code, Failure},
};

/// Seconds after which somebody turned away by maintenance may ask again.
const RETRY_AFTER: &str = "300";

/// Writes a calendar as iCalendar text.
pub type WriteCalendar = fn(&Feed) -> String;

#[derive(Clone)]
struct Calendars {
    cx: Cx,
    write: WriteCalendar,
}

/// The route `/c/{token}.ics`.
pub fn calendar_feed(cx: Cx, write: WriteCalendar) -> Router {
    Router::new().route("/c/{file}", get(show)).with_state(Calendars { cx, write })
}

async fn show(
    State(calendars): State<Calendars>,
    Extension(request): Extension<RequestId>,
    Path(file): Path<String>,
) -> Response {
    let Some(token) = file.strip_suffix(".ics") else { return StatusCode::NOT_FOUND.into_response() };
    match feed::run(&calendars.cx, token, request.as_str()).await {
        Ok(feed) => {
            let headers = [
                (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
                (header::CACHE_CONTROL, "private, no-store"),
                (header::REFERRER_POLICY, "no-referrer"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, (calendars.write)(&feed)).into_response()
        }
        Err(failure) => refused(&failure),
    }
}

fn refused(failure: &Failure) -> Response {
    let code = match failure {
        Failure::Refused(refusals) => refusals.first().map(|refusal| refusal.code),
        Failure::Fault(fault) => {
            tracing::error!(error = ?fault, "A calendar could not be served");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    match code {
        // Calendars stop asking for what is gone.
        Some(Code::TokenUsed | Code::Expired) => StatusCode::GONE.into_response(),
        Some(Code::TenantInMaintenance) => {
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, RETRY_AFTER)]).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
