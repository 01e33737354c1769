//! `horae serve` and `horae work`: one node of one role, until it is told to stop.

use std::{net::SocketAddr, time::Duration};

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{CliError, open_files};
use crate::{
    app::App,
    http::{self, ServeOptions, graphiql::GraphiqlPage},
    telemetry::metrics,
};

/// How often samples of histograms are folded into their buckets: between scrapes they would pile up.
const UPKEEP: Duration = Duration::from_secs(5);

/// What this process does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    /// Serves the API.
    pub api: bool,
    /// Runs jobs.
    pub worker: bool,
}

/// Runs until SIGINT or SIGTERM, then lets running work end.
pub(super) async fn run(app: App, role: Role) -> Result<(), CliError> {
    let limit = open_files::raise();
    if role.api {
        open_files::check(limit, &app.config);
    }
    let page = GraphiqlPage::new(super::demo::tabs::signed_out());
    start(&app, role, page).await?;
    app.stop().await;
    Ok(())
}

/// Starts the parts of the role and waits for the end.
pub(super) async fn start(app: &App, role: Role, page: GraphiqlPage) -> Result<(), CliError> {
    app.cx.db.ping().await.map_err(|error| {
        let mut told = CliError::from(error);
        told.0.push_str(" (is DATABASE_URL right, and has `horae migrate` been run?)");
        told
    })?;
    let metrics = count(app)?;
    let metrics = match app.config.metrics_listen {
        Some(address) => {
            let listener = bind(address, "HORAE_METRICS_LISTEN").await?;
            let (routes, stopping) = (app.inner_router(metrics), app.shutdown.clone());
            app.tasks.spawn(async move {
                axum::serve(listener, routes).with_graceful_shutdown(stopping.cancelled_owned()).await
            });
            None
        }
        None => Some(metrics),
    };
    let (asked, stopping) = (end_asked_for(), app.shutdown.clone());
    app.tasks.spawn(async move {
        asked.await;
        tracing::info!("Stopping: what is running may end");
        stopping.cancel();
    });
    let worker = role.worker.then(|| {
        let (worker, stopping) = (app.worker(), app.shutdown.clone());
        app.tasks.spawn(async move { worker.run(stopping).await })
    });
    if role.api {
        let listener = bind(app.config.listen, "HORAE_LISTEN").await?;
        tracing::info!(listen = %app.config.listen, worker = role.worker, "The API is ready");
        let routes = app.router(page, metrics);
        let options = ServeOptions {
            head_timeout: app.config.timeouts.head,
            write_timeout: app.config.timeouts.write,
            max_connections: app.config.max_connections,
            max_connections_per_address: app.config.max_connections_per_address,
            trusted_proxies: app.config.trusted_proxies.clone(),
            grace: app.config.shutdown_grace,
        };
        http::serve(listener, routes, app.sockets.clone(), app.shutdown.clone(), options).await?;
    } else {
        tracing::info!("The worker is ready");
        app.shutdown.cancelled().await;
    }
    if let Some(worker) = worker {
        let _ended = tokio::time::timeout(app.config.shutdown_grace, worker).await;
    }
    Ok(())
}

/// Starts counting in this process.
fn count(app: &App) -> Result<PrometheusHandle, CliError> {
    let recorder = metrics::recorder()?;
    let handle = recorder.handle();
    ::metrics::set_global_recorder(recorder)
        .map_err(|_| CliError("this process counts already; start another for another node".to_owned()))?;
    metrics::describe();
    let (upkeep, stopping) = (handle.clone(), app.shutdown.clone());
    app.tasks.spawn(async move {
        while tokio::time::timeout(UPKEEP, stopping.cancelled()).await.is_err() {
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener, CliError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| CliError(format!("cannot listen on {address} ({error}); set {setting} to another address")))
}

/// Ends with Ctrl-C or the service manager's SIGTERM. Both are heard from the call on, whenever it is first waited for: one
/// that comes before would end the process in the middle of what it does.
fn end_asked_for() -> impl Future<Output = ()> + Send + 'static {
    let hear = |kind| signal(kind).ok();
    let (terminate, interrupt) = (hear(SignalKind::terminate()), hear(SignalKind::interrupt()));
    async move {
        tokio::select! {
            () = heard(terminate) => {}
            () = heard(interrupt) => {}
        }
    }
}

async fn heard(signal: Option<Signal>) {
    match signal {
        Some(mut signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
