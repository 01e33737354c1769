//! One line per request, and its numbers.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;

use super::RequestId;

/// Middleware: logs and counts each request when its answer begins. Only the route's template is logged: a
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

    let response = next.run(request).await;

    let status = response.status().as_u16();
    let elapsed = started.elapsed();
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
