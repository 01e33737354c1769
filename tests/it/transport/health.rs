//! What balancers and monitoring ask.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use horae::http::{Readiness, health_router};
use http_body_util::BodyExt;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

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
