//! `/a/{token}`: the page behind the links of mails, for patients without JavaScript, an account or patience.
//!
//! GET only shows, because mail scanners follow links; POST does the one thing the link is for. The token in the path
//! is the whole right to do it, so it must not leak: no referrer, no cache, no index, nothing loaded from anywhere, and
//! not a word of it in the log. What may be done, and when, is the domain's business.

mod view;
mod wording;

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Extension, Path, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

use super::{
    RequestId,
    form_page::{self, RETRY_AFTER, asked_language, is_from_here},
};
use crate::domain::{
    booking::{
        link_view::{self, LinkView, Purpose, Standing},
        patient_link::{self, Wish},
    },
    cx::Cx,
    refusal::{Code, Failure, Fault},
    time::prose::Locale,
};
use view::{Outcome, Page};

/// Longest form: a reason of the longest kind, every character of it escaped.
const MAX_BODY: usize = 64 * 1024;

/// What the form sends.
#[derive(Default, Deserialize)]
struct Sent {
    #[serde(default)]
    reason: String,
}

/// The route `/a/{token}`.
pub fn appointment_page(cx: Cx) -> Router {
    Router::new().route("/a/{token}", get(show).post(act)).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(cx)
}

async fn show(
    State(cx): State<Cx>,
    Extension(request): Extension<RequestId>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let asked = asked_language(&headers);
    match link_view::run(&cx, &token, request.as_str()).await {
        Ok(Some(view)) => answer(StatusCode::OK, &Page::of_link(&view, Outcome::None, asked)),
        Ok(None) => unknown(asked),
        Err(failure) => broken(&failure, asked),
    }
}

async fn act(
    State(cx): State<Cx>,
    Extension(request): Extension<RequestId>,
    Path(token): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Sent>, FormRejection>,
) -> Response {
    let asked = asked_language(&headers);
    if !is_from_here(&headers) {
        return answer(StatusCode::FORBIDDEN, &Page::foreign(asked));
    }
    match try_act(&cx, request.as_str(), &token, form, asked).await {
        Ok(response) => response,
        Err(failure) => broken(&failure, asked),
    }
}

async fn try_act(
    cx: &Cx,
    request: &str,
    token: &str,
    form: Result<Form<Sent>, FormRejection>,
    asked: Option<Locale>,
) -> Result<Response, Failure> {
    let Some(link) = link_view::run(cx, token, request).await? else { return Ok(unknown(asked)) };
    let sent = match form {
        Ok(Form(sent)) => sent,
        Err(rejection) => return Ok(answer(rejection.status(), &Page::of_link(&link, Outcome::Unreadable, asked))),
    };
    // Browsers send line breaks as two characters but count them as one against the limit they are given.
    let reason = sent.reason.replace("\r\n", "\n").trim().to_owned();
    let wish = match link.purpose {
        Purpose::Confirm => Wish::Confirm,
        Purpose::Cancel => Wish::Cancel(Some(reason.clone()).filter(|reason| !reason.is_empty())),
    };
    let refusals = match patient_link::run(cx, token, wish, request).await {
        Ok(_) => Vec::new(),
        Err(Failure::Refused(refusals)) => refusals,
        Err(fault) => return Err(fault),
    };
    let Some(mut link) = link_view::run(cx, token, request).await? else { return Ok(unknown(asked)) };
    let Some(refusal) = refusals.first() else {
        return Ok(answer(StatusCode::OK, &Page::of_link(&link, Outcome::Done, asked)));
    };
    if link.standing == Standing::Open
        && let Some(standing) = Standing::of_refusal(refusal.code)
    {
        link.standing = standing;
    }
    Ok(refused(&link, refusal.code, reason, asked))
}

fn refused(link: &LinkView, code: Code, reason: String, asked: Option<Locale>) -> Response {
    let status = match code {
        Code::TokenInvalid | Code::Forbidden => return unknown(asked),
        Code::Expired => StatusCode::GONE,
        Code::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        Code::TenantInMaintenance => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    let outcome = if code == Code::Invalid { Outcome::ReasonTooLong(reason) } else { Outcome::None };
    let page = answer(status, &Page::of_link(link, outcome, asked));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        ([(header::RETRY_AFTER, RETRY_AFTER)], page).into_response()
    } else {
        page
    }
}

/// The same for a link that never was, one that was revoked and one of a closed centre.
pub(super) fn unknown(asked: Option<Locale>) -> Response {
    answer(StatusCode::NOT_FOUND, &Page::unknown(asked))
}

/// After a fault, which is logged here.
pub(super) fn broken(failure: &Failure, asked: Option<Locale>) -> Response {
    match failure {
        Failure::Fault(Fault::Db(error)) => tracing::error!(error = ?error, "A patient's link could not be served"),
        other => tracing::error!(error = ?other, "A patient's link could not be served"),
    }
    sorry(asked)
}

/// Something failed on our side.
pub(super) fn sorry(asked: Option<Locale>) -> Response {
    answer(StatusCode::INTERNAL_SERVER_ERROR, &Page::broken(asked))
}

fn answer(status: StatusCode, page: &Page) -> Response {
    form_page::answer(status, page.language(), page.html())
}
