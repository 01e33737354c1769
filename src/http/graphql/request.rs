//! From an HTTP body, a query string or a `subscribe` payload to a GraphQL request, with exact refusals.

use async_graphql::{Request, Variables};
use axum::body::{Body, Bytes};
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::negotiate::is_utf8;

/// Why something is not a GraphQL request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("The body must be sent as application/json with charset utf-8.")]
    ContentType,
    #[error("The body is longer than {0} bytes.")]
    TooLong(usize),
    #[error("The body did not arrive in time.")]
    TooSlow,
    #[error("The body could not be read.")]
    Unreadable,
    #[error("The body is not valid JSON.")]
    NotJson,
    #[error("A request must be one JSON object; batches are not supported.")]
    NotAnObject,
    #[error("The query string is not valid.")]
    QueryString,
    #[error("The parameter \"{0}\" is given more than once.")]
    Repeated(&'static str),
    #[error("The parameter \"query\" is missing.")]
    NoQuery,
    #[error("The parameter \"{name}\" must be {expected}.")]
    Parameter { name: &'static str, expected: &'static str },
}

impl Malformed {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// `application/json`, with no charset or UTF-8. Anything that a browser sends without asking first (text/plain,
/// forms) must not pass here: it would let other sites act for a user.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Malformed> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Malformed::ContentType);
    };
    let mut parts = value.to_str().map_err(|_| Malformed::ContentType)?.split(';').map(str::trim);
    if !parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Err(Malformed::ContentType);
    }
    let foreign = parts.filter_map(|parameter| parameter.split_once('=')).any(|(name, charset)| {
        name.trim().eq_ignore_ascii_case("charset") && !is_utf8(charset.trim().trim_matches('"'))
    });
    if foreign { Err(Malformed::ContentType) } else { Ok(()) }
}

/// Reads at most `limit` bytes; a body that announces more is refused unread.
pub(super) async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Malformed> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Malformed::TooLong(limit));
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Malformed::TooLong(limit)),
        Err(_) => Err(Malformed::Unreadable),
    }
}

pub(super) fn from_body(body: &[u8]) -> Result<Request, Malformed> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(parameters)) => from_http_parameters(parameters),
        Ok(_) => Err(Malformed::NotAnObject),
        Err(_) => Err(Malformed::NotJson),
    }
}

pub(super) fn from_query_string(uri: &Uri) -> Result<Request, Malformed> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| Malformed::QueryString)?;
    let mut parameters = Map::new();
    for (name, text) in pairs {
        let (name, value) = match name.as_str() {
            "query" => ("query", Value::String(text)),
            // There is no null here: in a query string an empty name is none.
            "operationName" if text.is_empty() => ("operationName", Value::Null),
            "operationName" => ("operationName", Value::String(text)),
            "variables" => ("variables", json_parameter("variables", &text)?),
            "extensions" => ("extensions", json_parameter("extensions", &text)?),
            _ => continue,
        };
        if parameters.insert(name.to_owned(), value).is_some() {
            return Err(Malformed::Repeated(name));
        }
    }
    from_http_parameters(parameters)
}

fn json_parameter(name: &'static str, text: &str) -> Result<Value, Malformed> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).map_err(|_| Malformed::Parameter { name, expected: "a JSON object or null" })
}

/// From the parameters of an HTTP request: the hash of a document may stand for the document.
fn from_http_parameters(mut parameters: Map<String, Value>) -> Result<Request, Malformed> {
    let names_hash = parameters.get("extensions").is_some_and(|extensions| extensions.get("persistedQuery").is_some());
    if names_hash && parameters.get("query").is_none_or(Value::is_null) {
        parameters.insert("query".to_owned(), Value::String(String::new()));
    }
    from_parameters(parameters)
}

/// From the parameters as JSON, the way they arrive in a body or in the payload of `subscribe`.
pub(super) fn from_parameters(mut parameters: Map<String, Value>) -> Result<Request, Malformed> {
    let mut request = match parameters.remove("query") {
        Some(Value::String(query)) => Request::new(query),
        None | Some(Value::Null) => return Err(Malformed::NoQuery),
        Some(_) => {
            return Err(Malformed::Parameter { name: "query", expected: "a string" });
        }
    };
    request.operation_name = match parameters.remove("operationName") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => {
            return Err(Malformed::Parameter { name: "operationName", expected: "a string or null" });
        }
    };
    if let Some(variables) = object("variables", parameters.remove("variables"))? {
        request.variables = Variables::from_json(Value::Object(variables));
    }
    if let Some(extensions) = object("extensions", parameters.remove("extensions"))? {
        request.extensions.0 = extensions
            .into_iter()
            .filter_map(|(name, value)| Some((name, async_graphql::Value::from_json(value).ok()?)))
            .collect();
    }
    Ok(request)
}

fn object(name: &'static str, value: Option<Value>) -> Result<Option<Map<String, Value>>, Malformed> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(Malformed::Parameter { name, expected: "an object or null" }),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use axum::http::HeaderValue;

    use super::*;

    fn content_type(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
        check_content_type(&headers).is_ok()
    }

    #[test]
    fn takes_json_in_utf8_and_nothing_else() {
        for value in [
            "application/json",
            "Application/JSON",
            "application/json; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(content_type(value), "{value}");
        }
        for value in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/jsonp",
            "application/json; charset=latin1",
            "application/graphql",
            "",
        ] {
            assert!(!content_type(value), "{value}");
        }
        assert_eq!(check_content_type(&HeaderMap::new()), Err(Malformed::ContentType));
    }

    #[test]
    fn names_what_is_wrong() {
        let refused = |body: &str| from_body(body.as_bytes()).map(|request| request.query).unwrap_err();
        assert_eq!(refused(""), Malformed::NotJson);
        assert_eq!(refused("{ \"not a JSON"), Malformed::NotJson);
        assert_eq!(refused("[{\"query\":\"{a}\"}]"), Malformed::NotAnObject);
        assert_eq!(refused("{}"), Malformed::NoQuery);
        assert_eq!(refused("{\"query\":null}"), Malformed::NoQuery);
        for (body, name) in [
            (r#"{"query":1}"#, "query"),
            (r#"{"query":"{a}","operationName":1}"#, "operationName"),
            (r#"{"query":"{a}","variables":[]}"#, "variables"),
            (r#"{"query":"{a}","extensions":"x"}"#, "extensions"),
        ] {
            assert!(matches!(refused(body), Malformed::Parameter { name: found, .. } if found == name), "{body}");
        }
    }

    #[test]
    fn an_empty_operation_name_in_a_query_string_is_none() {
        let request = from_query_string(&"/graphql?query=%7Ba%7D&operationName=&variables=".parse().unwrap()).unwrap();
        assert_eq!(request.operation_name, None);
    }

    #[test]
    fn reads_all_parameters() {
        let body = r#"{"query":"query Q{a}","operationName":"Q","variables":{"n":1},"extensions":{"e":true}}"#;
        let uri = "/graphql?query=query%20Q%7Ba%7D&operationName=Q&variables=%7B%22n%22%3A1%7D&extensions=%7B%22e%22%3Atrue%7D&x=1";
        for request in [from_body(body.as_bytes()).unwrap(), from_query_string(&uri.parse().unwrap()).unwrap()] {
            assert_eq!(request.query, "query Q{a}");
            assert_eq!(request.operation_name.as_deref(), Some("Q"));
            assert_eq!(request.variables.to_string(), "{n: 1}");
            assert_eq!(request.extensions.get("e"), Some(&async_graphql::Value::Boolean(true)));
        }
    }

    #[test]
    fn refuses_an_unclear_query_string() {
        let refused = |query: &str| from_query_string(&format!("/graphql{query}").parse().unwrap()).map(|r| r.query);
        assert_eq!(refused(""), Err(Malformed::NoQuery));
        assert_eq!(refused("?query={a}&query={b}"), Err(Malformed::Repeated("query")));
        assert!(matches!(refused("?query={a}&variables=x"), Err(Malformed::Parameter { name: "variables", .. })));
        assert!(matches!(refused("?query={a}&variables=[]"), Err(Malformed::Parameter { name: "variables", .. })));
        assert_eq!(refused("?query={a}&variables="), Ok("{a}".to_owned()));
    }
}
