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
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

use super::RequestId;
use crate::domain::{
    booking::{
        link_view::{self, LinkView, Purpose, Standing},
        patient_link::{self, Wish},
    },
    cx::Cx,
    refusal::{Code, Failure, Fault},
    time::prose::Locale,
};
use view::{Outcome, Page, SECURITY_POLICY};

/// Longest form: a reason of the longest kind, every character of it escaped.
const MAX_BODY: usize = 64 * 1024;
/// Seconds after which somebody turned away by maintenance may ask again.
const RETRY_AFTER: &str = "300";

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
fn unknown(asked: Option<Locale>) -> Response {
    answer(StatusCode::NOT_FOUND, &Page::unknown(asked))
}

fn broken(failure: &Failure, asked: Option<Locale>) -> Response {
    match failure {
        Failure::Fault(Fault::Db(error)) => tracing::error!(error = ?error, "A patient's link could not be served"),
        other => tracing::error!(error = ?other, "A patient's link could not be served"),
    }
    answer(StatusCode::INTERNAL_SERVER_ERROR, &Page::broken(asked))
}

fn answer(status: StatusCode, page: &Page) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, SECURITY_POLICY.as_str()),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_LANGUAGE, page.language()),
        (header::HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
    ];
    match page.html() {
        Ok(html) => (status, headers, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(error = ?error, "A patient's page could not be written");
            (StatusCode::INTERNAL_SERVER_ERROR, headers).into_response()
        }
    }
}

/// Whether the form was sent from the page itself. Browsers say so in `Sec-Fetch-Site`; where it is missing, `Origin`
/// must be the host that was asked. Our referrer policy makes browsers write `null` there, which says nothing.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, None | Some("null")) => true,
        (None, Some(origin)) => {
            let origin = origin.split_once("://").map_or("", |(_, host)| host);
            text("host").is_some_and(|host| !host.is_empty() && host.eq_ignore_ascii_case(origin))
        }
    }
}

/// The first language of ours that the browser lists.
fn asked_language(headers: &HeaderMap) -> Option<Locale> {
    let list = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    list.split(',').filter_map(|entry| entry.split(';').next()).find_map(|tag| Locale::from_language_tag(tag.trim()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    use super::{asked_language, is_from_here};
    use crate::domain::time::prose::Locale;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn only_the_page_itself_may_send_the_form() {
        for good in [
            &[][..],
            &[("origin", "null")],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://Citas.example:8443"), ("host", "citas.example:8443")],
        ] {
            assert!(is_from_here(&headers(good)), "{good:?}");
        }
        for bad in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "https://citas.example"), ("host", "citas.example")],
            &[("origin", "https://evil.example"), ("host", "citas.example")],
            &[("origin", "https://citas.example")],
            &[("origin", "nonsense"), ("host", "")],
        ] {
            assert!(!is_from_here(&headers(bad)), "{bad:?}");
        }
    }

    #[test]
    fn the_browsers_first_language_of_ours_counts() {
        let asked = |list: &'static str| asked_language(&headers(&[("accept-language", list)]));
        assert_eq!(asked("pt-BR, en-GB;q=0.8, es;q=0.7"), Some(Locale::En));
        assert_eq!(asked("es-CL"), Some(Locale::Es));
        assert_eq!(asked("de"), None);
        assert_eq!(asked_language(&HeaderMap::new()), None);
        assert_eq!(asked("es").unwrap().language_tag(), "es");
    }
}
