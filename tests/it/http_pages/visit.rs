//! An appointment with links, and a browser without JavaScript.

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use chrono::{DateTime, Utc};
use horae::{
    auth::{token_hash, word},
    domain::identity::capability::Purpose,
};
use http_body_util::BodyExt;
use tower::ServiceExt;
use uuid::Uuid;

use crate::support::{
    app::TestApp,
    fixtures::{Booking, Centre},
};

/// Tomorrow, 10:00 in Santiago.
pub const START: &str = "2026-07-14T14:00:00Z";
pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// An appointment of Rosa with Ana in the centre `alfa`.
pub struct Visit {
    pub app: TestApp,
    pub centre: Centre,
    pub id: Uuid,
}

/// What a browser got.
pub struct Seen {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub html: String,
}

impl Visit {
    pub async fn open() -> Self {
        Self::named("Providencia", "Limpieza facial", "Ana Rojas").await
    }

    pub async fn named(branch: &str, treatment: &str, professional: &str) -> Self {
        let app = TestApp::start().await;
        let centre = Centre::of(&app, "alfa").await;
        let branch = centre.branch(branch, "America/Santiago").await;
        centre
            .run(
                "UPDATE branches SET phone = '+56223456789', email = 'hola@alfa.test', min_cancel_notice_s = 7200,
                     address = jsonb_build_object('line1', 'Av. Providencia 1234', 'city', 'Santiago', 'country', 'CL')
                 WHERE id = $1",
                vec![branch.into()],
            )
            .await;
        let ana = centre.professional(professional, branch).await;
        let treatment = centre.treatment(treatment, 45).await;
        let rosa = centre.patient("Rosa", "Soto").await;
        let id = centre.book(Booking::new(branch, rosa, treatment, START, 45).with(ana)).await;
        Self { app, centre, id }
    }

    /// A link's token, as a mail carries it.
    pub async fn token(&self, purpose: Purpose) -> String {
        let start: DateTime<Utc> = START.parse().unwrap();
        let token =
            format!("{}{}.{}", word::CAPABILITY, self.centre.system.tenant.key, self.app.app.cx.new_id().simple());
        self.centre
            .run(
                "INSERT INTO capability_tokens (id, token_hash, purpose, resource_id, expires_at, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
                vec![
                    self.app.app.cx.new_id().into(),
                    token_hash(&token).into(),
                    purpose.as_str().into(),
                    self.id.into(),
                    start.into(),
                    self.app.now().into(),
                ],
            )
            .await;
        token
    }

    pub async fn get(&self, token: &str, headers: &[(&str, &str)]) -> Seen {
        self.ask(Method::GET, token, headers, "").await
    }

    pub async fn post(&self, token: &str, form: &str) -> Seen {
        self.ask(Method::POST, token, &[FORM, ("sec-fetch-site", "same-origin"), ("origin", "null")], form).await
    }

    pub async fn ask(&self, method: Method, token: &str, headers: &[(&str, &str)], body: &str) -> Seen {
        let mut request = Request::builder().method(method).uri(format!("/a/{token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response =
            self.app.router.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let html = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert_eq!(parts.headers[header::CONTENT_TYPE], "text/html; charset=utf-8", "{html}");
        Seen { status: parts.status, headers: parts.headers, html }
    }

    /// State, uses of all links together, and the reason of a cancellation.
    pub async fn state(&self) -> (String, i64, Option<String>) {
        let tx = self.centre.cx.read(&self.centre.system).await.unwrap();
        let status: Option<String> =
            tx.scalar("SELECT status FROM appointments WHERE id = $1", [self.id.into()]).await.unwrap();
        let uses: Option<i64> =
            tx.scalar("SELECT coalesce(sum(uses), 0)::bigint FROM capability_tokens", []).await.unwrap();
        let reason: Vec<String> = tx
            .scalars(
                "SELECT cancel_reason FROM appointments WHERE id = $1 AND cancel_reason IS NOT NULL",
                [self.id.into()],
            )
            .await
            .unwrap();
        tx.commit().await.unwrap();
        (status.unwrap(), uses.unwrap(), reason.into_iter().next())
    }
}

impl Seen {
    /// Whether the page offers to do something.
    pub fn has_form(&self) -> bool {
        self.html.contains("<form method=\"post\">")
    }

    pub fn says(&self, words: &[&str]) {
        let html = self.html.replace("&#x2f;", "/");
        for word in words {
            assert!(html.contains(word), "`{word}` is not in {}", self.html);
        }
    }
}
