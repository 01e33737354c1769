//! A new password, by who knows the old one.

use horae::auth::BuiltinRole;
use serde_json::{Value, json};

use crate::support::{
    app::{Client, PASSWORD, TestApp},
    fixtures::Centre,
};

const NEXT: &str = "violet spoon thunder fax";
const VIEWER: &str = "{ viewer { user { email version } } }";
const CHANGE: &str = "mutation($current: String!, $next: String!) {
    changePassword(current: $current, next: $next) { ok revokedSessions userErrors { code field } }
}";
const LOGIN: &str = "mutation($password: String!) {
    login(email: \"admin@alfa.test\", password: $password, tenantSlug: \"alfa\") { tokens { refreshToken } }
}";

async fn change(client: &Client, current: &str, next: &str) -> Value {
    client.ok(CHANGE, json!({"current": current, "next": next})).await["changePassword"].clone()
}

fn refused(field: &str) -> Value {
    json!({"ok": false, "revokedSessions": 0, "userErrors": [{"code": "INVALID", "field": [field]}]})
}

#[tokio::test]
async fn a_new_password_ends_the_others_and_this_session_goes_on() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let (here, there, elsewhere) = (app.admin("alfa").await, app.admin("alfa").await, app.admin("alfa").await);
    let colleague = app.user("alfa", BuiltinRole::Receptionist).await;
    let refresh =
        app.anonymous().ok(LOGIN, json!({"password": PASSWORD})).await["login"]["tokens"]["refreshToken"].clone();
    let version = here.ok(VIEWER, json!({})).await["viewer"]["user"]["version"].as_i64().unwrap();
    assert_eq!(change(&here, PASSWORD, NEXT).await, json!({"ok": true, "revokedSessions": 3, "userErrors": []}));
    assert_eq!(here.ok(VIEWER, json!({})).await["viewer"]["user"]["version"], version + 1);
    colleague.ok(VIEWER, json!({})).await;
    for client in [there, elsewhere] {
        assert_eq!(client.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    }
    let refreshed = "mutation($token: String!) { refreshSession(refreshToken: $token) { userErrors { code } } }";
    let answer = app.anonymous().ok(refreshed, json!({"token": refresh})).await;
    assert_eq!(answer["refreshSession"]["userErrors"], json!([{"code": "TOKEN_INVALID"}]));
    for (password, works) in [(PASSWORD, false), (NEXT, true)] {
        let answer = app.anonymous().ok(LOGIN, json!({"password": password})).await;
        assert_eq!(answer["login"]["tokens"].is_object(), works);
    }
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let trail: Vec<String> = tx
        .scalars("SELECT subject_type FROM audit_entries WHERE action = 'changePassword' ORDER BY subject_type", [])
        .await
        .unwrap();
    let told: Option<String> = tx
        .scalar("SELECT string_agg(coalesce(before::text, '') || coalesce(after::text, ''), '') FROM audit_entries", [])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(trail, ["Session", "Session", "Session", "User"]);
    assert!(!told.unwrap().contains("argon2"), "the trail holds no hash");
}

#[tokio::test]
async fn wrong_weak_and_unchanged_passwords_change_nothing() {
    let app = TestApp::start().await;
    let (client, other) = (app.admin("alfa").await, app.admin("alfa").await);
    for (current, next, field) in [
        ("not the password", NEXT, "current"),
        (&"x".repeat(2_000), NEXT, "current"),
        (PASSWORD, "short", "next"),
        (PASSWORD, "", "next"),
        (PASSWORD, &"long".repeat(300), "next"),
        (PASSWORD, PASSWORD, "next"),
    ] {
        assert_eq!(change(&client, current, next).await, refused(field), "{field}");
    }
    other.ok(VIEWER, json!({})).await;
    app.admin("alfa").await;
}

#[tokio::test]
async fn of_two_changes_at_once_one_wins_and_the_other_is_told() {
    let app = TestApp::start().await;
    let (one, two) = (app.admin("alfa").await, app.admin("alfa").await);
    let tries = [(&one, "first spoon thunder fax"), (&two, "second spoon thunder fax")];
    let answers = futures::future::join_all(
        tries.map(|(client, next)| client.send(CHANGE, json!({"current": PASSWORD, "next": next}))),
    )
    .await;
    let won = answers.iter().filter(|answer| answer["data"]["changePassword"]["ok"] == json!(true)).count();
    assert_eq!(won, 1, "{answers:#?}");
}
