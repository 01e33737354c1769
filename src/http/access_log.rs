//! One line per request, and its numbers.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::trace::TraceContextExt;
use tracing::{Instrument, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::RequestId;
use crate::telemetry::traceparent;

/// Middleware: logs, counts and traces each request until its answer begins. Only the route's template is logged: a
/// path may be a patient's link, which acts for whoever reads it, and a query string may hold a document with personal
/// data. Goes inside [`super::assign_request_id`].
pub async fn log_access(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    // Also the label of a metric: what clients make up must not create series.
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "other".to_owned(), |matched| matched.as_str().to_owned());
    let id = request.extensions().get::<RequestId>().cloned();

    let span = span(&request, &route, id.as_ref());
    let response = next.run(request).instrument(span.clone()).await;

    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
    // In the span, so that the line carries the trace's id and the operation's name.
    let _inside = span.enter();
    tracing::info!(
        request.id = id.as_ref().map(RequestId::as_str),
        http.method = %method,
        http.route = route,
        http.status = status,
        http.elapsed_ms = elapsed.as_secs_f64() * 1000.0,
        "Answered a request.",
    );
    metrics::counter!("http_requests_total", "route" => route.clone(), "status" => status.to_string()).increment(1);
    metrics::histogram!("http_request_seconds", "route" => route).record(elapsed);
    response
}

/// The span of a request, part of its caller's trace. Questions of balancers and monitoring have none.
fn span(request: &Request, route: &str, id: Option<&RequestId>) -> Span {
    if matches!(route, "/healthz" | "/readyz" | "/metrics") {
        return Span::none();
    }
    // A method is a word of the client's.
    let method = match *request.method() {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    let span = tracing::info_span!(
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        request.id = id.map(RequestId::as_str),
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        graphql.operation = Empty,
        tenant = Empty,
        trace.id = Empty,
    );
    let header = request.headers().get(traceparent::HEADER).and_then(|value| value.to_str().ok());
    let caller = header.and_then(traceparent::parse);
    if let Some(caller) = &caller {
        // Fails where no spans are sent; the log has the trace's id all the same.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(caller.clone()));
    }
    let own = span.context().span().span_context().clone();
    if let Some(known) = own.is_valid().then_some(own).or(caller) {
        span.record("trace.id", known.trace_id().to_string());
    }
    span
}
