//! Login, refresh, logout, viewer.

use horae::auth::BuiltinRole;
use serde_json::{Value, json};

use crate::support::{
    app::{Client, PASSWORD, TestApp},
    fixtures::Centre,
};

const LOGIN: &str = "mutation($email: EmailAddress!, $password: String!, $slug: String!) {
    login(email: $email, password: $password, tenantSlug: $slug) {
        tokens { accessToken accessExpiresAt refreshToken }
        viewer { actor { kind displayName } permissions { code branchIds } }
        userErrors { code message field }
    }
}";
const REFRESH: &str = "mutation($token: String!) {
    refreshSession(refreshToken: $token) { tokens { accessToken refreshToken } userErrors { code field } }
}";
const VIEWER: &str = "{ viewer { actor { kind displayName } } }";

async fn login(app: &TestApp, slug: &str, email: &str, password: &str) -> Value {
    app.anonymous().ok(LOGIN, json!({"email": email, "password": password, "slug": slug})).await["login"].clone()
}

#[tokio::test]
async fn the_administrator_logs_in_and_sees_who_it_is() {
    let app = TestApp::start().await;
    let answer = login(&app, "alfa", "Admin@ALFA.test", PASSWORD).await;
    assert_eq!(answer["userErrors"], json!([]));
    assert_eq!(answer["viewer"]["actor"], json!({"kind": "USER", "displayName": "Admin alfa"}));
    assert_eq!(answer["viewer"]["permissions"].as_array().unwrap().len(), 34);
    assert_eq!(answer["tokens"]["accessExpiresAt"], "2026-07-13T12:10:00+00:00");
    let client = Client { token: answer["tokens"]["accessToken"].as_str().map(str::to_owned), ..app.anonymous() };
    assert_eq!(client.ok(VIEWER, json!({})).await["viewer"]["actor"]["displayName"], "Admin alfa");
}

#[tokio::test]
async fn every_wrong_login_gets_the_same_answer() {
    let app = TestApp::start().await;
    let wrong = [
        login(&app, "alfa", "admin@alfa.test", "guess").await,
        login(&app, "alfa", "nobody@alfa.test", PASSWORD).await,
        login(&app, "beta", "admin@alfa.test", PASSWORD).await,
        login(&app, "nowhere", "admin@alfa.test", PASSWORD).await,
    ];
    for answer in &wrong {
        assert_eq!(answer, &wrong[0]);
        assert_eq!(answer["tokens"], Value::Null);
        assert_eq!(answer["userErrors"][0]["code"], "INVALID");
    }
}

#[tokio::test]
async fn nobody_and_forged_words_are_unauthenticated() {
    let app = TestApp::start().await;
    assert_eq!(app.anonymous().error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    let admin = app.admin("alfa").await;
    let mut forged = admin.token.clone().unwrap();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'B' } else { 'A' });
    forged.truncate(forged.len());
    for token in [forged, "eyJhbGciOiJub25lIn0.e30.".to_owned(), "pk1.x".to_owned(), "x".repeat(5000)] {
        let client = Client { token: Some(token), ..app.anonymous() };
        let (status, answer) = client.answer(VIEWER, json!({})).await;
        assert_eq!((status.as_u16(), &answer["errors"][0]["extensions"]["code"]), (401, &json!("UNAUTHENTICATED")));
    }
}

#[tokio::test]
async fn an_access_token_expires_by_the_clock() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    admin.ok(VIEWER, json!({})).await;
    app.clock.advance(chrono::Duration::minutes(10));
    assert_eq!(admin.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn refreshing_rotates_and_reuse_ends_the_session() {
    let app = TestApp::start().await;
    let first = login(&app, "alfa", "admin@alfa.test", PASSWORD).await;
    let old = first["tokens"]["refreshToken"].clone();
    let second = app.anonymous().ok(REFRESH, json!({"token": old})).await["refreshSession"].clone();
    let new = second["tokens"]["refreshToken"].clone();
    assert_ne!(old, new);
    let reused = app.anonymous().ok(REFRESH, json!({"token": old})).await;
    assert_eq!(reused["refreshSession"]["userErrors"][0]["code"], "TOKEN_USED");
    let after = app.anonymous().ok(REFRESH, json!({"token": new})).await;
    assert_eq!(after["refreshSession"]["userErrors"][0]["code"], "TOKEN_INVALID");
    let made_up = app.anonymous().ok(REFRESH, json!({"token": "rt1.guess"})).await;
    assert_eq!(made_up["refreshSession"]["userErrors"], json!([{"code": "TOKEN_INVALID", "field": ["refreshToken"]}]));
}

#[tokio::test]
async fn two_refreshes_at_once_yield_one_pair() {
    let app = TestApp::start().await;
    let answer = login(&app, "alfa", "admin@alfa.test", PASSWORD).await;
    let token = answer["tokens"]["refreshToken"].clone();
    let tries = (0..8).map(|_| {
        let (client, token) = (app.anonymous(), token.clone());
        async move { client.ok(REFRESH, json!({"token": token})).await["refreshSession"]["tokens"].is_object() }
    });
    let won = futures::future::join_all(tries).await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_session_that_is_over_ends_its_access_token_too() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let (ends, stays) =
        (app.user("alfa", BuiltinRole::Receptionist).await, app.user("alfa", BuiltinRole::Receptionist).await);
    let user = app.actor_of(&ends).await.id.unwrap();
    let over = app.now() + chrono::TimeDelta::minutes(1);
    let sql = "UPDATE sessions SET expires_at = $2 WHERE user_id = $1";
    assert_eq!(centre.run(sql, vec![user.into(), over.into()]).await, 1);
    // Another node, which has seen neither of them; the access tokens are good for minutes yet.
    app.clock.advance(chrono::TimeDelta::minutes(2));
    let node = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    let on_node = |client: &Client| Client { token: client.token.clone(), ..node.anonymous() };
    on_node(&stays).ok(VIEWER, json!({})).await;
    assert_eq!(on_node(&ends).error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn logout_ends_the_session() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let answer = admin.ok("mutation { logout { ok userErrors { code } } }", json!({})).await;
    assert_eq!(answer["logout"], json!({"ok": true, "userErrors": []}));
    assert_eq!(admin.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
}
