//! What is kept under a name of the caller's — buckets, receipts, tries, documents — is kept for one centre, even where
//! two centres have a caller with one and the same id, name and password.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::house::House;
use crate::support::{
    app::{Client, PASSWORD, TestApp},
    fixtures::Centre,
    redis::RedisServer,
};

const EMAIL: &str = "gemela@example.com";
/// Costs 10.
const TEN: &str = "{ rooms(first: 10) { nodes { name } } }";

/// A copy of the centre's administrator with this id.
async fn twin(app: &TestApp, slug: &'static str, id: Uuid) -> Client {
    let centre = Centre::of(app, slug).await;
    let admin = app.actor(slug).await.id;
    let copy =
        "INSERT INTO users SELECT (jsonb_populate_record(u, jsonb_build_object('id', $2::uuid, 'email', $3::text))).*
         FROM users u WHERE u.id = $1";
    centre.run(copy, vec![admin.into(), id.into(), EMAIL.into()]).await;
    let roles = "INSERT INTO user_roles (user_id, role_id) SELECT $2, role_id FROM user_roles WHERE user_id = $1";
    centre.run(roles, vec![admin.into(), id.into()]).await;
    app.login(slug, EMAIL).await
}

fn at(node: &TestApp, client: &Client) -> Client {
    Client { router: node.router.clone(), token: client.token.clone() }
}

async fn spends(node: &TestApp, alfa: &Client, beta: &Client) {
    let (alfa, beta) = (at(node, alfa), at(node, beta));
    for _ in 0..3 {
        alfa.ok(TEN, json!({})).await;
    }
    assert_eq!(alfa.error_code(TEN, json!({})).await, "RATE_LIMITED");
    let answer = beta.send(TEN, json!({})).await;
    assert_eq!(answer["extensions"]["cost"]["bucket"]["remaining"], 20, "the twin's bucket was full: {answer:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_in_two_centres_spend_from_two_buckets() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let app = TestApp::start().await;
    let id = Uuid::new_v4();
    let (alfa, beta) = (twin(&app, "alfa", id).await, twin(&app, "beta", id).await);
    let one = app.actor_of(&alfa).await;
    let other = app.actor_of(&beta).await;
    assert_eq!((one.id, one.receipt_name()), (other.id, other.receipt_name()));
    assert_ne!(one.tenant.id, other.tenant.id);
    let little = [("HORAE_MAX_COST", "30"), ("HORAE_COST_CAPACITY", "30"), ("HORAE_COST_PER_SECOND", "1")];
    let local = TestApp::with_clock(&app.database_url, &little, app.clock.clone()).await;
    spends(&local, &alfa, &beta).await;
    let with_redis: Vec<_> = little.into_iter().chain([("REDIS_URL", url.as_str())]).collect();
    let shared = TestApp::with_clock(&app.database_url, &with_redis, app.clock.clone()).await;
    spends(&shared, &alfa, &beta).await;
}

#[tokio::test]
async fn twins_in_two_centres_hold_with_one_key_each() {
    let app = TestApp::start().await;
    let id = Uuid::new_v4();
    let (mut alfa, mut beta) = (House::open(&app, "alfa").await, House::open(&app, "beta").await);
    alfa.admin = twin(&app, "alfa", id).await;
    beta.admin = twin(&app, "beta", id).await;
    let key = Uuid::new_v4();
    let hold =
        "mutation($input: HoldSlotInput!) { holdSlot(input: $input) { appointment { id } userErrors { code } } }";
    let mut held = Vec::new();
    for house in [&mut alfa, &mut beta] {
        let slot = house.word(&app, "slot").await;
        let input = json!({"input": {"idempotencyKey": key, "slotToken": slot}});
        let first = house.admin.ok(hold, input.clone()).await["holdSlot"].clone();
        assert_eq!(first["userErrors"], json!([]), "{}", house.slug);
        assert_eq!(house.admin.ok(hold, input).await["holdSlot"], first, "{}", house.slug);
        held.push(first["appointment"]["id"].clone());
    }
    assert_ne!(held[0], held[1]);
}

#[tokio::test]
async fn guesses_at_one_twin_leave_the_other_its_tries() {
    let roomy = TestApp::start().await;
    let id = Uuid::new_v4();
    for slug in ["alfa", "beta"] {
        twin(&roomy, slug, id).await;
    }
    let app =
        TestApp::with_clock(&roomy.database_url, &[("HORAE_ATTEMPTS_PER_ACCOUNT", "3")], roomy.clock.clone()).await;
    let login = "mutation($email: EmailAddress!, $password: String!, $slug: String!) {
        login(email: $email, password: $password, tenantSlug: $slug) { tokens { accessToken } userErrors { code } } }";
    let tried = async |slug: &str, password: &str| -> Value {
        app.anonymous().send(login, json!({"email": EMAIL, "password": password, "slug": slug})).await
    };
    for _ in 0..3 {
        assert!(tried("alfa", "guess").await.get("errors").is_none());
    }
    assert_eq!(tried("alfa", PASSWORD).await["errors"][0]["extensions"]["code"], "RATE_LIMITED");
    let answer = tried("beta", PASSWORD).await;
    assert!(answer["data"]["login"]["tokens"]["accessToken"].is_string(), "{answer:#}");
}

#[tokio::test]
async fn a_document_that_one_centre_left_is_unknown_in_the_other() {
    let app = TestApp::start().await;
    let (alfa, beta) = (app.admin("alfa").await, app.admin("beta").await);
    let question = "query Own { viewer { tenant { slug } } }";
    let hash = hex::encode(Sha256::digest(question));
    let ask = async |client: &Client, query: Option<&str>| -> Value {
        let body = json!({"query": query, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash}}});
        client.post(body).await
    };
    let slug = |answer: &Value| answer["data"]["viewer"]["tenant"]["slug"].clone();
    assert_eq!(slug(&ask(&alfa, Some(question)).await), "alfa");
    assert_eq!(slug(&ask(&alfa, None).await), "alfa");
    for stranger in [&beta, &app.anonymous()] {
        let answer = ask(stranger, None).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "PERSISTED_QUERY_NOT_FOUND", "{answer}");
    }
    assert_eq!(slug(&ask(&beta, Some(question)).await), "beta");
    assert_eq!(slug(&ask(&beta, None).await), "beta");
}
