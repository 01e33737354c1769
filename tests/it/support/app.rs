//! A whole server with a database of its own, a clock that the test moves, and clients that speak to its real router.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use chrono::{DateTime, Utc};
use horae::{
    app::App,
    auth::{Actor, BuiltinRole, password},
    config::Config,
    db::CellPlan,
    domain::{
        change::{Change, Changes},
        clock::{Clock, ManualClock},
        identity::keys,
        platform::create_tenant::{self, NewCentre, NewUser, insert_user},
    },
    http::graphiql::GraphiqlPage,
    jobs::Drained,
    mail::Mailer,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tower::ServiceExt;

use super::postgres;

/// Of every test's server.
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Of every user.
pub const PASSWORD: &str = "correct horse battery";
/// [`PASSWORD`] as the database keeps it, computed once: hashing is slow on purpose.
pub async fn password_hash() -> String {
    static HASH: OnceCell<String> = OnceCell::const_new();
    HASH.get_or_init(async || password::hash(PASSWORD.to_owned()).await.unwrap()).await.clone()
}

/// Tests come from one address, in a hurry, under a clock that stands still; those about limits set their own.
const BOUNDLESS: &[(&str, &str)] = &[
    ("HORAE_COST_CAPACITY", "1000000000"),
    ("HORAE_COST_PER_SECOND", "1000000"),
    ("HORAE_ATTEMPTS_PER_ADDRESS", "1000000"),
    ("HORAE_ATTEMPTS_PER_ACCOUNT", "1000000"),
];
/// A pool opens its connections when they are first needed: sixteen at once, by an unoptimised binary that shares its
/// processors with hundreds of tests, take longer than a request in production should wait.
const PATIENT: (&str, &str) = ("DATABASE_ACQUIRE_TIMEOUT", "30");
/// A Monday, 08:00 in Santiago.
pub const START: &str = "2026-07-13T12:00:00Z";

/// A server under test.
pub struct TestApp {
    pub app: App,
    pub clock: ManualClock,
    pub router: Router,
    pub database_url: String,
    pub mailbox: TempDir,
    pub files: TempDir,
}

/// A test that ends gives its database connections back: hundreds of tests share one server.
impl Drop for TestApp {
    fn drop(&mut self) {
        self.app.shutdown.cancel();
        self.app.live.stop();
    }
}

impl TestApp {
    /// A server with the centres `alfa` (Santiago, CLP) and `beta` (Madrid, EUR).
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same with some settings of its own.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let database_url = postgres::database_from_template(fill).await;
        Self::on(&database_url, settings).await
    }

    /// A server whose sessions with the database go by the clock of another zone.
    pub async fn start_with_sessions_in(zone: &'static str) -> Self {
        let database_url = postgres::database_from_template(fill).await;
        Self::on(&postgres::with_sessions_in(&database_url, zone).await, &[]).await
    }

    /// A server, or one more node, on this database.
    pub async fn on(database_url: &str, settings: &[(&str, &str)]) -> Self {
        let clock = ManualClock::new(START.parse().unwrap());
        Self::with_clock(database_url, settings, clock).await
    }

    /// A node that waits so long for an answer of the database.
    pub async fn impatient(database_url: &str, settings: &[(&str, &str)], answer_limit: Duration) -> Self {
        let clock = ManualClock::new(START.parse().unwrap());
        let hurry = |config: &mut Config| config.database_answer_limit = answer_limit;
        Self::with(database_url, settings, clock, hurry)
    }

    /// A node on this database that shares another's clock.
    pub async fn with_clock(database_url: &str, settings: &[(&str, &str)], clock: ManualClock) -> Self {
        Self::with(database_url, settings, clock, |_| ())
    }

    fn with(
        database_url: &str,
        settings: &[(&str, &str)],
        clock: ManualClock,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let (mailbox, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folder = ("HORAE_FILES", files.path().to_str().unwrap());
        let mut config = config(database_url, &[&[folder], settings].concat());
        change(&mut config);
        let mailer = Arc::new(Mailer::folder(mailbox.path()));
        let app = App::build(config, Arc::new(clock.clone()), Some(mailer)).unwrap();
        let router = app.router(GraphiqlPage::new(Vec::new()), None);
        Self { app, clock, router, database_url: database_url.to_owned(), mailbox, files }
    }

    /// Nobody.
    pub fn anonymous(&self) -> Client {
        Client { router: self.router.clone(), token: None }
    }

    /// The administrator of a centre.
    pub async fn admin(&self, slug: &str) -> Client {
        self.login(slug, &format!("admin@{slug}.test")).await
    }

    /// Any user of a centre.
    pub async fn login(&self, slug: &str, email: &str) -> Client {
        let answer = self
            .anonymous()
            .ok(
                "mutation($email: EmailAddress!, $password: String!, $slug: String!) {
                     login(email: $email, password: $password, tenantSlug: $slug) { tokens { accessToken } userErrors { code message } }
                 }",
                json!({"email": email, "password": PASSWORD, "slug": slug}),
            )
            .await;
        let token = answer["login"]["tokens"]["accessToken"].as_str().unwrap_or_else(|| panic!("login: {answer}"));
        Client { router: self.router.clone(), token: Some(token.to_owned()) }
    }

    /// The administrator of a centre, for calling use cases directly.
    pub async fn actor(&self, slug: &str) -> Arc<Actor> {
        let client = self.admin(slug).await;
        self.actor_of(&client).await
    }

    /// The actor that a client's token stands for.
    pub async fn actor_of(&self, client: &Client) -> Arc<Actor> {
        let who = self.app.authenticator.bearer(client.token.as_deref().unwrap(), None, &"test".into()).await.unwrap();
        who.unwrap().actor
    }

    /// Horae itself, working for a centre.
    pub async fn system(&self, slug: &str) -> Actor {
        let tenant = self.app.cx.db.find_tenant_by_slug(slug).await.unwrap().unwrap();
        Actor::system(tenant, "test", "test")
    }

    /// A new user with one built-in role, logged in.
    pub async fn user(&self, slug: &str, role: BuiltinRole) -> Client {
        let email = format!("{}-{}@{slug}.test", role.as_str().to_lowercase(), self.app.cx.new_id().simple());
        let system = self.system(slug).await;
        let tx = self.app.cx.write(&system).await.unwrap();
        let hash = password_hash().await;
        let new = NewUser { email: &email, name: role.display_name(), password_hash: Some(hash), role };
        let id = insert_user(&self.app.cx, &tx, new).await.unwrap();
        self.app.cx.commit(tx, Changes::one(&system, Change::audited("test", "User", id))).await.unwrap();
        self.login(slug, &email).await
    }

    /// A booking page of a centre.
    pub async fn page(&self, slug: &str) -> Client {
        let actor = self.actor(slug).await;
        let key = keys::create_publishable(&self.app.cx, &actor, "page", Vec::new()).await.unwrap();
        Client { router: self.router.clone(), token: Some(key) }
    }

    /// Listens on a port of its own until the test ends.
    pub async fn listen(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = self.router.clone().into_make_service_with_connect_info::<SocketAddr>();
        self.app.tasks.spawn(async move { axum::serve(listener, router).await });
        address
    }

    /// Runs every job that is due by the test's clock, and tells what became of them.
    pub async fn run_jobs(&self) -> Drained {
        self.app.worker().drain().await.unwrap()
    }

    /// The mails in the mailbox, in order of their dates, as they went out.
    pub fn mails(&self) -> Vec<String> {
        let mut files: Vec<_> =
            std::fs::read_dir(self.mailbox.path()).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
    }

    /// Waits until so many transactions wait for a lock of another. They give up after ten seconds.
    pub async fn blocked(&self, count: i64) {
        let mut owner = PgConnection::connect(&self.database_url).await.unwrap();
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let waiting = async {
            while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut owner).await.unwrap() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(9), waiting).await.unwrap_or_else(|_| panic!("{count} do not wait"));
    }

    /// Now, by the test's clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

/// A server's parts on this database.
pub fn build(database_url: &str, settings: &[(&str, &str)], clock: Arc<dyn Clock>, mailer: Mailer) -> App {
    App::build(config(database_url, settings), clock, Some(Arc::new(mailer))).unwrap()
}

/// Settings of a server on this database.
pub fn config(database_url: &str, settings: &[(&str, &str)]) -> Config {
    let settings: HashMap<String, String> =
        [("HORAE_SECRET", SECRET), ("DATABASE_URL", database_url), ("DATABASE_MAX_CONNECTIONS", "20"), PATIENT]
            .iter()
            .chain(BOUNDLESS)
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
    Config::from_lookup(|name| settings.get(name).cloned()).unwrap()
}

async fn fill(database_url: String) {
    let clock = ManualClock::new(START.parse().unwrap());
    let app = build(&database_url, &[], Arc::new(clock), Mailer::folder("/nonexistent"));
    app.cx.db.migrate_catalogue().await.unwrap();
    for (slug, country, currency, locale, zone) in
        [("alfa", "CL", "CLP", "es-CL", "America/Santiago"), ("beta", "ES", "EUR", "es-ES", "Europe/Madrid")]
    {
        let new = NewCentre {
            slug: slug.to_owned(),
            trade_name: format!("Centro {slug}"),
            legal_name: format!("Centro {slug} SpA"),
            country: country.to_owned(),
            currency: currency.to_owned(),
            locale: locale.to_owned(),
            default_time_zone: zone.parse().unwrap(),
            vertical: "CLINIC".to_owned(),
            operating_mode: "BY_PROFESSIONAL".to_owned(),
            dedicated: false,
            admin_email: format!("admin@{slug}.test"),
            admin_name: format!("Admin {slug}"),
            admin_password: Some(PASSWORD.to_owned()),
        };
        create_tenant::run(&app.cx, CellPlan { tenants_per_cell: 500 }, new).await.unwrap();
    }
    app.stop().await;
}

/// Speaks to a server's router, with or without a token.
#[derive(Clone)]
pub struct Client {
    pub router: Router,
    pub token: Option<String>,
}

impl Client {
    /// The whole answer.
    pub async fn send(&self, query: &str, variables: Value) -> Value {
        self.answer(query, variables).await.1
    }

    /// Status and answer.
    pub async fn answer(&self, query: &str, variables: Value) -> (StatusCode, Value) {
        self.posted(json!({"query": query, "variables": variables})).await
    }

    /// The answer to a request that is more than a document and its variables.
    pub async fn post(&self, body: Value) -> Value {
        self.posted(body).await.1
    }

    async fn posted(&self, body: Value) -> (StatusCode, Value) {
        let mut request = Request::post("/graphql").header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = body.to_string();
        let response = self.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let answer = serde_json::from_slice(&bytes)
            .unwrap_or_else(|error| panic!("{status} {error}: {}", String::from_utf8_lossy(&bytes)));
        (status, answer)
    }

    /// The data of an answer without errors.
    pub async fn ok(&self, query: &str, variables: Value) -> Value {
        let answer = self.send(query, variables).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].clone()
    }

    /// The code of the first top-level error.
    pub async fn error_code(&self, query: &str, variables: Value) -> String {
        let answer = self.send(query, variables).await;
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no error: {answer:#}")).to_owned()
    }
}
