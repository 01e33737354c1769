//! What answers tell browsers.

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode},
};
use tower::ServiceExt;

use crate::support::app::TestApp;

async fn ask(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    (response.status(), response.headers().clone())
}

#[tokio::test]
async fn every_answer_forbids_what_nobody_needs() {
    let app = TestApp::start_with(&[("HORAE_PUBLIC_URL", "https://horae.example/api")]).await;
    for path in ["/", "/graphql?query=%7B__typename%7D", "/graphql", "/graphiql", "/healthz", "/nowhere", "/a/guessed"]
    {
        let (_, headers) = ask(&app, Method::GET, path, &[]).await;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(headers["strict-transport-security"], "max-age=31536000; includeSubDomains", "{path}");
        assert!(headers.contains_key("x-request-id"), "{path}");
    }
    let plain = TestApp::on(&app.database_url, &[]).await;
    let (_, headers) = ask(&plain, Method::GET, "/healthz", &[]).await;
    assert!(!headers.contains_key("strict-transport-security"), "not over plain http");
}

#[tokio::test]
async fn only_configured_origins_may_read_answers() {
    let origins = [("HORAE_ALLOWED_ORIGINS", "https://agenda.example, https://reservas.example")];
    let app = TestApp::start_with(&origins).await;
    let preflight = |origin: &'static str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type,x-request-id,traceparent"),
        ];
        let app = &app;
        async move { ask(app, Method::OPTIONS, "/graphql", &headers).await.1 }
    };
    let headers = preflight("https://reservas.example").await;
    assert_eq!(headers["access-control-allow-origin"], "https://reservas.example");
    for name in ["authorization", "content-type", "x-request-id", "traceparent"] {
        assert!(headers["access-control-allow-headers"].to_str().unwrap().contains(name), "{name}");
    }
    assert!(!headers.contains_key("access-control-allow-credentials"), "no cookies, ever");
    assert!(!preflight("https://evil.example").await.contains_key("access-control-allow-origin"));
    let (_, headers) =
        ask(&app, Method::GET, "/graphql?query=%7B__typename%7D", &[("origin", "https://agenda.example")]).await;
    let exposed = headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("x-request-id") && exposed.contains("retry-after"), "{exposed}");
    assert!(headers["vary"].to_str().unwrap().contains("origin") || headers.get_all("vary").iter().count() > 1);
}
