//! What the server says. The only place where a response becomes the text of a frame.

use async_graphql::{Response, ServerError};
use axum::extract::ws::Message;
use serde::Serialize;
use serde_json::Value;

use crate::http::graphql::code;

#[derive(Serialize)]
struct Frame<'a, P> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<P>,
}

fn text<P: Serialize>(kind: &'static str, id: Option<&str>, payload: Option<P>) -> Message {
    match serde_json::to_string(&Frame { id, kind, payload }) {
        Ok(text) => Message::Text(text.into()),
        Err(error) => {
            tracing::error!(%error, "A response could not be written as JSON.");
            let errors = [code::error(code::INTERNAL, "Internal error.")];
            let frame = Frame { id, kind: "error", payload: Some(errors) };
            Message::Text(serde_json::to_string(&frame).unwrap_or_default().into())
        }
    }
}

pub(super) fn ack() -> Message {
    Message::Text(r#"{"type":"connection_ack"}"#.into())
}

pub(super) fn pong(payload: Option<Value>) -> Message {
    text("pong", None, payload)
}

/// One result of an operation.
pub(super) fn next(id: &str, response: &Response) -> Message {
    text("next", Some(id), Some(response))
}

/// The operation did not begin, and is over.
pub(super) fn error(id: &str, errors: &[ServerError]) -> Message {
    text("error", Some(id), Some(errors))
}

/// The operation is over.
pub(super) fn complete(id: &str) -> Message {
    text::<()>("complete", Some(id), None)
}
