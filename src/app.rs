//! Composition root: builds every part by hand and hands it down. Nothing else in the program makes a pool, a clock or
//! a client.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    auth::{Seal, Vault},
    config::{Config, ConfigError, MAIL_HANDOVER},
    db::{Db, DbError},
    domain::{
        clock::Clock,
        cx::{CommitHints, Cx},
        identity::{Authenticator, Presence},
        limit::Limiter,
    },
    events::{EventsOptions, Live},
    files::Files,
    http::{
        self, ActorGate, Surface, Tries,
        graphiql::GraphiqlPage,
        graphql::{DocumentGuard, DocumentLimits, Sockets},
    },
    jobs::{Worker, WorkerOptions},
    limiter,
    mail::{self, Mailer, SmtpSettings},
    schema::{self, limits::Limits, request::Api},
    telemetry::metrics::Exposition,
};

/// What could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database.
    #[error("the database cannot be used")]
    Db(#[from] DbError),
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// The parts of a running process.
#[derive(Clone)]
pub struct App {
    /// What use cases are given.
    pub cx: Cx,
    /// Words to actors.
    pub authenticator: Authenticator,
    /// Who is connected to this node.
    pub presence: Presence,
    /// The API.
    pub schema: DocumentGuard<Api>,
    /// Live events of this node.
    pub live: Arc<Live>,
    /// Keeps how often is too often.
    pub limiter: Arc<dyn Limiter>,
    /// What callers may spend.
    pub limits: Arc<Limits>,
    /// Where mail goes.
    pub mailer: Arc<Mailer>,
    /// Open sockets.
    pub sockets: Sockets,
    /// Cancelled when the process is to stop.
    pub shutdown: CancellationToken,
    /// Every task that runs besides requests.
    pub tasks: TaskTracker,
    /// The settings it was built from.
    pub config: Arc<Config>,
}

impl App {
    /// Builds everything; connects to nothing yet but Redis, which may be down.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub fn build(config: Config, clock: Arc<dyn Clock>, mailer: Option<Arc<Mailer>>) -> Result<Self, StartError> {
        let secret = config.secret()?.to_vec();
        let db = Db::connect(config.db_options()?)?;
        let shutdown = CancellationToken::new();
        let tasks = TaskTracker::new();
        let mailer = match mailer {
            Some(mailer) => mailer,
            None => Arc::new(build_mailer(&config)?),
        };
        let live = Live::new(EventsOptions { redis_url: config.redis_url.clone(), ..EventsOptions::default() })
            .map_err(|error| StartError::Other(format!("REDIS_URL: {error}")))?;
        let cx = Cx {
            db,
            files: Files::new(config.files.clone()),
            file_rules: config.file_rules,
            seal: Seal::new(&secret),
            vault: Vault::new(&secret),
            tokens: config.token_keys()?,
            masters: config.master_keys()?,
            clock,
            hints: Arc::clone(&live) as Arc<dyn CommitHints>,
            mail_domain: config.mail_domain.as_str().into(),
            public_url: config.public_url.as_str().into(),
            account_url: config.account_url.as_str().into(),
        };
        let authenticator = Authenticator::new(cx.clone());
        let presence = Presence::new(cx.clone(), authenticator.clone());
        live.start(cx.clone(), authenticator.clone(), presence.clone(), shutdown.clone(), &tasks);
        tasks.spawn(presence.clone().watch(shutdown.clone()));
        let limiter = limiter::build(config.redis_url.as_deref(), Arc::clone(&cx.clock))
            .map_err(|problem| StartError::Other(format!("REDIS_URL: {problem}")))?;
        tasks.spawn(authenticator.key_uses().keep_writing(cx.clone(), shutdown.clone()));
        let shared = Arc::new(cx.clone());
        let schema =
            schema::builder().data(Arc::clone(&shared)).data(authenticator.clone()).data(Arc::clone(&live)).finish();
        let types = Arc::new(schema::registry());
        let limits = Arc::new(Limits::new(config.rates, Arc::clone(&limiter), Arc::clone(&types)));
        let schema = DocumentGuard {
            limits: DocumentLimits::default(),
            types,
            executor: Api::new(schema, shared, authenticator.clone(), Arc::clone(&limits)),
        };
        let sockets = Sockets::new(shutdown.clone());
        Ok(Self {
            cx,
            authenticator,
            presence,
            schema,
            live,
            limits,
            limiter,
            mailer,
            sockets,
            shutdown,
            tasks,
            config: Arc::new(config),
        })
    }

    /// The worker of this process.
    #[must_use]
    pub fn worker(&self) -> Worker {
        let options = WorkerOptions {
            slots: self.config.worker_slots,
            lease: self.config.job_lease,
            drain: self.config.shutdown_grace * 3 / 4,
            mail_from: self.config.mail_from.clone(),
            mails_per_second: self.config.mails_per_second,
            ..WorkerOptions::default()
        };
        Worker::new(self.cx.clone(), Arc::clone(&self.mailer), options)
    }

    /// The whole HTTP surface.
    pub fn router(&self, graphiql: GraphiqlPage, metrics: Option<PrometheusHandle>) -> axum::Router {
        http::router(Surface {
            executor: self.schema.clone(),
            gate: ActorGate::new(
                self.authenticator.clone(),
                self.presence.clone(),
                Arc::clone(&self.cx.clock),
                Arc::clone(&self.limits),
                Tries::new(Arc::clone(&self.limiter), self.config.rates),
            ),
            sockets: self.sockets.clone(),
            allowed_origins: self.config.allowed_origins.clone(),
            public_url: self.config.public_url.clone(),
            hsts: self.config.hsts,
            timeouts: self.config.timeouts,
            socket_places: self.config.socket_places,
            limiter: Arc::clone(&self.limiter),
            rates: self.config.rates,
            trusted_proxies: self.config.trusted_proxies.clone(),
            readiness: http::readiness(self.cx.db.clone(), Arc::clone(&self.cx.clock), self.shutdown.clone()),
            metrics: metrics.map(|handle| Exposition::new(handle, self.cx.db.clone())),
            graphiql,
            cx: self.cx.clone(),
            tasks: self.tasks.clone(),
            calendar: mail::calendar::feed,
            appointment_file: self.appointment_file(),
        })
    }

    /// Writes an appointment as a calendar file, with the sender of mails where its branch has no address.
    fn appointment_file(&self) -> http::WriteAppointment {
        let sender = self.config.mail_from.clone();
        Arc::new(move |file| mail::calendar::file(file, &sender).map_err(|error| error.to_string()))
    }

    /// What a node is asked by balancers and monitoring, for an address of its own.
    pub fn inner_router(&self, metrics: PrometheusHandle) -> axum::Router {
        let readiness = http::readiness(self.cx.db.clone(), Arc::clone(&self.cx.clock), self.shutdown.clone());
        http::health_router(readiness).merge(http::metrics_router(Exposition::new(metrics, self.cx.db.clone())))
    }

    /// Ends sockets and tasks, then closes the database.
    pub async fn stop(&self) {
        self.shutdown.cancel();
        self.tasks.close();
        let ended = async {
            self.sockets.closed().await;
            self.tasks.wait().await;
        };
        if tokio::time::timeout(self.config.shutdown_grace, ended).await.is_err() {
            tracing::warn!("Some tasks did not end in time and are dropped");
        }
        self.mailer.close().await;
        if tokio::time::timeout(self.config.shutdown_grace, self.cx.db.close()).await.is_err() {
            tracing::warn!("PostgreSQL does not answer; its connections are dropped");
        }
    }
}

fn build_mailer(config: &Config) -> Result<Mailer, StartError> {
    match &config.smtp_url {
        Some(url) => Mailer::smtp(&smtp_settings(url)).map_err(|error| StartError::Other(format!("SMTP_URL: {error}"))),
        None => Ok(Mailer::folder(&config.mail_folder)),
    }
}

/// Connecting and sending together stay below [`MAIL_HANDOVER`], so that a lease outlasts them. While the answer to a mail
/// is waited for, the lease is renewed.
fn smtp_settings(url: &str) -> SmtpSettings {
    let connect_timeout = std::time::Duration::from_secs(10);
    SmtpSettings { connect_timeout, send_timeout: MAIL_HANDOVER - connect_timeout, ..SmtpSettings::new(url) }
}
