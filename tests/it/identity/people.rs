//! A centre's users, and a relay that takes their mails.

use std::sync::Arc;

use horae::{
    auth::BuiltinRole,
    jobs::{Worker, WorkerOptions},
    mail::{Mailer, SmtpSettings},
    schema::id::{GlobalIds, Kind},
};
use sea_orm::Value as Sql;
use serde_json::{Value, json};
use sqlx::Connection;
use uuid::Uuid;

use crate::{
    centre::refused,
    support::{
        app::{Client, TestApp, password_hash},
        fixtures::Centre,
        smtp::{Received, SmtpSink, Which},
    },
};

pub const LOGIN: &str = "mutation($email: EmailAddress!, $password: String!, $slug: String!) {
    login(email: $email, password: $password, tenantSlug: $slug) { tokens { accessToken } userErrors { code } }
}";
pub const ACCEPT: &str = "mutation($token: String!, $password: String!, $name: String) {
    acceptInvite(token: $token, password: $password, name: $name) { ok userErrors { code message field } }
}";
pub const RESET: &str = "mutation($token: String!, $password: String!) {
    resetPassword(token: $token, newPassword: $password) { ok userErrors { code message field } }
}";
pub const REQUEST: &str = "mutation($email: EmailAddress!, $slug: String!) {
    requestPasswordReset(email: $email, tenantSlug: $slug) { accepted userErrors { code message field } }
}";
/// Good enough for everybody.
pub const GOOD: &str = "cuchara violeta tormenta 4";

/// The users of the centre `alfa`.
pub struct People {
    pub app: TestApp,
    pub centre: Centre,
    pub ids: GlobalIds,
    pub admin: Client,
}

impl People {
    pub async fn open() -> Self {
        let app = TestApp::start().await;
        let centre = Centre::of(&app, "alfa").await;
        let ids = GlobalIds::new(centre.cx.seal.clone(), &centre.system.tenant);
        let admin = app.admin("alfa").await;
        Self { app, centre, ids, admin }
    }

    pub fn id(&self, kind: Kind, id: Uuid) -> String {
        self.ids.encode(kind, id).0
    }

    /// A built-in role.
    pub async fn builtin(&self, role: BuiltinRole) -> Uuid {
        self.one("SELECT id FROM roles WHERE builtin = $1", vec![role.as_str().into()]).await
    }

    /// A role of the centre's own.
    pub async fn role(&self, name: &str, permissions: &[&str]) -> Uuid {
        let id = self.centre.cx.new_id();
        let words: Vec<String> = permissions.iter().map(|word| (*word).to_owned()).collect();
        let sql = "INSERT INTO roles (id, name, permissions) VALUES ($1, $2, $3)";
        self.centre.run(sql, vec![id.into(), name.into(), words.into()]).await;
        id
    }

    /// A user with these roles in these branches (none: every branch).
    pub async fn hire(&self, email: &str, roles: &[Uuid], branches: &[Uuid]) -> Uuid {
        let id = self.centre.cx.new_id();
        let hash = password_hash().await;
        let sql = "INSERT INTO users (id, email, name, status, password_hash, branch_ids, created_at, updated_at)
                   VALUES ($1, $2, split_part($2, '@', 1), 'ACTIVE', $3, $4, $5, $5)";
        let now = self.app.now();
        self.centre.run(sql, vec![id.into(), email.into(), hash.into(), branches.to_vec().into(), now.into()]).await;
        let sql = "INSERT INTO user_roles (user_id, role_id) SELECT $1, unnest($2::uuid[])";
        self.centre.run(sql, vec![id.into(), roles.to_vec().into()]).await;
        id
    }

    pub async fn login(&self, email: &str) -> Client {
        self.app.login("alfa", email).await
    }

    /// Whether a password lets somebody in.
    pub async fn gets_in(&self, email: &str, password: &str) -> bool {
        let variables = json!({"email": email, "password": password, "slug": "alfa"});
        self.app.anonymous().ok(LOGIN, variables).await["login"]["tokens"].is_object()
    }

    pub async fn one<T: sea_orm::TryGetable>(&self, sql: &'static str, values: Vec<Sql>) -> T {
        let tx = self.centre.cx.read(&self.centre.system).await.unwrap();
        let found: Option<T> = tx.scalar(sql, values).await.unwrap();
        tx.commit().await.unwrap();
        found.unwrap_or_else(|| panic!("nothing: {sql}"))
    }

    pub async fn version(&self, user: Uuid) -> i32 {
        self.one("SELECT version FROM users WHERE id = $1", vec![user.into()]).await
    }

    pub async fn status(&self, user: Uuid) -> String {
        self.one("SELECT status FROM users WHERE id = $1", vec![user.into()]).await
    }

    /// Types of the events about one subject, in order, but for logins.
    pub async fn events(&self, subject: Uuid) -> Vec<String> {
        let sql = "SELECT coalesce(array_agg(type ORDER BY position), '{}') FROM events WHERE subject_id = $1 AND type <> 'user.login'";
        self.one(sql, vec![subject.into()]).await
    }

    /// Actions that were audited about one subject, in order.
    pub async fn audited(&self, subject: Uuid) -> Vec<String> {
        let sql = "SELECT coalesce(array_agg(action ORDER BY ctid), '{}') FROM audit_entries WHERE subject_id = $1 AND action <> 'login'";
        self.one(sql, vec![subject.into()]).await
    }

    pub async fn invite(&self, by: &Client, input: Value) -> Value {
        let query = "mutation($input: InviteUserInput!) {
            inviteUser(input: $input) { user { id version status email name roles { name } branches { name } } userErrors { code message field } }
        }";
        by.ok(query, json!({ "input": input })).await["inviteUser"].clone()
    }

    pub async fn update(&self, by: &Client, input: Value) -> Value {
        let query = "mutation($input: UpdateUserInput!) {
            updateUser(input: $input) {
                user { id version status name timeZone roles { name } branches { name } grants { code branchIds } }
                userErrors { code message field ... on VersionConflictError { currentVersion } ... on InvalidTransitionError { from to allowed } }
            }
        }";
        by.ok(query, json!({ "input": input })).await["updateUser"].clone()
    }

    pub async fn upsert_role(&self, by: &Client, input: Value) -> Value {
        let query = "mutation($input: RoleInput!) {
            upsertRole(input: $input) { role { id name builtin permissions } userErrors { code message field } }
        }";
        by.ok(query, json!({ "input": input })).await["upsertRole"].clone()
    }

    /// Refused as said, and neither users nor roles nor links have changed.
    pub async fn refuses(&self, payload: impl Future<Output = Value>, expected: &[&str]) {
        let before = self.contents().await;
        let payload = payload.await;
        assert_eq!(refused(&payload), expected, "{payload}");
        assert_eq!(self.contents().await, before, "a refusal changed the database: {payload}");
    }

    /// All that the use cases of users write, as one text.
    async fn contents(&self) -> String {
        self.one(
            "SELECT concat((SELECT jsonb_agg(to_jsonb(t) - 'last_login_at' ORDER BY t.id) FROM users t), (SELECT jsonb_agg(t ORDER BY t) FROM user_roles t),
                 (SELECT jsonb_agg(t ORDER BY t.id) FROM roles t), (SELECT jsonb_agg(t ORDER BY t.id) FROM capability_tokens t),
                 (SELECT jsonb_agg(t ORDER BY t.id) FROM api_keys t), (SELECT jsonb_agg(t ORDER BY t.user_id) FROM mfa_factors t),
                 (SELECT jsonb_agg(t ORDER BY t.id) FROM email_messages t), (SELECT jsonb_agg(t.revoked_at ORDER BY t.id) FROM sessions t),
                 (SELECT count(*) FROM events WHERE type <> 'user.login'), (SELECT count(*) FROM audit_entries WHERE action <> 'login'))",
            vec![],
        )
        .await
    }

    /// Everything in the centre's schema and in the queue, as one text: what somebody reads who has stolen the database.
    pub async fn everything(&self) -> String {
        let mut all = String::new();
        for sql in [
            "SELECT coalesce(string_agg(t::text, ' '), '') FROM users t",
            "SELECT coalesce(string_agg(t::text, ' '), '') FROM capability_tokens t",
            "SELECT coalesce(string_agg(t::text, ' '), '') FROM email_messages t",
            "SELECT coalesce(string_agg(t::text, ' '), '') FROM events t",
            "SELECT coalesce(string_agg(t::text, ' '), '') FROM audit_entries t",
            "SELECT coalesce(string_agg(t::text, ' '), '') FROM sessions t",
            "SELECT coalesce(string_agg(t::text, ' '), '') FROM password_reset_requests t",
        ] {
            all.push_str(&self.one::<String>(sql, vec![]).await);
        }
        let mut owner = sqlx::PgConnection::connect(&self.app.database_url).await.unwrap();
        let jobs: String = sqlx::query_scalar("SELECT coalesce(string_agg(t::text, ' '), '') FROM queue.jobs t")
            .fetch_one(&mut owner)
            .await
            .unwrap();
        all + &jobs
    }
}

/// A relay, and a worker that hands it the centre's mails.
pub struct Post {
    pub sink: SmtpSink,
    pub worker: Worker,
}

impl Post {
    pub async fn open(app: &TestApp) -> Self {
        let sink = SmtpSink::start().await;
        let mailer = Arc::new(Mailer::smtp(&SmtpSettings::new(sink.url())).unwrap());
        Self { worker: Worker::new(app.app.cx.clone(), mailer, WorkerOptions::default()), sink }
    }

    /// Runs what is due, and gives what has arrived so far.
    pub async fn round(&self) -> Vec<Received> {
        self.worker.drain().await.unwrap();
        self.sink.messages(Which::Accepted).await
    }

    /// The mail that arrived last.
    pub async fn last(&self) -> Received {
        self.round().await.pop().expect("a mail")
    }
}

/// The word in the link of a mail.
pub fn token(mail: &Received) -> String {
    let link = mail.body.lines().find_map(|line| line.trim().strip_prefix("http://127.0.0.1:8080/u/"));
    link.unwrap_or_else(|| panic!("no link: {}", mail.body)).to_owned()
}
