//! Settings: the only reader of the environment. Every setting has a default that works on one machine, and is listed
//! with its meaning by `horae help config`.

mod values;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};

use self::values::Values;
use crate::{
    auth::{self, keyring::MasterKeys, token::TokenKeys},
    db::{ANSWER_LIMIT, CellPlan, DbOptions, Server},
    domain::{files::FileRules, limit::Rates},
    files,
    http::{Timeouts, TrustedProxies, graphql::SocketPlaces},
};

/// One setting, as `horae help config` lists it.
pub struct Setting {
    /// Name of the environment variable.
    pub name: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// What libraries read from the environment themselves; listed with the settings, and read by nothing here.
pub const OTHERS: &[Setting] = &[
    Setting {
        name: "OTEL_EXPORTER_OTLP_HEADERS",
        default: "",
        help: "Headers for the OpenTelemetry collector: name=value,name=value. Read by the exporter, like the other \
               variables that begin with OTEL_ and are not in this list.",
    },
    Setting {
        name: "TMPDIR",
        default: "/tmp",
        help: "Folder for copies of files that are looked into, spreadsheets and archives; a disk, not memory.",
    },
];

/// The longest that handing over one mail may take, without waiting for the relay's answer to it; a job's lease must be
/// longer.
pub const MAIL_HANDOVER: Duration = Duration::from_secs(40);

macro_rules! settings {
    ($($name:ident = $default:literal, $help:literal;)+) => {
        /// Every setting.
        pub const SETTINGS: &[Setting] = &[$(Setting { name: stringify!($name), default: $default, help: $help }),+];
    };
}

settings! {
    HORAE_LISTEN = "127.0.0.1:8080", "Address and port of the API.";
    HORAE_PUBLIC_URL = "", "Address under which patients and front ends reach the API; links in mails begin with it. Empty: http:// and HORAE_LISTEN, for trying things on one machine.";
    HORAE_ACCOUNT_URL = "", "Page of your front end where users set passwords; links in mails are this address, a slash and the token. Empty: Horae's own page, /u under HORAE_PUBLIC_URL.";
    HORAE_SECRET = "", "At least 32 characters, the same on every node. Tokens, ids and cursors are signed with keys derived from it.";
    HORAE_TOKEN_KEYS = "", "Keys of access tokens: kid:secret,kid:secret. The first signs, all verify, so that keys can be exchanged without a logout. The word derived stands for the key made from HORAE_SECRET, which is also the only one when this is empty. Secrets have at least 32 characters and no comma.";
    HORAE_MASTER_KEYS = "", "Keys that wrap the centres' own keys, with which patients' data are encrypted: name:secret,name:secret. The first wraps, all unwrap; horae keys rewrap goes over to the first. The word derived stands for the key made from HORAE_SECRET, which is also the only one when this is empty. Secrets have at least 32 characters and no comma. Whoever loses one that is in use loses what it protects.";
    HORAE_ALLOWED_ORIGINS = "", "Origins whose pages may call the API, separated by commas. Empty: any page, without cookies.";
    HORAE_TRUSTED_PROXIES = "", "Addresses or networks (10.0.0.0/8) of the proxies before this server, separated by commas. Only they are believed when X-Forwarded-For says whose request it is. Empty: nobody is.";
    HORAE_HSTS_SECONDS = "31536000", "For how long browsers are told to use https alone, for this host and its subdomains, when HORAE_PUBLIC_URL is https. 0: they are not told.";
    HORAE_REQUEST_TIMEOUT = "30", "Seconds that a query or mutation may run.";
    HORAE_BODY_TIMEOUT = "10", "Seconds for the body of a request to arrive.";
    HORAE_HEAD_TIMEOUT = "30", "Seconds for the head of a request to arrive, and for an idle connection to be kept. A balancer's own idle time should be shorter.";
    HORAE_WRITE_TIMEOUT = "30", "Seconds in which a client takes no byte of an answer, or on a socket not the whole of one result; then its connection or socket is cut.";
    HORAE_MAX_CONNECTIONS = "25000", "Connections that a node keeps open besides its sockets; further ones are closed at once.";
    HORAE_MAX_CONNECTIONS_PER_ADDRESS = "2500", "… from one address. Does not hold for HORAE_TRUSTED_PROXIES: theirs are those of everybody behind them.";
    HORAE_MAX_COST = "1000", "Highest cost of one operation; extensions.cost tells it.";
    HORAE_COST_CAPACITY = "2000", "Cost that one caller may spend at once; a centre as a whole ten times as much.";
    HORAE_COST_PER_SECOND = "100", "Cost that comes back to a caller in a second; to a centre ten times as much.";
    HORAE_ATTEMPTS_PER_ADDRESS = "60", "Tries in a minute from one address: of secrets, of links, of keys, and of times on a booking page, where holding, releasing and booking each count; of words of files twenty times as many.";
    HORAE_ATTEMPTS_PER_ACCOUNT = "10", "Tries of a secret in a minute for one account or token, whether it exists or not.";
    HORAE_MAX_SOCKETS = "20000", "Sockets open on a node; one more is refused. At most half of them may be of clients that have not logged in.";
    HORAE_MAX_SOCKETS_PER_TENANT = "5000", "… of one centre.";
    HORAE_MAX_SOCKETS_PER_ACTOR = "50", "… of one user or key.";
    HORAE_MAX_SOCKETS_PER_ADDRESS = "500", "… from one address that have not logged in. As everywhere, all IPv6 addresses of a /64 count as one.";
    HORAE_MAX_SUBSCRIPTIONS_PER_TENANT = "20000", "Subscriptions running on a node for one centre.";
    HORAE_MAX_SUBSCRIPTIONS_PER_ACTOR = "200", "… for one user or key.";
    HORAE_LOG_FORMAT = "text", "text for people, json for collectors.";
    RUST_LOG = "info,sqlx=warn,tower_http=warn,sea_orm_migration=warn", "Which log lines are written.";
    HORAE_METRICS_LISTEN = "", "Address and port for /metrics, /healthz and /readyz alone, also of worker nodes. Empty: API nodes serve /metrics with the API, worker nodes nowhere.";
    HORAE_OTLP_ENDPOINT = "", "OpenTelemetry collector for traces, OTLP over HTTP: http://host:4318. Empty: OTEL_EXPORTER_OTLP_ENDPOINT; without either no traces are sent.";
    OTEL_EXPORTER_OTLP_ENDPOINT = "", "The same under the name that OpenTelemetry gives it.";
    HORAE_TRACE_RATIO = "1", "Which part of all traces is sent, 0 to 1.";
    DATABASE_URL = "", "PostgreSQL as its owner: postgres://user:password@host:5432/database. Needed by migrate, tenant and demo; without it demo starts a PostgreSQL of its own.";
    DATABASE_APP_URL = "", "PostgreSQL as the application: a login role without rights of its own, possibly through PgBouncer in transaction mode: write ?statement-cache-capacity=0 behind the database when that is older than 1.21 or has max_prepared_statements = 0, and let it ignore_startup_parameters = extra_float_digits. Default: derived from DATABASE_URL, with the role horae_app.";
    DATABASE_SERVERS = "", "Further servers that cells may be on: name=owner-url|app-url, separated by blanks.";
    DATABASE_MAX_CONNECTIONS = "16", "Most connections of this process to one cell.";
    DATABASE_MAX_CONNECTIONS_PER_TENANT = "", "Most of them that one centre holds at the same time; what it asks beyond waits and leaves the rest to others. Empty: half of DATABASE_MAX_CONNECTIONS.";
    DATABASE_ACQUIRE_TIMEOUT = "5", "Seconds that a request waits for a connection before it is refused.";
    TENANTS_PER_CELL = "500", "How many new tenants share a database; 1 gives each its own.";
    REDIS_URL = "", "redis://host:6379, to carry hints between nodes. Empty: one node, or polling.";
    SMTP_URL = "", "smtp://user:password@host:587?tls=required. Empty: mail goes to HORAE_MAIL_FOLDER.";
    HORAE_MAIL_FOLDER = ".horae/mailbox", "Folder for mail when there is no SMTP_URL.";
    HORAE_MAIL_FROM = "citas@horae.localhost", "Sender of mails; the centre's name is put before it.";
    HORAE_MAIL_DOMAIN = "horae.localhost", "Domain of Message-IDs and calendar entries. Never change it: calendars would see new appointments.";
    HORAE_FILES = ".horae/files", "Where files lie: a folder, or s3://bucket/prefix for anything that speaks S3. All nodes need the same.";
    HORAE_S3_ENDPOINT = "", "Address of the service that holds the bucket: https://minio.example.com. Empty: Amazon's in HORAE_S3_REGION.";
    HORAE_S3_REGION = "us-east-1", "Region of the bucket.";
    HORAE_S3_KEY_ID = "", "Access key for the bucket.";
    HORAE_S3_SECRET = "", "Its secret.";
    HORAE_FILE_MAX_BYTES = "20971520", "Largest file that is taken.";
    HORAE_FILES_PER_OWNER = "200", "Most files of one patient; also of one user's imports.";
    HORAE_STORAGE_MIB = "20480", "Most mebibytes of all files that a centre brings, together; exports and reports of imports do not count.";
    HORAE_UPLOAD_TIMEOUT = "300", "Seconds for a file to arrive. No more than HORAE_BODY_TIMEOUT may pass without any of its bytes.";
    HORAE_DATA_DIR = ".horae", "Where demo keeps its database and settings. As root, from a folder that other accounts cannot enter: the database is in /var/lib/horae/, and the log says where.";
    HORAE_PG_BIN = "", "Folder of initdb, pg_ctl and postgres for demo, when they are in no usual place.";
    HORAE_MAILS_PER_SECOND = "100", "Most mails that a worker begins in a second: as many as the relay takes, and as few as leave the processors to the requests.";
    HORAE_WORKER_SLOTS = "21", "How many jobs of one cell a worker runs at once; mails, and jobs of one centre, take three quarters of them.";
    HORAE_JOB_LEASE = "60", "Seconds after which a job whose worker is silent is given to another. Longer than any mail takes to hand over.";
    HORAE_SHUTDOWN_GRACE = "20", "Seconds for running requests and jobs to end at a stop.";
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ConfigError {
    name: &'static str,
    problem: String,
}

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where it is reached.
    pub public_url: String,
    /// Where users set passwords.
    pub account_url: String,
    /// Source of all keys.
    pub secret: SecretString,
    /// Keys of access tokens, as written; see [`Config::token_keys`].
    pub token_keys: SecretString,
    /// Keys that wrap the centres' own, as written; see [`Config::master_keys`].
    pub master_keys: SecretString,
    /// Origins of pages; empty: any.
    pub allowed_origins: Vec<String>,
    /// Proxies that are believed when they say for whom they ask.
    pub trusted_proxies: TrustedProxies,
    /// How long browsers are told to use https alone; zero: not told.
    pub hsts: Duration,
    /// How long requests may take and connections may idle.
    pub timeouts: Timeouts,
    /// Connections of a node besides sockets …
    pub max_connections: usize,
    /// … and those of one address.
    pub max_connections_per_address: usize,
    /// What callers may spend and try.
    pub rates: Rates,
    /// How many sockets and subscriptions there may be.
    pub socket_places: SocketPlaces,
    /// Log lines as JSON.
    pub log_json: bool,
    /// Which log lines.
    pub log_filter: String,
    /// Where metrics are shown, when not with the API.
    pub metrics_listen: Option<SocketAddr>,
    /// Where traces go.
    pub otlp_endpoint: Option<String>,
    /// Which part of them.
    pub trace_ratio: f64,
    /// PostgreSQL as its owner.
    pub database_url: Option<String>,
    /// PostgreSQL as the application.
    pub database_app_url: Option<String>,
    /// Further servers.
    pub database_servers: HashMap<String, Server>,
    /// Connections per cell.
    pub database_max_connections: u32,
    /// Those of them that one tenant may hold.
    pub database_max_connections_per_tenant: u32,
    /// Patience for a connection.
    pub database_acquire_timeout: Duration,
    /// How long PostgreSQL is waited for after a question. No setting: it follows from what PostgreSQL is told.
    pub database_answer_limit: Duration,
    /// How new tenants are spread.
    pub cell_plan: CellPlan,
    /// Redis.
    pub redis_url: Option<String>,
    /// SMTP.
    pub smtp_url: Option<String>,
    /// Folder for mail.
    pub mail_folder: PathBuf,
    /// Sender.
    pub mail_from: String,
    /// Domain of Message-IDs.
    pub mail_domain: String,
    /// Where files lie.
    pub files: files::Place,
    /// How many and how large they may be.
    pub file_rules: FileRules,
    /// Where demo keeps its things.
    pub data_dir: PathBuf,
    /// Where the programs of demo's PostgreSQL are; none: looked for.
    pub pg_bin: Option<PathBuf>,
    /// Jobs at once.
    pub worker_slots: usize,
    /// Most mails that a worker begins in a second.
    pub mails_per_second: std::num::NonZeroU32,
    /// Lease of a job.
    pub job_lease: Duration,
    /// Patience at a stop.
    pub shutdown_grace: Duration,
}

/// Where this machine reaches what listens there.
fn local_url(listen: SocketAddr) -> String {
    let mut reached = listen;
    if listen.ip().is_unspecified() {
        reached.set_ip(if listen.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{reached}")
}

impl Config {
    /// From the process's environment.
    ///
    /// # Errors
    /// A setting that cannot be read, by name.
    pub fn from_env() -> Result<Self, ConfigError> {
        #[expect(clippy::disallowed_methods, reason = "the only reader of the environment")]
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// From any lookup of names: tests give their own.
    ///
    /// # Errors
    /// A setting that cannot be read, by name.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let values: HashMap<&'static str, String> = SETTINGS
            .iter()
            .map(|setting| {
                (
                    setting.name,
                    lookup(setting.name)
                        .filter(|value| !value.is_empty())
                        .unwrap_or_else(|| setting.default.to_owned()),
                )
            })
            .collect();
        let settings = Values::of(values);
        let listen = settings.parse("HORAE_LISTEN", "an address and port, like 0.0.0.0:8080")?;
        let public_url = settings
            .optional("HORAE_PUBLIC_URL")
            .map_or_else(|| local_url(listen), |url| url.trim_end_matches('/').to_owned());
        let database_max_connections: u32 = settings.parse("DATABASE_MAX_CONNECTIONS", "a number")?;
        let config = Self {
            listen,
            account_url: settings
                .optional("HORAE_ACCOUNT_URL")
                .map_or_else(|| format!("{public_url}/u"), |url| url.trim_end_matches('/').to_owned()),
            public_url,
            secret: settings.text("HORAE_SECRET").into(),
            token_keys: settings.text("HORAE_TOKEN_KEYS").into(),
            master_keys: settings.text("HORAE_MASTER_KEYS").into(),
            allowed_origins: settings.list("HORAE_ALLOWED_ORIGINS"),
            trusted_proxies: settings
                .parse("HORAE_TRUSTED_PROXIES", "a list of addresses or networks like 10.0.0.0/8")?,
            hsts: settings.seconds("HORAE_HSTS_SECONDS")?,
            timeouts: Timeouts {
                head: settings.some_seconds("HORAE_HEAD_TIMEOUT")?,
                body: settings.some_seconds("HORAE_BODY_TIMEOUT")?,
                request: settings.some_seconds("HORAE_REQUEST_TIMEOUT")?,
                write: settings.some_seconds("HORAE_WRITE_TIMEOUT")?,
            },
            max_connections: settings.some("HORAE_MAX_CONNECTIONS")?,
            max_connections_per_address: settings.some("HORAE_MAX_CONNECTIONS_PER_ADDRESS")?,
            rates: Rates {
                max_cost: settings.some("HORAE_MAX_COST")?,
                capacity: settings.some("HORAE_COST_CAPACITY")?,
                per_second: settings.some("HORAE_COST_PER_SECOND")?,
                attempts_per_address: settings.some("HORAE_ATTEMPTS_PER_ADDRESS")?,
                attempts_per_account: settings.some("HORAE_ATTEMPTS_PER_ACCOUNT")?,
            },
            socket_places: SocketPlaces {
                node: settings.some("HORAE_MAX_SOCKETS")?,
                tenant: settings.some("HORAE_MAX_SOCKETS_PER_TENANT")?,
                actor: settings.some("HORAE_MAX_SOCKETS_PER_ACTOR")?,
                address: settings.some("HORAE_MAX_SOCKETS_PER_ADDRESS")?,
                subscriptions_of_tenant: settings.some("HORAE_MAX_SUBSCRIPTIONS_PER_TENANT")?,
                subscriptions_of_actor: settings.some("HORAE_MAX_SUBSCRIPTIONS_PER_ACTOR")?,
            },
            log_json: match settings.text("HORAE_LOG_FORMAT").as_str() {
                "text" => false,
                "json" => true,
                _ => return Err(ConfigError { name: "HORAE_LOG_FORMAT", problem: "write text or json".to_owned() }),
            },
            log_filter: settings.text("RUST_LOG"),
            metrics_listen: match settings.optional("HORAE_METRICS_LISTEN") {
                Some(_) => Some(settings.parse("HORAE_METRICS_LISTEN", "an address and port, like 127.0.0.1:9464")?),
                None => None,
            },
            otlp_endpoint: settings
                .optional("HORAE_OTLP_ENDPOINT")
                .or_else(|| settings.optional("OTEL_EXPORTER_OTLP_ENDPOINT")),
            trace_ratio: settings.parse("HORAE_TRACE_RATIO", "a number from 0 to 1")?,
            database_url: settings.optional("DATABASE_URL"),
            database_app_url: settings.optional("DATABASE_APP_URL"),
            database_servers: servers(&settings.text("DATABASE_SERVERS"))?,
            database_max_connections,
            database_max_connections_per_tenant: match settings.optional("DATABASE_MAX_CONNECTIONS_PER_TENANT") {
                Some(_) => settings.some("DATABASE_MAX_CONNECTIONS_PER_TENANT")?,
                None => (database_max_connections / 2).max(1),
            },
            database_acquire_timeout: settings.seconds("DATABASE_ACQUIRE_TIMEOUT")?,
            database_answer_limit: ANSWER_LIMIT,
            cell_plan: CellPlan { tenants_per_cell: settings.parse("TENANTS_PER_CELL", "a number")? },
            redis_url: settings.optional("REDIS_URL"),
            smtp_url: settings.optional("SMTP_URL"),
            mail_folder: settings.text("HORAE_MAIL_FOLDER").into(),
            mail_from: settings.text("HORAE_MAIL_FROM"),
            mail_domain: settings.text("HORAE_MAIL_DOMAIN"),
            files: files_place(&settings)?,
            file_rules: FileRules {
                max_bytes: settings.some("HORAE_FILE_MAX_BYTES")?,
                per_owner: settings.some("HORAE_FILES_PER_OWNER")?,
                storage_mib: settings.some("HORAE_STORAGE_MIB")?,
                upload_seconds: settings.some("HORAE_UPLOAD_TIMEOUT")?,
            },
            data_dir: settings.text("HORAE_DATA_DIR").into(),
            pg_bin: settings.optional("HORAE_PG_BIN").map(PathBuf::from),
            mails_per_second: settings.parse("HORAE_MAILS_PER_SECOND", "a number from 1 on")?,
            worker_slots: settings.parse("HORAE_WORKER_SLOTS", "a number")?,
            job_lease: settings.seconds("HORAE_JOB_LEASE")?,
            shutdown_grace: settings.seconds("HORAE_SHUTDOWN_GRACE")?,
        };
        if config.cell_plan.tenants_per_cell == 0 {
            return Err(ConfigError { name: "TENANTS_PER_CELL", problem: "write 1 or more".to_owned() });
        }
        if config.rates.capacity < config.rates.max_cost {
            let problem = "must be at least HORAE_MAX_COST, or some operations could never run".to_owned();
            return Err(ConfigError { name: "HORAE_COST_CAPACITY", problem });
        }
        if !(0.0..=1.0).contains(&config.trace_ratio) {
            return Err(ConfigError { name: "HORAE_TRACE_RATIO", problem: "write a number from 0 to 1".to_owned() });
        }
        if crate::mail::mailbox("", &config.mail_from).is_err() {
            let problem =
                "write the address alone, such as citas@example.com; centres put their names before it".to_owned();
            return Err(ConfigError { name: "HORAE_MAIL_FROM", problem });
        }
        if config.job_lease < MAIL_HANDOVER + Duration::from_secs(5) {
            let problem =
                format!("must be at least {} s: a hand-over of mail may take that long", MAIL_HANDOVER.as_secs() + 5);
            return Err(ConfigError { name: "HORAE_JOB_LEASE", problem });
        }
        Ok(config)
    }

    /// The secret, long enough to derive keys from.
    ///
    /// # Errors
    /// When it is missing or short.
    pub fn secret(&self) -> Result<&[u8], ConfigError> {
        let secret = self.secret.expose_secret().as_bytes();
        if secret.len() < 32 {
            let problem =
                "set it to at least 32 random characters, for example the output of `openssl rand -hex 32`".to_owned();
            return Err(ConfigError { name: "HORAE_SECRET", problem });
        }
        Ok(secret)
    }

    /// The keys that sign and verify access tokens.
    ///
    /// # Errors
    /// When one of them cannot be used, or the secret is missing.
    pub fn token_keys(&self) -> Result<TokenKeys, ConfigError> {
        TokenKeys::from_setting(self.token_keys.expose_secret(), self.secret()?)
            .map_err(|error| ConfigError { name: "HORAE_TOKEN_KEYS", problem: error.to_string() })
    }

    /// The keys that wrap the centres' own keys.
    ///
    /// # Errors
    /// When one of them cannot be used, or the secret is missing.
    pub fn master_keys(&self) -> Result<MasterKeys, ConfigError> {
        MasterKeys::from_setting(self.master_keys.expose_secret(), self.secret()?)
            .map_err(|error| ConfigError { name: "HORAE_MASTER_KEYS", problem: error.to_string() })
    }

    /// How to reach PostgreSQL.
    ///
    /// # Errors
    /// When neither URL is set, or the secret is missing that the application's password is derived from.
    pub fn db_options(&self) -> Result<DbOptions, ConfigError> {
        let app_url = match (&self.database_app_url, &self.database_url) {
            (Some(url), _) => url.clone(),
            (None, Some(owner)) => derived_app_url(owner, self.secret()?)?,
            (None, None) => {
                let problem =
                    "set it to a PostgreSQL that horae may use, or run `horae demo`, which brings its own".to_owned();
                return Err(ConfigError { name: "DATABASE_URL", problem });
            }
        };
        let mut servers = self.database_servers.clone();
        servers.insert("main".to_owned(), Server { app_url, admin_url: self.database_url.clone() });
        Ok(DbOptions {
            servers,
            max_connections: self.database_max_connections,
            connections_per_tenant: self.database_max_connections_per_tenant,
            acquire_timeout: self.database_acquire_timeout,
            answer_limit: self.database_answer_limit,
        })
    }
}

/// The owner's URL with the application's role and a password derived from the secret: the same on every node, and
/// nowhere stored.
fn derived_app_url(owner: &str, secret: &[u8]) -> Result<String, ConfigError> {
    let problem = || ConfigError {
        name: "DATABASE_URL",
        problem: "write postgres://user:password@host:5432/database".to_owned(),
    };
    let (scheme, rest) = owner.split_once("://").ok_or_else(problem)?;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let password = hex::encode(auth::derive(secret, b"horae database role 1"));
    Ok(format!("{scheme}://horae_app:{password:.32}@{place}"))
}

/// Where files lie; a bucket needs its key too.
fn files_place(settings: &Values) -> Result<files::Place, ConfigError> {
    let place = settings.text("HORAE_FILES");
    let Some(bucket) = place.strip_prefix("s3://") else {
        return Ok(files::Place::Folder(place.into()));
    };
    let (bucket, prefix) = bucket.split_once('/').unwrap_or((bucket, ""));
    let needed = |name| {
        let problem = || ConfigError { name, problem: "files in a bucket need it".to_owned() };
        settings.optional(name).ok_or_else(problem)
    };
    if bucket.is_empty() {
        return Err(ConfigError { name: "HORAE_FILES", problem: "write s3://bucket/prefix".to_owned() });
    }
    Ok(files::Place::S3(files::S3Place {
        bucket: bucket.to_owned(),
        prefix: prefix.trim_matches('/').to_owned(),
        endpoint: settings.optional("HORAE_S3_ENDPOINT").map(|url| url.trim_end_matches('/').to_owned()),
        region: settings.text("HORAE_S3_REGION"),
        key_id: needed("HORAE_S3_KEY_ID")?,
        secret: needed("HORAE_S3_SECRET")?.into(),
    }))
}

fn servers(text: &str) -> Result<HashMap<String, Server>, ConfigError> {
    text.split_whitespace()
        .map(|entry| {
            let problem = || ConfigError {
                name: "DATABASE_SERVERS",
                problem: format!("`{}` is not name=owner-url|app-url", entry.split('=').next().unwrap_or_default()),
            };
            let (name, urls) = entry.split_once('=').ok_or_else(problem)?;
            let (owner, app) = urls.split_once('|').ok_or_else(problem)?;
            let admin_url = (!owner.is_empty()).then(|| owner.to_owned());
            Ok((name.to_owned(), Server { app_url: app.to_owned(), admin_url }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public_url(settings: &[(&str, &str)]) -> Option<String> {
        let value =
            |name: &str| settings.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Config::from_lookup(value).ok().map(|config| config.public_url)
    }

    #[test]
    fn a_sender_that_is_no_address_is_refused_before_any_mail_is() {
        for (from, fits) in [("citas@example.com", true), ("Horae <citas@example.com>", false), ("citas", false)] {
            let read = Config::from_lookup(|name| (name == "HORAE_MAIL_FROM").then(|| from.to_owned()));
            assert!(read.map_or_else(|error| error.name == "HORAE_MAIL_FROM" && !fits, |_| fits), "{from}");
        }
    }

    #[test]
    fn links_lead_to_where_the_server_listens_unless_it_is_told_otherwise() {
        for (settings, url) in [
            (&[][..], "http://127.0.0.1:8080"),
            (&[("HORAE_LISTEN", "127.0.0.1:9000")], "http://127.0.0.1:9000"),
            (&[("HORAE_LISTEN", "0.0.0.0:80")], "http://127.0.0.1:80"),
            (&[("HORAE_LISTEN", "[::]:9000")], "http://[::1]:9000"),
            (
                &[("HORAE_LISTEN", "0.0.0.0:80"), ("HORAE_PUBLIC_URL", "https://horae.example/")],
                "https://horae.example",
            ),
        ] {
            assert_eq!(public_url(settings).as_deref(), Some(url));
        }
    }
}
