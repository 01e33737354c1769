//! What a client may say.

use async_graphql::Request;
use serde_json::{Map, Value};

use super::close::Closing;
use crate::http::graphql::request::from_parameters;

/// Longest id of an operation, in bytes: each is kept while the operation runs and sent with each of its messages.
const MAX_ID: usize = 256;

#[derive(Debug)]
pub(super) enum ClientMessage {
    /// With the payload, null if there was none.
    Init(Value),
    Subscribe {
        id: String,
        request: Box<Request>,
    },
    Complete {
        id: String,
    },
    Ping(Option<Value>),
    Pong,
}

/// Reads a message; what is not one closes the socket with 4400.
pub(super) fn parse(text: &str) -> Result<ClientMessage, Closing> {
    let Ok(Value::Object(mut message)) = serde_json::from_str(text) else {
        return Err(Closing::bad_request("A message must be a JSON object"));
    };
    let Some(Value::String(kind)) = message.remove("type") else {
        return Err(Closing::bad_request("A message must have a type that is a string"));
    };
    match kind.as_str() {
        "connection_init" => Ok(ClientMessage::Init(optional_payload(&mut message)?.unwrap_or(Value::Null))),
        "ping" => Ok(ClientMessage::Ping(optional_payload(&mut message)?)),
        "pong" => optional_payload(&mut message).map(|_| ClientMessage::Pong),
        "complete" => Ok(ClientMessage::Complete { id: id(&mut message)? }),
        "subscribe" => {
            let id = id(&mut message)?;
            let Some(Value::Object(payload)) = message.remove("payload") else {
                return Err(Closing::bad_request("The payload of subscribe must be an object"));
            };
            let request = from_parameters(payload).map_err(|malformed| Closing::bad_request(&malformed.to_string()))?;
            if request.query.is_empty() {
                return Err(Closing::bad_request("The parameter \"query\" is empty."));
            }
            Ok(ClientMessage::Subscribe { id, request: Box::new(request) })
        }
        "connection_ack" | "next" | "error" => Err(Closing::bad_request("Only a server may send this type of message")),
        _ => Err(Closing::bad_request(&format!("Unknown type of message: {kind}"))),
    }
}

fn optional_payload(message: &mut Map<String, Value>) -> Result<Option<Value>, Closing> {
    match message.remove("payload") {
        None | Some(Value::Null) => Ok(None),
        Some(payload @ Value::Object(_)) => Ok(Some(payload)),
        Some(_) => Err(Closing::bad_request("The payload must be an object")),
    }
}

fn id(message: &mut Map<String, Value>) -> Result<String, Closing> {
    match message.remove("id") {
        Some(Value::String(id)) if id.is_empty() => Err(Closing::bad_request("The id is empty")),
        Some(Value::String(id)) if id.len() > MAX_ID => Err(Closing::bad_request("The id is too long")),
        Some(Value::String(id)) => Ok(id),
        _ => Err(Closing::bad_request("The message must have an id that is a string")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_the_protocol_knows() {
        assert!(matches!(parse(r#"{"type":"connection_init"}"#), Ok(ClientMessage::Init(Value::Null))));
        assert!(matches!(
            parse(r#"{"type":"connection_init","payload":{"a":1}}"#),
            Ok(ClientMessage::Init(Value::Object(_)))
        ));
        assert!(matches!(parse(r#"{"type":"ping","payload":{"a":1}}"#), Ok(ClientMessage::Ping(Some(_)))));
        assert!(matches!(parse(r#"{"type":"pong"}"#), Ok(ClientMessage::Pong)));
        assert!(matches!(parse(r#"{"type":"complete","id":"1"}"#), Ok(ClientMessage::Complete { .. })));
        let subscribe = r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":null}}"#;
        assert!(matches!(parse(subscribe), Ok(ClientMessage::Subscribe { .. })));
    }

    #[test]
    fn refuses_the_rest_with_4400() {
        for text in [
            "",
            "x",
            "[]",
            "null",
            "1",
            "{}",
            r#"{"type":1}"#,
            r#"{"type":"start","id":"1","payload":{"query":"{a}"}}"#,
            r#"{"type":"connection_init","payload":1}"#,
            r#"{"type":"ping","payload":"x"}"#,
            r#"{"type":"pong","payload":[]}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"complete","id":1}"#,
            r#"{"type":"next","id":"1","payload":{}}"#,
            r#"{"type":"connection_ack"}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":""}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","variables":[]}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","operationName":1}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":"{a}","extensions":1}}"#,
        ] {
            assert_eq!(parse(text).err().map(|closing| closing.code), Some(4400), "{text}");
        }
    }

    proptest! {
        #[test]
        fn survives_any_text(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn survives_any_parts(
            kind in "connection_init|ping|pong|complete|subscribe|next|[a-z]{0,200}",
            id in "null|\"\"|\"1\"|1|\\{\\}",
            payload in "null|\\{\\}|[0-9]{1,40}|\\{\"query\":\"[{}a-z(\\[]{0,30}\"\\}|\\[{1,300}",
        ) {
            let text = format!(r#"{{"type":"{kind}","id":{id},"payload":{payload}}}"#);
            if let Err(closing) = parse(&text) {
                prop_assert_eq!(closing.code, 4400);
                prop_assert!(closing.frame().reason.len() <= 123);
            }
        }
    }
}
