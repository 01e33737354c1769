//! `/e/{word}.ics`: one appointment as a calendar file. The word is the only credential; reading does not use it up.

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{RequestId, appointment_page, form_page::asked_language};
use crate::domain::{
    booking::calendar_file::{self, CalendarFile},
    cx::Cx,
};

/// Writes an appointment as iCalendar text; what it fails with is for the log.
pub type WriteAppointment = Arc<dyn Fn(&CalendarFile) -> Result<String, String> + Send + Sync>;

#[derive(Clone)]
struct Files {
    cx: Cx,
    write: WriteAppointment,
}

/// The route `/e/{word}.ics`.
pub fn calendar_file(cx: Cx, write: WriteAppointment) -> Router {
    Router::new().route("/e/{file}", get(show)).with_state(Files { cx, write })
}

async fn show(
    State(files): State<Files>,
    Extension(request): Extension<RequestId>,
    Path(file): Path<String>,
    headers: HeaderMap,
) -> Response {
    let asked = asked_language(&headers);
    let Some(word) = file.strip_suffix(".ics") else { return appointment_page::unknown(asked) };
    let found = match calendar_file::run(&files.cx, word, request.as_str()).await {
        Ok(Some(found)) => found,
        Ok(None) => return appointment_page::unknown(asked),
        Err(failure) => return appointment_page::broken(&failure, asked),
    };
    let name = format!("attachment; filename=\"{}.ics\"", found.content.code);
    match (files.write)(&found) {
        Ok(text) => {
            let headers = [
                (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
                (header::CONTENT_DISPOSITION, name.as_str()),
                (header::CACHE_CONTROL, "private, no-store"),
                (header::REFERRER_POLICY, "no-referrer"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, text).into_response()
        }
        Err(error) => {
            tracing::error!(error, "A calendar file could not be written");
            appointment_page::sorry(asked)
        }
    }
}
