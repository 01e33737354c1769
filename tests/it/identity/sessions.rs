//! The list of sessions, and the end of one.

use std::net::SocketAddr;

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, header},
};
use horae::{
    auth::BuiltinRole,
    schema::id::{GlobalIds, Kind},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use crate::support::{
    app::{Client, PASSWORD, TestApp},
    fixtures::Centre,
};

const VIEWER: &str = "{ viewer { user { id name } } }";
const LIST: &str = "query($user: ID, $first: Int, $after: String, $last: Int, $before: String) {
    sessions(userId: $user, first: $first, after: $after, last: $last, before: $before) {
        nodes { id user { name } device ip createdAt expiresAt revokedAt }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount
    }
}";
const REVOKE: &str = "mutation($session: ID!) {
    revokeSession(sessionId: $session) { session { id revokedAt } userErrors { code field } }
}";

async fn list(client: &Client, variables: Value) -> Value {
    client.ok(LIST, variables).await["sessions"].clone()
}

async fn newest(client: &Client) -> String {
    list(client, json!({"first": 1})).await["nodes"][0]["id"].as_str().unwrap().to_owned()
}

async fn user_id(client: &Client) -> String {
    client.ok(VIEWER, json!({})).await["viewer"]["user"]["id"].as_str().unwrap().to_owned()
}

fn not_found(field: &str) -> Value {
    json!({"session": null, "userErrors": [{"code": "NOT_FOUND", "field": [field]}]})
}

/// Asks as a browser behind a balancer does.
async fn from_afar(app: &TestApp, forwarded: &str, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables}).to_string();
    let request = Request::post("/graphql")
        .extension(ConnectInfo::<SocketAddr>("10.0.0.7:40000".parse().unwrap()))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "Agenda/7.1 (tablet)")
        .header("x-forwarded-for", forwarded)
        .body(Body::from(body))
        .unwrap();
    let response = app.router.clone().oneshot(request).await.unwrap();
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn a_session_tells_device_and_the_address_behind_a_trusted_proxy() {
    let app = TestApp::start_with(&[("HORAE_TRUSTED_PROXIES", "10.0.0.0/8")]).await;
    let login = "mutation($password: String!) {
        login(email: \"admin@alfa.test\", password: $password, tenantSlug: \"alfa\") { tokens { accessToken refreshToken } }
    }";
    let answer = from_afar(&app, "6.6.6.6, 198.51.100.9", login, json!({"password": PASSWORD})).await;
    let tokens = &answer["data"]["login"]["tokens"];
    let client = Client { token: tokens["accessToken"].as_str().map(str::to_owned), ..app.anonymous() };
    let seen = list(&client, json!({"first": 1})).await["nodes"][0].clone();
    assert_eq!(
        (&seen["user"]["name"], &seen["device"], &seen["ip"], &seen["revokedAt"]),
        (&json!("Admin alfa"), &json!("Agenda/7.1 (tablet)"), &json!("198.51.100.9"), &Value::Null)
    );
    assert_eq!(
        (&seen["createdAt"], &seen["expiresAt"]),
        (&json!("2026-07-13T12:00:00+00:00"), &json!("2026-08-12T12:00:00+00:00"))
    );

    let refresh = "mutation($token: String!) { refreshSession(refreshToken: $token) { tokens { accessToken } } }";
    from_afar(&app, "2001:db8::9", refresh, json!({"token": tokens["refreshToken"]})).await;
    assert_eq!(list(&client, json!({"first": 1})).await["nodes"][0]["ip"], "2001:db8::9", "it has moved");
}

#[tokio::test]
async fn everybody_sees_the_own_sessions_and_who_administers_users_sees_others() {
    let app = TestApp::start().await;
    let (admin, desk) = (app.admin("alfa").await, app.user("alfa", BuiltinRole::Receptionist).await);
    let beta = app.admin("beta").await;
    let (boss, clerk, stranger) = (user_id(&admin).await, user_id(&desk).await, user_id(&beta).await);
    for (client, user) in [(&desk, json!(null)), (&desk, json!(clerk)), (&admin, json!(clerk))] {
        let seen = list(client, json!({"user": user, "first": 5})).await;
        assert_eq!(seen["nodes"].as_array().unwrap().len(), 1);
        assert_eq!(seen["nodes"][0]["user"]["name"], "Receptionist");
    }
    let ids = GlobalIds::new(app.app.cx.seal.clone(), &app.actor_of(&admin).await.tenant);
    let nobody = ids.encode(Kind::User, Uuid::nil()).to_string();
    for (client, user) in [(&desk, &boss), (&desk, &nobody), (&admin, &nobody), (&admin, &stranger), (&beta, &boss)] {
        assert_eq!(client.error_code(LIST, json!({"user": user, "first": 5})).await, "NOT_FOUND");
    }
    for (client, code) in [(app.page("alfa").await, "UNAUTHENTICATED"), (app.anonymous(), "UNAUTHENTICATED")] {
        assert_eq!(client.error_code(LIST, json!({"first": 5})).await, code);
        assert_eq!(client.error_code(REVOKE, json!({"session": nobody})).await, code);
    }
}

#[tokio::test]
async fn the_list_is_paged_both_ways_with_the_same_statements() {
    let app = TestApp::start().await;
    let mut client = app.admin("alfa").await;
    for _ in 0..4 {
        app.clock.advance(chrono::TimeDelta::minutes(1));
        client = app.admin("alfa").await;
    }
    let all = list(&client, json!({"first": 100})).await["nodes"].clone();
    let ids =
        |page: &Value| page["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect::<Vec<_>>();
    assert_eq!(all.as_array().unwrap().len(), 5);
    let newest_first: Vec<Value> = all.as_array().unwrap().iter().map(|node| node["id"].clone()).collect();
    let first = list(&client, json!({"first": 2})).await;
    let second = list(&client, json!({"first": 2, "after": first["pageInfo"]["endCursor"]})).await;
    let back = list(&client, json!({"last": 2, "before": second["pageInfo"]["startCursor"]})).await;
    assert_eq!((ids(&first), ids(&second)), (newest_first[..2].to_vec(), newest_first[2..4].to_vec()));
    assert_eq!(ids(&back), ids(&first));
    let mut statements = Vec::new();
    for many in [1, 5] {
        // The look at open connections may fall into a round, so the best of some counts.
        let mut fewest = u64::MAX;
        for _ in 0..3 {
            let before = app.app.cx.db.statements();
            list(&client, json!({"first": many})).await;
            fewest = fewest.min(app.app.cx.db.statements() - before);
        }
        statements.push(fewest);
    }
    assert_eq!(statements[0], statements[1]);
}

#[tokio::test]
async fn a_session_is_ended_by_its_user_or_an_administrator_and_by_nobody_else() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let (admin, desk, other) = (
        app.admin("alfa").await,
        app.user("alfa", BuiltinRole::Receptionist).await,
        app.user("alfa", BuiltinRole::Receptionist).await,
    );
    let beta = app.admin("beta").await;
    let (boss, clerk) = (newest(&admin).await, newest(&desk).await);
    let ids = GlobalIds::new(app.app.cx.seal.clone(), &app.actor_of(&admin).await.tenant);
    let nobody = ids.encode(Kind::Session, Uuid::nil()).to_string();
    let of_another_kind = user_id(&admin).await;
    for (client, session) in [
        (&other, &boss),
        (&other, &clerk),
        (&beta, &clerk),
        (&other, &nobody),
        (&admin, &nobody),
        (&admin, &of_another_kind),
    ] {
        let answer = client.ok(REVOKE, json!({"session": session})).await["revokeSession"].clone();
        assert_eq!(answer, not_found("sessionId"));
    }
    desk.ok(VIEWER, json!({})).await;

    let ended = admin.ok(REVOKE, json!({"session": clerk})).await["revokeSession"].clone();
    assert_eq!(ended["userErrors"], json!([]));
    assert_eq!(ended["session"], json!({"id": clerk, "revokedAt": "2026-07-13T12:00:00+00:00"}));
    assert_eq!(desk.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    app.clock.advance(chrono::TimeDelta::minutes(1));
    let again = admin.ok(REVOKE, json!({"session": clerk})).await["revokeSession"].clone();
    assert_eq!(again, ended, "ending it twice changes nothing");

    let own = newest(&other).await;
    other.ok(REVOKE, json!({"session": own})).await;
    assert_eq!(other.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");

    let tx = centre.cx.read(&centre.system).await.unwrap();
    for sql in [
        "SELECT count(*) FROM audit_entries WHERE action = 'revokeSession' AND subject_type = 'Session' AND after ? 'revokedAt'",
        "SELECT count(*) FROM events WHERE type = 'user.session_invalidated'",
    ] {
        assert_eq!(tx.scalar::<i64>(sql, []).await.unwrap(), Some(2), "{sql}");
    }
    tx.commit().await.unwrap();
}
