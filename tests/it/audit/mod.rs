//! The audit trail: complete, final, hanging together, and telling nothing that it must not.

mod append_only;
mod chain;
mod entries;
pub mod files;
mod mutations;
mod patients;
mod portability;
mod record;
mod request_id;
pub mod rows;

use axum::{
    body::Body,
    http::{HeaderMap, Request, header},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tower::ServiceExt;

use crate::support::app::{Client, TestApp};

/// Sends an operation under a request id of the client's own; headers and body of the answer.
async fn send_as(client: &Client, id: &str, query: &str, variables: &Value) -> (HeaderMap, Value) {
    let mut request =
        Request::post("/graphql").header(header::CONTENT_TYPE, "application/json").header("x-request-id", id);
    if let Some(token) = &client.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = json!({"query": query, "variables": variables}).to_string();
    let response = client.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let headers = response.headers().clone();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (headers, serde_json::from_slice(&bytes).unwrap())
}

/// Whoever owns the database of a test: may do everything.
struct Owner(PgConnection);

impl Owner {
    /// With the search path of a centre's schema.
    async fn of(app: &TestApp, slug: &str) -> Self {
        let tenant = app.app.cx.db.find_tenant_by_slug(slug).await.unwrap().unwrap();
        let mut connection = PgConnection::connect(&app.database_url).await.unwrap();
        let path = format!("SET search_path TO {}", tenant.schema_name);
        sqlx::raw_sql(AssertSqlSafe(path)).execute(&mut connection).await.unwrap();
        Self(connection)
    }

    async fn run(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.0).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    async fn one<T>(&mut self, sql: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut self.0)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Takes the fences down for one statement, as somebody with the keys to the server can.
    async fn tamper(&mut self, sql: &str) {
        self.run("ALTER TABLE audit_entries DISABLE TRIGGER USER").await;
        self.run(sql).await;
        self.run("ALTER TABLE audit_entries ENABLE TRIGGER USER").await;
    }
}
