//! GraphQL over HTTP and over WebSocket, for any executor and any way of authenticating.
//!
//! One path serves both: POST and GET as *GraphQL over HTTP* asks, and an upgrade to the `graphql-transport-ws`
//! sub-protocol (`socket`). Everything that a client may send is bounded: body, document ([`limits`]), time, operations
//! per socket. Who the caller is, the [`Gate`] decides; what an operation may do, the schema.

pub mod code;
#[cfg(any(test, fuzzing))]
pub mod foreign;
mod gate;
mod input;
pub mod limits;
mod meter;
mod negotiate;
mod persisted;
mod request;
mod respond;
mod socket;
mod toll;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Request};
use axum::Router;
use axum::extract::{FromRequestParts, State, WebSocketUpgrade};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::routing::any;
use futures::FutureExt;
use tokio::time::timeout;
use tracing::Instrument;

use self::meter::Meter;
use self::negotiate::{Media, negotiate};
use self::persisted::{Missing, PersistedDocuments};
use self::request::Malformed;
use crate::http::RequestId;
use crate::telemetry::operation;

pub use gate::{Admission, Gate, Party, Refusal};
pub use limits::{DocumentGuard, DocumentLimits, Documents};
pub use meter::{OperationNames, TenantLabel};
pub use socket::{SocketOptions, SocketPlaces, Sockets};
pub use toll::Toll;

/// What the transport allows.
#[derive(Debug, Clone)]
pub struct TransportOptions {
    /// Bounds on each document.
    pub documents: Documents,
    /// Longest body of a POST, in bytes.
    pub max_body: usize,
    /// Longest time for a body to arrive.
    pub body_timeout: Duration,
    /// Longest time for a query or mutation to run, over HTTP or WebSocket.
    pub request_timeout: Duration,
    /// What a socket may do.
    pub socket: SocketOptions,
    /// What operations are called in metrics and spans.
    pub operations: OperationNames,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            documents: Documents::default(),
            max_body: 256 * 1024,
            body_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            socket: SocketOptions::default(),
            operations: OperationNames::default(),
        }
    }
}

/// Everything that answering needs; shared by all requests and sockets.
pub(crate) struct Transport<E, G> {
    executor: E,
    gate: G,
    options: TransportOptions,
    sockets: Sockets,
    persisted: PersistedDocuments,
}

/// The routes of the transport: `/graphql` for HTTP and WebSocket.
///
/// `sockets` keeps account of the open ones and ends them when the server stops.
pub fn router<E: Executor, G: Gate>(executor: E, gate: G, options: TransportOptions, sockets: Sockets) -> Router {
    let transport = Arc::new(Transport { executor, gate, options, sockets, persisted: PersistedDocuments::default() });
    Router::new().route("/graphql", any(serve::<E, G>)).with_state(transport)
}

async fn serve<E: Executor, G: Gate>(
    State(transport): State<Arc<Transport<E, G>>>,
    request: axum::extract::Request,
) -> axum::response::Response {
    let (mut parts, body) = request.into_parts();
    let request_id = parts.extensions.get::<RequestId>().cloned().unwrap_or_else(RequestId::generate);

    if parts.method == Method::GET && parts.headers.contains_key(header::SEC_WEBSOCKET_KEY) {
        return match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
            Ok(upgrade) => socket::accept(transport, upgrade, parts, &request_id),
            Err(rejection) => {
                let error = code::error(code::BAD_REQUEST, rejection.body_text());
                respond::refused(rejection.status(), Media::Json, error, &request_id)
            }
        };
    }

    let mut meter = Meter::new("http");
    let answer = answer(transport, parts, body, request_id, &mut meter).await;
    meter.answered(answer.extensions().get::<meter::Outcome>());
    answer
}

/// Answers one operation over HTTP. Everything that can become of it passes through here, so it is counted behind.
async fn answer<E: Executor, G: Gate>(
    transport: Arc<Transport<E, G>>,
    parts: Parts,
    body: axum::body::Body,
    request_id: RequestId,
    meter: &mut Meter,
) -> axum::response::Response {
    let Some(media) = negotiate(&parts.headers) else {
        let error = code::error(
            code::BAD_REQUEST,
            "The answer can be application/graphql-response+json or application/json; Accept allows neither.",
        );
        return respond::refused(StatusCode::NOT_ACCEPTABLE, Media::Json, error, &request_id);
    };
    let decoded = match parts.method {
        Method::POST => decode_post(&parts, body, &transport.options).await,
        Method::GET | Method::HEAD => request::from_query_string(&parts.uri),
        _ => {
            let error = code::error(code::BAD_REQUEST, "GraphQL is served over GET and POST.");
            let answer = respond::refused(StatusCode::METHOD_NOT_ALLOWED, media, error, &request_id);
            return respond::with(answer, header::ALLOW, "GET, HEAD, POST");
        }
    };
    let mut request = match decoded {
        Ok(request) => request,
        Err(malformed) => {
            let error = code::error(code::BAD_REQUEST, malformed.to_string());
            let answer = respond::refused(malformed.status(), media, error, &request_id);
            return match malformed {
                Malformed::ContentType => respond::with(answer, header::ACCEPT, "application/json"),
                _ => answer,
            };
        }
    };

    let tenant = match transport.gate.admit(&parts).await {
        Ok(admission) => {
            request.data = admission.data;
            admission.party.map(|party| party.tenant)
        }
        Err(refusal) => return respond::not_admitted(media, refusal, &request_id),
    };
    request.data.insert(request_id.clone());
    request.data.insert(request_id.of_operation());
    let remember = match transport.persisted.find(&mut request, tenant.as_ref()).await {
        Ok(remember) => remember,
        Err(missing) => return no_document(missing, media, &request_id),
    };

    if let Err(error) = transport.options.documents.check(&mut request) {
        let refused = toll::refuse(Toll::of(&request.data, None), error).await;
        return respond::executed(media, refused, &request_id);
    }
    if let Some(remember) = remember {
        transport.persisted.keep(remember, &request.query, tenant.as_ref()).await;
    }
    if parts.method != Method::POST
        && limits::operation_type(&mut request).is_some_and(|chosen| chosen != OperationType::Query)
    {
        let error = code::error(code::BAD_REQUEST, "Only queries may be sent with GET.");
        let answer = respond::refused(StatusCode::METHOD_NOT_ALLOWED, media, error, &request_id);
        return respond::with(answer, header::ALLOW, "POST");
    }
    meter.recognise(&transport.options.operations, &mut request);
    execute(&transport, request, media, &request_id, meter).await
}

fn no_document(missing: Missing, media: Media, request_id: &RequestId) -> axum::response::Response {
    // Clients look for the words and send the document along; some take any other status for a broken network.
    let (status, code) = match missing {
        Missing::NotFound => (StatusCode::OK, code::PERSISTED_QUERY_NOT_FOUND),
        Missing::Differs | Missing::Malformed => (StatusCode::BAD_REQUEST, code::BAD_REQUEST),
    };
    respond::refused(status, media, code::error(code, missing.message()), request_id)
}

async fn decode_post(parts: &Parts, body: axum::body::Body, options: &TransportOptions) -> Result<Request, Malformed> {
    request::check_content_type(&parts.headers)?;
    let reading = request::read_body(&parts.headers, body, options.max_body);
    let body = timeout(options.body_timeout, reading).await.map_err(|_| Malformed::TooSlow)??;
    request::from_body(&body)
}

/// Runs a query or mutation. A panic in a resolver costs this request alone.
async fn execute<E: Executor, G: Gate>(
    transport: &Transport<E, G>,
    request: Request,
    media: Media,
    request_id: &RequestId,
    meter: &Meter,
) -> axum::response::Response {
    let tenant = TenantLabel::of(&request.data);
    let span = meter.span(request_id, tenant.as_ref());
    meter.label_request(tenant.as_ref());
    let running = operation::scope(Arc::clone(&meter.name), transport.executor.execute(request).instrument(span));
    let running = AssertUnwindSafe(running).catch_unwind();
    match timeout(transport.options.request_timeout, running).await {
        Ok(Ok(response)) => respond::executed(media, response, request_id),
        Ok(Err(_panic)) => {
            tracing::error!(request.id = %request_id, "A resolver panicked.");
            let error = panicked(request_id);
            respond::refused(StatusCode::INTERNAL_SERVER_ERROR, media, error, request_id)
        }
        Err(_elapsed) => {
            tracing::warn!(request.id = %request_id, "An operation ran into the time limit.");
            respond::refused(StatusCode::GATEWAY_TIMEOUT, media, timed_out(), request_id)
        }
    }
}

fn panicked(request_id: &RequestId) -> async_graphql::ServerError {
    let mut error = code::error(code::INTERNAL, "Internal error.");
    if let Some(extensions) = &mut error.extensions {
        extensions.set("requestId", request_id.as_str());
    }
    error
}

fn timed_out() -> async_graphql::ServerError {
    code::error(code::TIMEOUT, "The operation took too long and was stopped.")
}
