//! All routes of the server, and what every request passes through.

use std::{sync::Arc, time::Duration};

use async_graphql::Executor;
use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, header},
    middleware,
    response::Redirect,
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
};

use super::{
    ActorGate, Readiness, TrustedProxies, WriteCalendar, account_page, appointment_page, assign_client_address,
    assign_request_id, calendar_feed,
    graphiql::GraphiqlPage,
    graphql::{self, SocketOptions, Sockets, TransportOptions},
    health_router, log_access, metrics_router,
};
use crate::domain::cx::Cx;

/// What the server shows to the outside.
pub struct Surface<E> {
    /// The API.
    pub executor: E,
    /// Who calls.
    pub gate: ActorGate,
    /// The open sockets.
    pub sockets: Sockets,
    /// Origins of pages that may call; empty: any, without cookies.
    pub allowed_origins: Vec<String>,
    /// The proxies that say for whom they ask.
    pub trusted_proxies: TrustedProxies,
    /// What must work for this node to be sent requests.
    pub readiness: Readiness,
    /// Where `/metrics` reads; none: no such route.
    pub metrics: Option<PrometheusHandle>,
    /// The page for exploring the API.
    pub graphiql: GraphiqlPage,
    /// What the pages behind mails and the calendars stand on.
    pub cx: Cx,
    /// Writes a calendar.
    pub calendar: WriteCalendar,
}

/// The router.
pub fn router<E: Executor>(surface: Surface<E>) -> Router {
    let cors = cors(&surface.allowed_origins);
    let allowed_origins = (!surface.allowed_origins.is_empty()).then_some(surface.allowed_origins);
    let options = TransportOptions {
        socket: SocketOptions { allowed_origins, ..SocketOptions::default() },
        ..TransportOptions::default()
    };
    let api = graphql::router(surface.executor, surface.gate, options, surface.sockets).layer(cors);
    let mut router = Router::new()
        .route("/", get(|| async { Redirect::temporary("/graphiql") }))
        .merge(api)
        .merge(surface.graphiql.router())
        .merge(account_page(surface.cx.clone()))
        .merge(appointment_page(surface.cx.clone()))
        .merge(calendar_feed(surface.cx, surface.calendar))
        .merge(health_router(surface.readiness));
    if let Some(metrics) = surface.metrics {
        router = router.merge(metrics_router(metrics));
    }
    router
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(log_access))
        .layer(middleware::from_fn_with_state(surface.trusted_proxies, assign_client_address))
        .layer(middleware::from_fn(assign_request_id))
}

/// Which pages of other origins may read answers. Credentials are bearer words, so cookies are never needed.
fn cors(origins: &[String]) -> CorsLayer {
    let allowed = if origins.is_empty() {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT,
            HeaderName::from_static("x-request-id"),
        ])
        .expose_headers([HeaderName::from_static("x-request-id")])
        .max_age(Duration::from_secs(3600))
}

/// Readiness of a node: the database answers and agrees on the time.
#[must_use]
pub fn readiness(
    db: crate::db::Db,
    clock: Arc<dyn crate::domain::clock::Clock>,
    stopping: tokio_util::sync::CancellationToken,
) -> Readiness {
    let ping = db.clone();
    Readiness::new(stopping)
        .check("database", move || {
            let db = ping.clone();
            async move { db.ping().await.map_err(|error| error.to_string()) }
        })
        .check("clock", move || {
            let (db, clock) = (db.clone(), Arc::clone(&clock));
            async move {
                let skew = db.clock_skew(clock.now()).await.map_err(|error| error.to_string())?;
                if skew > Duration::from_secs(1) {
                    Err(format!("differs from the database's by {skew:?}"))
                } else {
                    Ok(())
                }
            }
        })
}
