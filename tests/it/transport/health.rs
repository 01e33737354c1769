//! What balancers and monitoring ask.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use futures::{FutureExt, future::join};
use horae::{
    db::Access,
    domain::clock::{Clock, SystemClock},
    http::{Readiness, graphiql::GraphiqlPage, health_router},
    mail::Mailer,
};
use http_body_util::BodyExt;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::support::app::{TestApp, build};

/// The system's clock, wrong by so much.
struct Wrong(TimeDelta);

impl Clock for Wrong {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.0
    }
}

async fn get(routes: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = routes.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn is_ready_when_all_checks_pass() {
    let stopping = CancellationToken::new();
    let good = Readiness::new(stopping.clone()).check("database", || async { Ok(()) });
    let routes = health_router(good.clone());
    assert_eq!(get(&routes, "/healthz").await, (StatusCode::OK, "ok".to_owned()));
    let (status, body) = get(&routes, "/readyz").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"checks":{"database":"ok"},"status":"ready"}"#));

    let bad = good.check("bus", || async { Err("secret address".to_owned()) }).check("slow", std::future::pending);
    let (status, body) = get(&health_router(bad), "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains(r#""bus":"failed""#) && body.contains(r#""slow":"failed""#), "{body}");
    assert!(!body.contains("secret"), "{body}");

    stopping.cancel();
    assert_eq!(get(&routes, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&routes, "/healthz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn however_many_ask_at_once_few_checks_are_made() {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&made);
    let check = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().map(Ok)
    };
    let routes = health_router(Readiness::new(CancellationToken::new()).check("database", check));
    let asked = futures::future::join_all((0..100).map(|_| get(&routes, "/readyz"))).await;
    assert!(asked.iter().all(|(status, _)| *status == StatusCode::OK));
    // One for the first, and one for all who asked while it ran.
    assert_eq!(made.load(Ordering::SeqCst), 2);
    get(&routes, "/readyz").await;
    assert_eq!(made.load(Ordering::SeqCst), 3, "an answer is never older than its question");
}

#[tokio::test]
async fn is_not_ready_while_its_clock_is_not_the_databases() {
    let database_url = TestApp::start().await.database_url.clone();
    for (wrong, status, clock) in [
        (TimeDelta::zero(), StatusCode::OK, r#"{"checks":{"clock":"ok","database":"ok"},"status":"ready"}"#),
        (TimeDelta::seconds(5), StatusCode::SERVICE_UNAVAILABLE, r#""clock":"failed","database":"ok""#),
        (TimeDelta::seconds(-5), StatusCode::SERVICE_UNAVAILABLE, r#""clock":"failed","database":"ok""#),
    ] {
        let app = build(&database_url, &[], Arc::new(Wrong(wrong)), Mailer::folder("/nonexistent"));
        let (found, body) = get(&app.router(GraphiqlPage::new(Vec::new()), None), "/readyz").await;
        assert!(found == status && body.contains(clock), "{wrong}: {found} {body}");
        app.stop().await;
    }
}

#[tokio::test]
async fn waiting_for_a_connection_is_no_wrong_clock() {
    let app = TestApp::start_with(&[("DATABASE_MAX_CONNECTIONS", "1")]).await;
    let db = &app.app.cx.db;
    let tenant = db.find_tenant_by_slug("alfa").await.unwrap().unwrap();
    let held = db.begin(&tenant, Access::Read).await.unwrap();
    let free = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        held.commit().await.unwrap();
    };
    let (skew, ()) = join(db.clock_skew(|| SystemClock.now()), free).await;
    assert!(skew.unwrap() < Duration::from_secs(1));
}
