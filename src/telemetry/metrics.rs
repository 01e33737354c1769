//! Every number that a node shows to Prometheus: names, meaning, buckets. A test compares the list with the source and
//! with `docs/operations.md`.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_process::Collector;

use crate::db::Db;

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations of what somebody waits for, in seconds.
    Seconds,
    /// Durations of what may be late by minutes or hours, in seconds.
    Lag,
    /// Sizes and costs.
    Amount,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// For operators.
    pub help: &'static str,
}

/// Bounds for what people wait for. With 0.25, 0.5, 1 and 2 an Apdex for targets of 250 and 500 ms can be read off.
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
const LAG: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21600.0];
const AMOUNT: &[f64] = &[1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0];

macro_rules! metrics {
    ($($kind:ident $name:ident = $help:literal;)+) => {
        /// Every metric of our own; those of the process (`process_*`) come from `metrics-process`.
        pub const METRICS: &[Metric] =
            &[$(Metric { name: stringify!($name), kind: Kind::$kind, help: $help }),+];
    };
}

metrics! {
    Counter http_requests_total = "HTTP requests answered, by route and status";
    Seconds http_request_seconds = "Time until an HTTP answer began, by route";
    Counter horae_operations_total = "GraphQL operations, by root field, kind and transport";
    Seconds horae_operation_seconds = "Time that queries and mutations took, by root field";
    Counter horae_operation_errors_total = "Operations answered with top-level errors, by root field and code";
    Counter horae_user_errors_total = "Refusals given as userErrors, by root field and code";
    Amount horae_operation_cost = "Cost of operations as computed before they ran, by root field";
    Counter horae_auth_failures_total = "Credentials that did not let anybody in, by reason";
    Counter horae_permission_denials_total = "Refusals for lack of a permission, by permission";
    Counter horae_tenant_mismatches_total = "Genuine words of one centre used in another, by what: id, page, cursor, slot";
    Counter horae_limits_kept_locally_total = "Times that a node kept its own buckets because Redis did not answer";
    Counter horae_capabilities_refused_total = "Capability tokens that opened nothing, by reason";
    Counter horae_passwords_set_total = "Passwords set by a mail's link, by purpose";
    Counter horae_password_resets_bounded_total = "Requests for new passwords that had no effect, beyond what one mail address or one centre may ask in an hour";
    Counter horae_connections_ended_total = "WebSockets ended because their session or key ended";
    Counter http_connections_refused_total = "Connections refused because there were too many";
    Counter horae_limited_total = "Operations refused because the caller or its centre asked too much, by limit";
    Counter horae_logins_total = "Logins, by outcome";
    Counter horae_refresh_reuse_total = "Refresh tokens used twice; each ended its session";
    Gauge graphql_sockets = "Open WebSockets";
    Counter graphql_socket_closes_total = "WebSockets closed, by code; peer: closed or lost by the client";
    Gauge horae_streams = "Running subscriptions";
    Counter horae_stream_events_total = "Events delivered to subscriptions, by topic";
    Counter horae_stream_resets_total = "Subscriptions ended with StreamReset, by reason";
    Counter horae_events_read_total = "Events read from the logs";
    Counter horae_hints_dropped_total = "Hints for other nodes that found no room; they find the events by polling";
    Counter horae_bookings_total = "Bookings, by channel";
    Counter horae_transaction_retries_total = "Transactions run again after a deadlock or a serialization failure";
    Gauge horae_db_connections = "Connections to PostgreSQL, by state: busy, idle";
    Gauge horae_db_waiting = "Transactions that wait for a connection";
    Seconds horae_db_acquire_seconds = "Time that transactions waited for a connection";
    Counter horae_db_acquire_timeouts_total = "Transactions that got no connection in time";
    Counter horae_jobs_total = "Jobs run, by kind and outcome: done, retried, postponed, failed, lost";
    Seconds horae_job_seconds = "Time that jobs took, by kind";
    Lag horae_job_lag_seconds = "Time from when a job was due to when it began, by kind";
    Gauge horae_jobs_due = "Jobs that are due and wait, by cell and kind";
    Gauge horae_jobs_failed = "Jobs that have failed for good and stay, by cell and kind";
    Counter horae_jobs_reclaimed_total = "Jobs taken back from workers that fell silent";
    Counter horae_mails_total = "Mails handed over or not, by kind and result: sent, later, failed, bounced";
    Counter horae_imported_rows_total = "Rows of spreadsheets with patients, by outcome: created, skipped, refused";
    Counter horae_record_signatures_broken_total = "Signed entries read that were not what was signed: somebody has changed them in the database";
    Counter horae_mail_bounce_alarms_total = "Centres of which too many mails bounced, at most one a day and centre";
    Counter horae_uploads_rejected_total = "Uploads removed because their bytes were not what was announced";
    Counter horae_mail_repeated_handovers_total = "Mails that may have been handed over twice with the same Message-ID";
}

/// A recorder with our buckets.
///
/// # Errors
/// Never with the buckets above.
pub fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        let buckets = match metric.kind {
            Kind::Counter | Kind::Gauge => continue,
            Kind::Seconds => SECONDS,
            Kind::Lag => LAG,
            Kind::Amount => AMOUNT,
        };
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
    }
    Ok(builder.build_recorder())
}

/// What is alarmed by when it happens once, with the labels that it is alarmed by. Known from the start: to who watches, a
/// counter that appears has not grown.
const ALARMS: &[(&str, &str, &[&str])] = &[
    ("horae_record_signatures_broken_total", "", &[]),
    ("horae_refresh_reuse_total", "", &[]),
    ("horae_db_acquire_timeouts_total", "", &[]),
    ("horae_mail_bounce_alarms_total", "", &[]),
    ("horae_auth_failures_total", "reason", &["signature", "algorithm", "issuer", "audience"]),
    ("horae_tenant_mismatches_total", "what", &["id", "page", "cursor", "slot"]),
];

/// Says what each metric means, to the recorder of this thread or process.
pub fn describe() {
    for Metric { name, kind, help } in METRICS {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, *help),
            Kind::Seconds | Kind::Lag => metrics::describe_histogram!(*name, metrics::Unit::Seconds, *help),
            Kind::Amount => metrics::describe_histogram!(*name, *help),
        }
    }
    for (name, label, words) in ALARMS {
        if words.is_empty() {
            metrics::counter!(*name).increment(0);
        }
        for word in *words {
            metrics::counter!(*name, *label => *word).increment(0);
        }
    }
    Collector::default().describe();
}

/// Numbers that are looked up when somebody asks, and the text of all.
#[derive(Clone)]
pub struct Exposition {
    handle: PrometheusHandle,
    db: Db,
}

impl std::fmt::Debug for Exposition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exposition")
    }
}

impl Exposition {
    /// Of this recorder and these pools.
    #[must_use]
    pub fn new(handle: PrometheusHandle, db: Db) -> Self {
        Self { handle, db }
    }

    /// Everything, in Prometheus' text format.
    pub async fn render(&self) -> String {
        let (open, idle) = self.db.pool_state().await;
        let idle = u32::try_from(idle).unwrap_or(u32::MAX).min(open);
        metrics::gauge!("horae_db_connections", "state" => "idle").set(idle);
        metrics::gauge!("horae_db_connections", "state" => "busy").set(open - idle);
        Collector::default().collect();
        self.handle.render()
    }
}
