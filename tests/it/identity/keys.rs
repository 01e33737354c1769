//! Keys of programs: made, used, listed, revoked.

use std::{sync::Arc, time::Duration};

use axum::http::header;
use chrono::TimeDelta;
use horae::{
    auth::{ActorKind, BuiltinRole},
    domain::identity::authenticate::STALENESS,
    events::{ResetReason, Topic, Wanted},
    schema::id::{GlobalIds, Kind},
};
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use super::{field, fine, refusal, refused};
use crate::{
    live::{ready, reset},
    support::{
        app::{Client, TestApp},
        fixtures::Centre,
    },
};

const CREATE: &str = "mutation($input: CreateApiKeyInput!) {
    createApiKey(input: $input) {
        apiKey { id name prefix permissions publishable allowedOrigins createdAt lastUsedAt expiresAt revokedAt }
        secret
        userErrors { code message field }
    }
}";
const REVOKE: &str =
    "mutation($id: ID!) { revokeApiKey(id: $id) { apiKey { id revokedAt } userErrors { code field } } }";
const LIST: &str = "query($first: Int, $after: String, $last: Int, $before: String) {
    apiKeys(first: $first, after: $after, last: $last, before: $before) {
        nodes { name lastUsedAt } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
}";
const VIEWER: &str = "{ viewer { actor { kind displayName } user { id } permissions { code branchIds } } }";
const MAILS: &str = "{ emailMessages(first: 1) { nodes { id } } }";

fn secret(permissions: &[&str]) -> Value {
    json!({"name": "Web shop", "permissions": permissions, "publishable": false})
}

async fn create(client: &Client, input: Value) -> Value {
    field(client, CREATE, json!({ "input": input }), "createApiKey").await
}

/// A key's word and id.
async fn made(client: &Client, input: Value) -> (String, Value) {
    let payload = fine(create(client, input).await);
    (payload["secret"].as_str().unwrap().to_owned(), payload["apiKey"]["id"].clone())
}

fn program(app: &TestApp, word: &str) -> Client {
    Client { token: Some(word.to_owned()), ..app.anonymous() }
}

#[tokio::test]
async fn a_secret_key_acts_with_its_permissions_and_no_more() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let payload = fine(create(&admin, secret(&["AGENDA_READ", "PATIENT_READ"])).await);
    let word = payload["secret"].as_str().unwrap();
    let key = &payload["apiKey"];
    assert_eq!(key["permissions"], json!(["AGENDA_READ", "PATIENT_READ"]));
    assert_eq!(
        (&key["publishable"], &key["allowedOrigins"], &key["revokedAt"]),
        (&json!(false), &json!([]), &Value::Null)
    );
    let prefix = key["prefix"].as_str().unwrap();
    assert!(word.starts_with(prefix) && prefix.starts_with("sk") && word.len() > prefix.len() + 32, "{prefix}");

    let client = program(&app, word);
    let viewer = client.ok(VIEWER, json!({})).await["viewer"].clone();
    assert_eq!(viewer["actor"], json!({"kind": "API_KEY", "displayName": "Web shop"}));
    assert_eq!(viewer["user"], Value::Null);
    let granted: Vec<&Value> = viewer["permissions"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert_eq!(granted, [&json!("AGENDA_READ"), &json!("PATIENT_READ")]);
    client.ok(MAILS, json!({})).await;
    assert_eq!(client.error_code("{ apiKeys(first: 1) { nodes { id } } }", json!({})).await, "FORBIDDEN");
    let enrolled = client.ok("mutation { enrolMfa { userErrors { code } } }", json!({})).await;
    assert_eq!(enrolled["enrolMfa"]["userErrors"][0]["code"], "FORBIDDEN", "programs have no telephone");

    for word in [format!("{word}x"), word.replace("sk", "pk"), word.to_uppercase(), "sk1.guess".to_owned()] {
        assert_eq!(program(&app, &word).error_code(VIEWER, json!({})).await, "UNAUTHENTICATED", "{word}");
    }
    let centre = Centre::of(&app, "alfa").await;
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let texts: Vec<String> = tx
        .scalars(
            "SELECT row_to_json(k)::text FROM api_keys k UNION ALL SELECT row_to_json(a)::text FROM audit_entries a",
            [],
        )
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert!(texts.iter().all(|text| !text.contains(&word[prefix.len()..])), "only a hash is kept");
    assert_eq!(centre.count("SELECT count(*) FROM events WHERE type = 'api_key.created'").await, 1);
}

#[tokio::test]
async fn nobody_makes_a_key_that_may_more_than_they() {
    let app = TestApp::start().await;
    let desk = app.user("alfa", BuiltinRole::Receptionist).await;
    assert_eq!(refused(&create(&desk, secret(&["AGENDA_READ"])).await), refusal("FORBIDDEN", ""));
    let centre = Centre::of(&app, "alfa").await;
    let role = Uuid::new_v4();
    let sql = "INSERT INTO roles (id, name, permissions) VALUES ($1, 'Staff office', '{USER_ADMIN}')";
    centre.run(sql, vec![role.into()]).await;
    let user = app.actor_of(&desk).await.id.unwrap();
    centre.run("INSERT INTO user_roles (user_id, role_id) VALUES ($1, $2)", vec![user.into(), role.into()]).await;
    let node = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    let office = Client { token: desk.token.clone(), ..node.anonymous() };
    fine(create(&office, secret(&["AGENDA_READ", "USER_ADMIN"])).await);
    let more = create(&office, secret(&["AGENDA_READ", "CONFIG_WRITE"])).await;
    assert_eq!(refused(&more), refusal("FORBIDDEN", "permissions.1"));
    // Administering users of one branch is not administering the centre's keys.
    let branch = centre.branch("Providencia", "America/Santiago").await;
    centre.run("UPDATE users SET branch_ids = ARRAY[$1] WHERE id = $2", vec![branch.into(), user.into()]).await;
    let node = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    let office = Client { token: desk.token.clone(), ..node.anonymous() };
    assert_eq!(refused(&create(&office, secret(&["AGENDA_READ"])).await), refusal("FORBIDDEN", ""));
}

#[tokio::test]
async fn keys_make_no_keys() {
    let app = TestApp::start().await;
    let (word, _) = made(&app.admin("alfa").await, secret(&["USER_ADMIN"])).await;
    let client = program(&app, &word);
    assert_eq!(refused(&create(&client, secret(&["USER_ADMIN"])).await), refusal("FORBIDDEN", ""));
    client.ok(LIST, json!({"first": 1})).await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_field() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let page =
        |origins: Value| json!({"name": "Page", "permissions": [], "publishable": true, "allowedOrigins": origins});
    for (input, expected) in [
        (json!({"name": " ", "permissions": ["AGENDA_READ"], "publishable": false}), ("REQUIRED", "name")),
        (json!({"name": "x".repeat(201), "permissions": ["AGENDA_READ"], "publishable": false}), ("INVALID", "name")),
        (json!({"name": "a\u{0}b", "permissions": ["AGENDA_READ"], "publishable": false}), ("INVALID", "name")),
        (secret(&[]), ("REQUIRED", "permissions")),
        (
            json!({"name": "x", "permissions": ["AGENDA_READ"], "publishable": false, "expiresAt": "2026-07-13T12:00:00Z"}),
            ("INVALID", "expiresAt"),
        ),
        (
            json!({"name": "x", "permissions": ["AGENDA_READ"], "publishable": false, "allowedOrigins": ["https://a.test"]}),
            ("INVALID", "allowedOrigins"),
        ),
        (page(Value::Null), ("REQUIRED", "allowedOrigins")),
        (page(json!([])), ("REQUIRED", "allowedOrigins")),
        (page(json!(["https://a.test", "*"])), ("INVALID", "allowedOrigins.1")),
        (page(json!(["https://a.test/page"])), ("INVALID", "allowedOrigins.0")),
        (page(json!(vec!["https://a.test"; 21])), ("INVALID", "allowedOrigins")),
        (
            json!({"name": "x", "permissions": ["AGENDA_READ"], "publishable": true, "allowedOrigins": ["https://a.test"]}),
            ("INVALID", "permissions"),
        ),
    ] {
        assert_eq!(refused(&create(&admin, input.clone()).await), refusal(expected.0, expected.1), "{input}");
    }
    assert_eq!(Centre::of(&app, "alfa").await.count("SELECT count(*) FROM api_keys").await, 0);
}

#[tokio::test]
async fn a_publishable_key_works_on_its_pages_only() {
    let app = TestApp::start().await;
    let input = json!({"name": "Page", "permissions": [], "publishable": true, "allowedOrigins": ["https://Alfa.test/", "http://localhost:3000"]});
    let payload = fine(create(&app.admin("alfa").await, input).await);
    assert_eq!(payload["apiKey"]["allowedOrigins"], json!(["https://alfa.test", "http://localhost:3000"]));
    let word = payload["secret"].as_str().unwrap();
    assert!(word.starts_with("pk"));
    for (origin, status) in [
        (Some("https://alfa.test"), 200),
        (Some("http://localhost:3000"), 200),
        (Some("https://alfa.test.evil.test"), 401),
        (Some("null"), 401),
        (None, 401),
    ] {
        let mut request = axum::http::Request::post("/graphql")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {word}"));
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let body = json!({"query": "{ publicBookingPage(tenantSlug: \"alfa\") { tenantName } }"}).to_string();
        let answer = app.router.clone().oneshot(request.body(axum::body::Body::from(body)).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{origin:?}");
    }
}

#[tokio::test]
async fn a_key_expires_by_the_clock() {
    let app = TestApp::start().await;
    let mut input = secret(&["AGENDA_READ"]);
    input["expiresAt"] = json!("2026-07-13T13:00:00Z");
    let (word, _) = made(&app.admin("alfa").await, input).await;
    let client = program(&app, &word);
    client.ok(VIEWER, json!({})).await;
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(client.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_worth_nothing_on_any_node_within_seconds() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let (word, id) = made(&admin, secret(&["AGENDA_READ"])).await;
    let other = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    let (here, there) = (program(&app, &word), program(&other, &word));
    here.ok(VIEWER, json!({})).await;
    there.ok(VIEWER, json!({})).await;
    let actor = other.actor_of(&there).await;
    assert_eq!(actor.kind, ActorKind::ApiKey);
    let wanted = Wanted { topic: Topic::Bookings, branches: None, resources: None, after: None };
    let mut stream = other.app.live.subscribe(Arc::clone(&actor), wanted).await.unwrap();
    ready(&mut stream).await;

    let payload = fine(field(&admin, REVOKE, json!({ "id": id }), "revokeApiKey").await);
    assert_eq!(payload["apiKey"]["revokedAt"], "2026-07-13T12:00:00+00:00");
    assert_eq!(here.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED", "at once on the node that did it");
    assert_eq!(reset(&mut stream).await.reason, ResetReason::PermissionsChanged, "open streams end");
    let noticed = async {
        while there.send(VIEWER, json!({})).await.get("errors").is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(STALENESS + Duration::from_secs(2), noticed).await.expect("the other node notices in time");
    assert!(other.app.authenticator.again(&actor).await.unwrap().is_none(), "nor does an open socket go on");
    let third = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    assert_eq!(
        program(&third, &word).error_code(VIEWER, json!({})).await,
        "UNAUTHENTICATED",
        "nor one that never met it"
    );
    assert!(admin.ok(LIST, json!({"first": 5})).await["apiKeys"]["nodes"].as_array().unwrap().is_empty());
    // Repeating it changes nothing.
    app.clock.advance(TimeDelta::minutes(1));
    let again = fine(field(&admin, REVOKE, json!({ "id": id }), "revokeApiKey").await);
    assert_eq!(again["apiKey"]["revokedAt"], "2026-07-13T12:00:00+00:00");
    let events =
        Centre::of(&app, "alfa").await.count("SELECT count(*) FROM events WHERE type = 'api_key.revoked'").await;
    assert_eq!(events, 1);
}

#[tokio::test]
async fn foreign_and_made_up_keys_are_not_found() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let (word, id) = made(&admin, secret(&["AGENDA_READ"])).await;
    let beta = app.admin("beta").await;
    let ids = GlobalIds::new(app.app.cx.seal.clone(), &app.actor("beta").await.tenant);
    for id in [id, json!(ids.encode(Kind::ApiKey, Uuid::new_v4())), json!("nonsense")] {
        let answer = field(&beta, REVOKE, json!({ "id": id }), "revokeApiKey").await;
        assert_eq!(refused(&answer), refusal("NOT_FOUND", "id"));
    }
    let desk = app.user("alfa", BuiltinRole::Receptionist).await;
    let ids = GlobalIds::new(app.app.cx.seal.clone(), &app.actor("alfa").await.tenant);
    let answer = field(&desk, REVOKE, json!({"id": ids.encode(Kind::ApiKey, Uuid::new_v4())}), "revokeApiKey").await;
    assert_eq!(refused(&answer), refusal("FORBIDDEN", ""));
    // The number of another tenant leads a genuine secret nowhere.
    let (_, rest) = word.split_once('.').unwrap();
    let moved = format!("sk{}.{rest}", app.actor("beta").await.tenant.key);
    assert_eq!(program(&app, &moved).error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    program(&app, &word).ok(VIEWER, json!({})).await;
}

#[tokio::test]
async fn the_list_has_pages_newest_first() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    for n in 0..5 {
        let input = json!({"name": format!("key {n}"), "permissions": ["AGENDA_READ"], "publishable": false});
        fine(create(&admin, input).await);
        app.clock.advance(TimeDelta::seconds(1));
    }
    let names = |page: &Value| -> Vec<String> {
        page["nodes"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = field(&admin, LIST, json!({"first": 3}), "apiKeys").await;
    assert_eq!(names(&first), ["key 4", "key 3", "key 2"]);
    assert_eq!(
        (&first["pageInfo"]["hasNextPage"], &first["pageInfo"]["hasPreviousPage"]),
        (&json!(true), &json!(false))
    );
    let rest = field(&admin, LIST, json!({"first": 3, "after": first["pageInfo"]["endCursor"]}), "apiKeys").await;
    assert_eq!(names(&rest), ["key 1", "key 0"]);
    let back = field(&admin, LIST, json!({"last": 2, "before": rest["pageInfo"]["startCursor"]}), "apiKeys").await;
    assert_eq!(names(&back), ["key 3", "key 2"]);
    assert_eq!(app.admin("beta").await.ok(LIST, json!({"first": 9})).await["apiKeys"]["nodes"], json!([]));
}

#[tokio::test]
async fn the_last_use_is_written_once_a_minute_and_by_no_request() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let (word, _) = made(&admin, secret(&["AGENDA_READ"])).await;
    let other = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    let last_used = async || {
        let page = field(&admin, LIST, json!({"first": 1}), "apiKeys").await;
        page["nodes"][0]["lastUsedAt"].clone()
    };
    program(&app, &word).ok(VIEWER, json!({})).await;
    assert_eq!(last_used().await, Value::Null, "the request wrote nothing");
    app.app.authenticator.key_uses().write(&app.app.cx).await.unwrap();
    assert_eq!(last_used().await, "2026-07-13T12:00:00+00:00");

    app.clock.advance(TimeDelta::seconds(59));
    program(&other, &word).ok(VIEWER, json!({})).await;
    other.app.authenticator.key_uses().write(&other.app.cx).await.unwrap();
    assert_eq!(last_used().await, "2026-07-13T12:00:00+00:00", "less than a minute later, by another node");
    app.clock.advance(TimeDelta::seconds(1));
    program(&other, &word).ok(VIEWER, json!({})).await;
    other.app.authenticator.key_uses().write(&other.app.cx).await.unwrap();
    assert_eq!(last_used().await, "2026-07-13T12:01:00+00:00");
    let before = app.app.cx.db.statements();
    app.app.authenticator.key_uses().write(&app.app.cx).await.unwrap();
    assert_eq!(app.app.cx.db.statements(), before, "nothing is written twice");
}
