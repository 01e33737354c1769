//! `horae serve` and `horae work`: one node of one role, until it is told to stop.

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::{net::TcpListener, signal};

use super::CliError;
use crate::{
    app::App,
    http::{self, ServeOptions, graphiql::GraphiqlPage},
};

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
    let metrics = PrometheusBuilder::new().install_recorder()?;
    let stopping = app.shutdown.clone();
    app.tasks.spawn(async move {
        end_asked_for().await;
        tracing::info!("Stopping: what is running may end");
        stopping.cancel();
    });
    let worker = role.worker.then(|| {
        let (worker, stopping) = (app.worker(), app.shutdown.clone());
        app.tasks.spawn(async move { worker.run(stopping).await })
    });
    if role.api {
        let listener = TcpListener::bind(app.config.listen).await.map_err(|error| {
            CliError(format!("cannot listen on {} ({error}); set HORAE_LISTEN to another address", app.config.listen))
        })?;
        tracing::info!(listen = %app.config.listen, worker = role.worker, "The API is ready");
        let routes = app.router(page, Some(metrics));
        let options = ServeOptions {
            head_timeout: app.config.timeouts.head,
            max_connections: app.config.max_connections,
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

/// Waits for Ctrl-C or the service manager's SIGTERM.
pub(super) async fn end_asked_for() {
    let terminated = async {
        match signal::unix::signal(signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = signal::ctrl_c() => {}
        () = terminated => {}
    }
}
