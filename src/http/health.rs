//! `/healthz`, `/readyz` and `/metrics`: what balancers, schedulers and monitoring ask.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::{BoxFuture, join_all};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::telemetry::metrics::Exposition;

/// Longest time for one check: balancers ask every few seconds.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What must work for this node to be sent requests.
#[derive(Clone)]
pub struct Readiness {
    checks: Vec<(&'static str, Check)>,
    stopping: CancellationToken,
    /// When the last checks began, and how they went. Held while they run: one after another, however many ask.
    last: Arc<Mutex<Option<(Instant, Checked)>>>,
}

/// Whether all is well, and how each check went.
type Checked = (bool, Map<String, Value>);

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.checks.iter().map(|(name, _)| name)).finish()
    }
}

impl Readiness {
    /// Without checks, ready until `stopping` is cancelled.
    #[must_use]
    pub fn new(stopping: CancellationToken) -> Self {
        Self { checks: Vec::new(), stopping, last: Arc::default() }
    }

    /// Adds a check. Its error is logged and not shown: the endpoint is open to anyone who can reach the node.
    #[must_use]
    pub fn check<F, Fut>(mut self, name: &'static str, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.checks.push((name, Arc::new(move || Box::pin(check()))));
        self.last = Arc::default();
        self
    }

    async fn look(&self) -> Checked {
        let asked = Instant::now();
        let mut last = self.last.lock().await;
        // All who waited for the same checks take the result of the next ones.
        if let Some((_, checked)) = last.as_ref().filter(|(begun, _)| *begun >= asked) {
            return checked.clone();
        }
        let begun = Instant::now();
        let checked = self.run().await;
        *last = Some((begun, checked.clone()));
        checked
    }

    async fn run(&self) -> Checked {
        let results = join_all(self.checks.iter().map(|(name, check)| async move {
            let result = timeout(CHECK_TIMEOUT, check()).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            if let Err(error) = &result {
                tracing::warn!(check = name, error, "A readiness check failed.");
            }
            (*name, result.is_ok())
        }))
        .await;
        let ready = results.iter().all(|(_, passed)| *passed);
        let shown = results
            .into_iter()
            .map(|(name, passed)| (name.to_owned(), Value::from(if passed { "ok" } else { "failed" })));
        (ready, shown.collect())
    }
}

/// `/healthz` says that the process answers; `/readyz` that it should be sent requests.
pub fn health_router(readiness: Readiness) -> Router {
    Router::new().route("/healthz", get(|| async { "ok" })).route("/readyz", get(ready)).with_state(readiness)
}

async fn ready(State(readiness): State<Readiness>) -> Response {
    if readiness.stopping.is_cancelled() {
        return stopping();
    }
    let looked = readiness.look().await;
    // Asked to stop while it looked.
    if readiness.stopping.is_cancelled() {
        return stopping();
    }
    match looked {
        (true, checks) => Json(json!({ "status": "ready", "checks": checks })).into_response(),
        (false, checks) => {
            let body = Json(json!({ "status": "failed", "checks": checks }));
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
    }
}

fn stopping() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "stopping" }))).into_response()
}

/// `/metrics` in Prometheus' text format. Not for the public: mount it on an inner address or behind the balancer.
pub fn metrics_router(metrics: Exposition) -> Router {
    let render = move || {
        let metrics = metrics.clone();
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render().await) }
    };
    Router::new().route("/metrics", get(render))
}
