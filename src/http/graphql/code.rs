//! `extensions.code` of errors that the transport itself reports, and of those that arrive without one.
//!
//! Codes of refusals by business rules belong to the schema.

use async_graphql::{ErrorExtensionValues, Response, ServerError, Value};

use crate::http::RequestId;

/// The document is not GraphQL, or too long to be read.
pub const PARSE_FAILED: &str = "GRAPHQL_PARSE_FAILED";
/// The document does not fit the schema, or exceeds a limit.
pub const VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";
/// Only the hash of a document was sent, and it is not known here (any more).
pub const PERSISTED_QUERY_NOT_FOUND: &str = "PERSISTED_QUERY_NOT_FOUND";
/// A value in the request is not of the type that the schema asks for.
pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
/// The request itself is not well-formed.
pub const BAD_REQUEST: &str = "BAD_REQUEST";
/// A fault of the server; says nothing else.
pub const INTERNAL: &str = "INTERNAL_SERVER_ERROR";
/// Execution took longer than this server allows.
pub const TIMEOUT: &str = "REQUEST_TIMEOUT";
/// The server is about to stop, or has no room.
pub const UNAVAILABLE: &str = "SERVICE_UNAVAILABLE";
/// The caller sends more than its share.
pub const RATE_LIMITED: &str = "RATE_LIMITED";
/// The caller is not known.
pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
/// The caller is known and may not do this.
pub const FORBIDDEN: &str = "FORBIDDEN";

/// Sets the code of an error that has none.
pub(crate) fn labelled(mut error: ServerError, code: &str) -> ServerError {
    let extensions = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    if extensions.get("code").is_none() {
        extensions.set("code", code);
    }
    error
}

/// A GraphQL error of the transport.
pub(crate) fn error(code: &str, message: impl Into<String>) -> ServerError {
    labelled(ServerError::new(message, None), code)
}

pub(crate) fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// Seconds after which the operation may be tried again, if the error says so.
pub(crate) fn retry_after(error: &ServerError) -> Option<u64> {
    match error.extensions.as_ref()?.get("retryAfter")? {
        Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    }
}

/// Whether the operation never began: there is no data and no error says where in the data it belongs.
pub(crate) fn is_request_error(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// Gives every error a code. An error of a resolver that was given none is a fault of the server: its text may come
/// from anywhere, so it is replaced by the request id under which the log has more.
pub(crate) fn complete(response: &mut Response, request_id: &RequestId) {
    if response.errors.is_empty() {
        return;
    }
    let before_execution = is_request_error(response);
    for error in &mut response.errors {
        if code_of(error).is_none() {
            let code = if before_execution {
                BAD_REQUEST
            } else if is_wrong_input(&error.message) {
                BAD_USER_INPUT
            } else {
                tracing::error!(request.id = %request_id, path = ?error.path, "A resolver failed without a code.");
                "Internal error.".clone_into(&mut error.message);
                error.source = None;
                INTERNAL
            };
            error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", code);
        }
        if code_of(error) == Some(INTERNAL)
            && let Some(extensions) = &mut error.extensions
        {
            extensions.set("requestId", request_id.as_str());
        }
    }
}

/// The executor finds some wrong values (an Int beyond 32 bit, a null variable where none may be, a failed
/// `validator`) only while it runs. It words them all in one of these ways and gives them no code.
fn is_wrong_input(message: &str) -> bool {
    message.starts_with("Expected input type \"") || message.starts_with("Failed to parse \"")
}
