//! `/u/{token}`: the page behind the links of invitations and of forgotten passwords, for centres without a front end.
//!
//! GET only shows, because mail scanners follow links; POST sets the password. The token in the path is the whole right
//! to do it, and the password is in the form, so neither is printed, logged or kept by anybody on the way.

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
    cx::Cx,
    identity::{
        accept_invite,
        account_link::{self, Link, Purpose, Standing},
        reset_password,
    },
    refusal::{Code, Failure, Fault, Refusal},
    time::prose::Locale,
};
use view::{Page, Problem};

/// Longest form: two passwords and a name, every character of them escaped, and room for people who paste.
const MAX_BODY: usize = 16 * 1024;

/// What the form sends.
#[derive(Default, Deserialize)]
struct Sent {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

/// The route `/u/{token}`.
pub fn account_page(cx: Cx) -> Router {
    Router::new().route("/u/{token}", get(show).post(act)).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(cx)
}

async fn show(
    State(cx): State<Cx>,
    Extension(request): Extension<RequestId>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let asked = asked_language(&headers);
    match account_link::look(&cx, &token, request.as_str()).await {
        Ok(Some(link)) => answer(StatusCode::OK, &Page::of_link(&link, None, asked)),
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
    let Some(link) = account_link::look(cx, token, request).await? else { return Ok(unknown(asked)) };
    let sent = match form {
        Ok(Form(sent)) => sent,
        Err(rejection) => return Ok(answer(rejection.status(), &Page::foreign(asked))),
    };
    let name = sent.name;
    if link.standing == Standing::Open && sent.password != sent.again {
        let page = Page::of_link(&link, Some(Problem::Different { name }), asked);
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let done = match link.purpose {
        Purpose::Invite => accept_invite::run(cx, token, sent.password, name.as_deref(), request).await,
        Purpose::PasswordReset => reset_password::run(cx, token, sent.password, request).await,
    };
    let refusals = match done {
        Ok(_) => return Ok(answer(StatusCode::OK, &Page::done(&link, asked))),
        Err(Failure::Refused(refusals)) => refusals,
        Err(fault) => return Err(fault),
    };
    let Some(link) = account_link::look(cx, token, request).await? else { return Ok(unknown(asked)) };
    Ok(refused(&link, refusals, name, asked))
}

fn refused(link: &Link, refusals: Vec<Refusal>, name: Option<String>, asked: Option<Locale>) -> Response {
    let Some(refusal) = refusals.into_iter().next() else { return unknown(asked) };
    let status = match refusal.code {
        Code::Invalid | Code::Required => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Expired => StatusCode::GONE,
        Code::TenantInMaintenance => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::CONFLICT,
    };
    let named = refusal.field.as_ref().is_some_and(|field| field.iter().any(|part| part == "name"));
    let problem = match (refusal.code, named) {
        (Code::Invalid | Code::Required, true) => Some(Problem::Name { name }),
        (Code::Invalid | Code::Required, false) => Some(Problem::Password { why: refusal.message, name }),
        _ => None,
    };
    let page = answer(status, &Page::of_link(link, problem, asked));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        ([(header::RETRY_AFTER, RETRY_AFTER)], page).into_response()
    } else {
        page
    }
}

/// The same for a link that never was and one of a closed centre.
fn unknown(asked: Option<Locale>) -> Response {
    answer(StatusCode::NOT_FOUND, &Page::unknown(asked))
}

fn broken(failure: &Failure, asked: Option<Locale>) -> Response {
    match failure {
        Failure::Fault(Fault::Db(error)) => tracing::error!(error = ?error, "A user's link could not be served"),
        other => tracing::error!(error = ?other, "A user's link could not be served"),
    }
    answer(StatusCode::INTERNAL_SERVER_ERROR, &Page::broken(asked))
}

fn answer(status: StatusCode, page: &Page) -> Response {
    form_page::answer(status, page.language(), page.html())
}
