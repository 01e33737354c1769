//! From a GraphQL response to an HTTP one: status, body, headers.

use async_graphql::{Response, ServerError, Value};
use async_graphql_axum::GraphQLResponse;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;

use super::code;
use super::gate::Refusal;
use super::meter::Outcome;
use super::negotiate::Media;
use crate::http::RequestId;

/// Answers what the executor produced.
///
/// A request error (the operation never began) has no `data` key. Its status is 200 for `application/json`, whose
/// clients take any other for a failure of the network, and says what happened for `graphql-response+json`.
pub(super) fn executed(media: Media, mut response: Response, request_id: &RequestId) -> axum::response::Response {
    code::complete(&mut response, request_id);
    let request_error = code::is_request_error(&response);
    let wait = response.errors.iter().find_map(code::retry_after);
    let status = match (media, request_error) {
        (Media::GraphqlResponse, true) => status_of(&response.errors),
        // Not now: proxies and clients that know nothing of GraphQL understand it too.
        (Media::Json, true) if wait.is_some() => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::OK,
    };
    if request_error {
        let mut answer = write(status, media, response, request_id);
        if let Some(seconds) = wait {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        return answer;
    }
    response.extensions.insert("requestId".to_owned(), Value::from(request_id.as_str()));
    let outcome = Outcome::of(&response);
    finish(GraphQLResponse::from(response).into_response(), status, media, outcome)
}

/// Answers an error of the protocol: its status is the same for both media types.
pub(super) fn refused(
    status: StatusCode,
    media: Media,
    error: ServerError,
    request_id: &RequestId,
) -> axum::response::Response {
    write(status, media, Response::from_errors(vec![error]), request_id)
}

/// Answers that the gate did not admit the caller.
pub(super) fn not_admitted(media: Media, refusal: Refusal, request_id: &RequestId) -> axum::response::Response {
    let mut error = code::error(refusal.code, refusal.message);
    let seconds = refusal.retry_after.map(|wait| wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
    if let (Some(seconds), Some(extensions)) = (seconds, &mut error.extensions) {
        extensions.set("retryAfter", seconds);
    }
    let mut answer = refused(refusal.status, media, error, request_id);
    if let Some(seconds) = seconds {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

/// Adds a header to an answer.
pub(super) fn with(
    mut answer: axum::response::Response,
    name: HeaderName,
    value: &'static str,
) -> axum::response::Response {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
    answer
}

fn status_of(errors: &[ServerError]) -> StatusCode {
    match errors.first().and_then(code::code_of) {
        Some(code::UNAUTHENTICATED) => StatusCode::UNAUTHORIZED,
        Some(code::FORBIDDEN) => StatusCode::FORBIDDEN,
        Some(code::RATE_LIMITED) => StatusCode::TOO_MANY_REQUESTS,
        Some(code::INTERNAL) => StatusCode::INTERNAL_SERVER_ERROR,
        Some(code::UNAVAILABLE) => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// A request error: a response without the key `data`.
#[derive(Serialize)]
struct RequestError<'a> {
    errors: &'a [ServerError],
    extensions: &'a std::collections::BTreeMap<String, Value>,
}

fn write(status: StatusCode, media: Media, mut response: Response, request_id: &RequestId) -> axum::response::Response {
    response.extensions.insert("requestId".to_owned(), Value::from(request_id.as_str()));
    let outcome = Outcome::of(&response);
    let error = RequestError { errors: &response.errors, extensions: &response.extensions };
    let (status, body) = match serde_json::to_vec(&error) {
        Ok(body) => (status, Body::from(body)),
        Err(error) => {
            tracing::error!(request.id = %request_id, %error, "A response could not be written as JSON.");
            let body = format!(
                r#"{{"errors":[{{"message":"Internal error.","extensions":{{"code":"{}"}}}}]}}"#,
                code::INTERNAL
            );
            (StatusCode::INTERNAL_SERVER_ERROR, Body::from(body))
        }
    };
    finish(axum::response::Response::new(body), status, media, outcome)
}

/// Status and headers that every answer has, whatever the crate's own response set.
fn finish(
    mut answer: axum::response::Response,
    status: StatusCode,
    media: Media,
    outcome: Outcome,
) -> axum::response::Response {
    *answer.status_mut() = status;
    answer.extensions_mut().insert(outcome);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    // Answers hold what one caller may see; nothing between here and there may keep them.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
