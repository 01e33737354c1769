//! All routes of the server, and what every request passes through.

use std::{sync::Arc, time::Duration};

use async_graphql::Executor;
use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware,
    response::Redirect,
    routing::get,
};
use tokio_util::task::TaskTracker;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
    timeout::TimeoutLayer,
};

use super::{
    ActorGate, Readiness, SecurityHeaders, Timeouts, Tries, TrustedProxies, WriteAppointment, WriteCalendar,
    account_page, add_security_headers, appointment_page, assign_client_address, assign_request_id, calendar_feed,
    calendar_file, files,
    graphiql::GraphiqlPage,
    graphql::{self, OperationNames, SocketOptions, SocketPlaces, Sockets, TransportOptions},
    health_router, limit_file_tries, limit_tries, log_access, metrics_router,
};
use crate::{
    db::with_causes,
    domain::{
        cx::Cx,
        limit::{Limiter, Rates},
    },
    telemetry::metrics::Exposition,
};

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
    /// Where the server is reached: its own pages' origin, and whether that is https.
    pub public_url: String,
    /// For how long browsers are told to use https alone.
    pub hsts: Duration,
    /// How long clients may take.
    pub timeouts: Timeouts,
    /// How many sockets and subscriptions there may be.
    pub socket_places: SocketPlaces,
    /// Keeps how often is too often …
    pub limiter: Arc<dyn Limiter>,
    /// … which is this.
    pub rates: Rates,
    /// The proxies that say for whom they ask.
    pub trusted_proxies: TrustedProxies,
    /// What must work for this node to be sent requests.
    pub readiness: Readiness,
    /// Where `/metrics` reads; none: no such route.
    pub metrics: Option<Exposition>,
    /// The page for exploring the API.
    pub graphiql: GraphiqlPage,
    /// What the pages behind mails, the calendars and the files stand on.
    pub cx: Cx,
    /// What outlives a connection.
    pub tasks: TaskTracker,
    /// Writes a calendar.
    pub calendar: WriteCalendar,
    /// Writes one appointment as a calendar.
    pub appointment_file: WriteAppointment,
}

/// The router.
pub fn router<E: Executor>(surface: Surface<E>) -> Router {
    let cors = cors(&surface.allowed_origins);
    let allowed_origins = (!surface.allowed_origins.is_empty()).then(|| {
        let mut origins = surface.allowed_origins;
        origins.push(origin_of(&surface.public_url));
        origins
    });
    let headers = SecurityHeaders::new(&surface.public_url, surface.hsts);
    let options = TransportOptions {
        body_timeout: surface.timeouts.body,
        request_timeout: surface.timeouts.request,
        socket: SocketOptions {
            write_timeout: surface.timeouts.write,
            allowed_origins,
            places: surface.socket_places,
            ..SocketOptions::default()
        },
        operations: OperationNames::of_sdl(&crate::schema::sdl()),
        ..TransportOptions::default()
    };
    let api = graphql::router(surface.executor, surface.gate, options, surface.sockets).layer(cors.clone());
    let patience =
        TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, surface.timeouts.body + surface.timeouts.request);
    let file_tries = Tries::of_files(Arc::clone(&surface.limiter), surface.rates);
    // Bytes of files take their time, and are compressed already where that is worth it. Pages of the same origins that
    // may call the API may send and fetch them.
    let files = files(surface.cx.clone(), surface.tasks, surface.timeouts.body)
        .layer(middleware::from_fn_with_state(file_tries, limit_file_tries))
        .layer(cors.allow_methods([Method::GET, Method::HEAD, Method::PUT]).expose_headers([
            HeaderName::from_static("x-request-id"),
            header::RETRY_AFTER,
            header::CONTENT_DISPOSITION,
        ]));
    // Every page behind a mail's link: what is in its path opens something.
    let tries = Tries::new(surface.limiter, surface.rates);
    let links = Router::new()
        .merge(account_page(surface.cx.clone()))
        .merge(appointment_page(surface.cx.clone()))
        .merge(calendar_file(surface.cx.clone(), surface.appointment_file))
        .merge(calendar_feed(surface.cx, surface.calendar))
        .layer(patience)
        .layer(middleware::from_fn_with_state(tries, limit_tries));
    let mut router = Router::new()
        .route("/", get(|| async { Redirect::temporary("/graphiql") }))
        .merge(api)
        .merge(surface.graphiql.router())
        .merge(links)
        .merge(health_router(surface.readiness));
    if let Some(metrics) = surface.metrics {
        router = router.merge(metrics_router(metrics));
    }
    router
        .layer(CompressionLayer::new())
        .merge(files)
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn_with_state(headers, add_security_headers))
        .layer(middleware::from_fn(log_access))
        .layer(middleware::from_fn_with_state(surface.trusted_proxies, assign_client_address))
        .layer(middleware::from_fn(assign_request_id))
}

/// The origin of a URL: without its path.
fn origin_of(url: &str) -> String {
    let end = url.find("://").and_then(|scheme| Some(scheme + 3 + url.get(scheme + 3..)?.find('/')?));
    url.get(..end.unwrap_or(url.len())).unwrap_or(url).to_owned()
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
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("tracestate"),
        ])
        .expose_headers([HeaderName::from_static("x-request-id"), header::RETRY_AFTER])
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
            async move { db.ping().await.map_err(|error| with_causes(&error)) }
        })
        .check("clock", move || {
            let (db, clock) = (db.clone(), Arc::clone(&clock));
            async move {
                let skew = db.clock_skew(|| clock.now()).await.map_err(|error| with_causes(&error))?;
                if skew > Duration::from_secs(1) {
                    Err(format!("differs from the database's by {skew:?}"))
                } else {
                    Ok(())
                }
            }
        })
}
