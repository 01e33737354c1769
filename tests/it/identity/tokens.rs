//! Attacks on tokens: refused, counted by their reason, and logged without what was sent.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use axum::{body::Body, http::Request};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, Mac};
use horae::auth::{BuiltinRole, derive, token_hash};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::{Value, json};
use sha2::Sha256;
use tower::ServiceExt;
use tracing_subscriber::fmt::MakeWriter;

use super::{
    field, fine,
    mfa::{Phone, client_of, complete},
    people::{ACCEPT, GOOD, People, Post, REQUEST, RESET, token},
    refusal, refused,
};
use crate::support::{
    app::{Client, PASSWORD, SECRET, TestApp},
    fixtures::Centre,
};

const VIEWER: &str = "{ viewer { actor { kind } } }";
const LOGIN: &str = "mutation($email: EmailAddress!, $password: String!, $slug: String!) {
    login(email: $email, password: $password, tenantSlug: $slug) { tokens { accessToken refreshToken } userErrors { code } }
}";
const REFRESH: &str = "mutation($token: String!) {
    refreshSession(refreshToken: $token) { tokens { accessToken refreshToken } userErrors { code } }
}";

/// Everything that is logged and counted on this test's thread.
#[derive(Clone)]
struct Heard {
    log: Arc<Mutex<Vec<u8>>>,
    metrics: PrometheusHandle,
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.log.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Heard {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Heard {
    fn count(&self, counter: &str) -> u64 {
        let text = self.metrics.render();
        text.lines().find_map(|line| line.strip_prefix(counter)?.trim().parse().ok()).unwrap_or(0)
    }

    fn failures(&self, reason: &str) -> u64 {
        self.count(&format!("horae_auth_failures_total{{reason=\"{reason}\"}}"))
    }

    fn links(&self, reason: &str) -> u64 {
        self.count(&format!("horae_capabilities_refused_total{{reason=\"{reason}\"}}"))
    }

    /// What was logged since the last time.
    fn log(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.log.lock().unwrap())).unwrap()
    }
}

/// Listens as long as the test runs.
macro_rules! listen {
    ($heard:ident) => {
        let recorder = PrometheusBuilder::new().build_recorder();
        let $heard = Heard { log: Arc::default(), metrics: recorder.handle() };
        let _counting = metrics::set_default_local_recorder(&recorder);
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer($heard.clone())
            .finish();
        let _logging = tracing::subscriber::set_default(subscriber);
    };
}

fn key() -> [u8; 32] {
    derive(SECRET.as_bytes(), b"horae access token 1")
}

fn sign(head: &Value, claims: &Value, key: &[u8]) -> String {
    let body = format!("{}.{}", BASE64.encode(head.to_string()), BASE64.encode(claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(body.as_bytes());
    format!("{body}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&BASE64.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn with(claims: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut changed = claims.clone();
    changed[name] = value.into();
    changed
}

async fn login(app: &TestApp, password: &str) -> Value {
    let variables = json!({"email": "admin@alfa.test", "password": password, "slug": "alfa"});
    app.anonymous().ok(LOGIN, variables).await["login"].clone()
}

async fn refresh(app: &TestApp, token: &Value) -> Value {
    app.anonymous().ok(REFRESH, json!({"token": token})).await["refreshSession"].clone()
}

#[tokio::test]
async fn forged_and_foreign_tokens_are_refused_counted_and_not_logged() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let beta = app.actor("beta").await;
    let receptionist = app.user("alfa", BuiltinRole::Receptionist).await;
    let colleague = app.actor_of(&receptionist).await.id.unwrap();
    let genuine = admin.token.clone().unwrap();
    let said = claims(&genuine);
    let head = json!({"alg": "HS256", "typ": "JWT", "kid": "1"});
    let key = key();
    assert_eq!(sign(&head, &said, &key).matches('.').count(), 2);

    let parts: Vec<&str> = genuine.split('.').collect();
    let later = BASE64.encode(with(&said, "exp", 4_000_000_000_i64).to_string());
    let algorithm = |name: &str| with(&head, "alg", name);
    let attacks = [
        ("algorithm", format!("{}.{}.", BASE64.encode(algorithm("none").to_string()), parts[1])),
        ("algorithm", format!("{}.{}.{}", BASE64.encode(algorithm("none").to_string()), parts[1], parts[2])),
        ("algorithm", sign(&algorithm("nOnE"), &said, b"")),
        ("algorithm", sign(&algorithm("HS384"), &said, &key)),
        ("algorithm", sign(&algorithm("HS512"), &said, &key)),
        ("algorithm", sign(&algorithm("RS256"), &said, &key)),
        ("algorithm", sign(&algorithm("ES256"), &said, &key)),
        ("unknown_key", sign(&with(&head, "kid", "2"), &said, &key)),
        ("unknown_key", sign(&with(&head, "kid", "../../etc/passwd"), &said, &key)),
        ("unknown_key", sign(&json!({"alg": "HS256"}), &said, &key)),
        ("signature", format!("{}.{later}.{}", parts[0], parts[2])),
        ("signature", sign(&head, &said, b"")),
        ("signature", sign(&head, &said, SECRET.as_bytes())),
        ("issuer", sign(&head, &with(&said, "iss", "somebody"), &key)),
        ("audience", sign(&head, &with(&said, "aud", "horae-files"), &key)),
        ("expired", sign(&head, &with(&said, "exp", app.now().timestamp()), &key)),
        ("malformed", sign(&head, &with(&said, "sid", "not an id"), &key)),
        ("malformed", sign(&head, &json!({}), &key)),
        ("malformed", "eyJhbGciOiJIUzI1NiJ9".to_owned()),
        ("malformed", format!("{genuine}{}", "x".repeat(5_000))),
        // Genuinely signed, for a session that is not there: of another tenant, of nobody, of a colleague.
        ("session", sign(&head, &with(&said, "tid", beta.tenant.id.0.to_string()), &key)),
        ("session", sign(&head, &with(&said, "sid", beta.session.unwrap().to_string()), &key)),
        ("session", sign(&head, &with(&said, "sub", colleague.to_string()), &key)),
        ("tenant", sign(&head, &with(&said, "tid", uuid::Uuid::nil().to_string()), &key)),
        ("key", format!("pk{}.guessed", beta.tenant.key)),
    ];
    listen!(heard);
    admin.ok(VIEWER, json!({})).await;
    let control = Client { token: Some(sign(&head, &said, &key)), ..app.anonymous() };
    control.ok(VIEWER, json!({})).await;
    for (reason, token) in attacks {
        let (before, _) = (heard.failures(reason), heard.log());
        let client = Client { token: Some(token.clone()), ..app.anonymous() };
        let (status, answer) = client.answer(VIEWER, json!({})).await;
        assert_eq!(
            (status.as_u16(), &answer["errors"][0]["extensions"]["code"]),
            (401, &json!("UNAUTHENTICATED")),
            "{reason}: {token}"
        );
        assert_eq!(heard.failures(reason), before + 1, "{reason}: {token}\n{}", heard.metrics.render());
        let log = heard.log();
        assert!(log.contains(&format!("auth.reason=\"{reason}\"")) && log.contains("request.id="), "{reason}: {log}");
        for secret in token.split('.').filter(|part| part.len() > 12) {
            assert!(!log.contains(secret), "{reason}: the log tells what was sent: {log}");
        }
    }
    admin.ok(VIEWER, json!({})).await;
}

#[tokio::test]
async fn a_token_of_a_session_that_is_over_is_refused_and_counted() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let (out, expired, locked) =
        (app.admin("alfa").await, app.admin("alfa").await, app.user("alfa", BuiltinRole::Receptionist).await);
    let user = app.actor_of(&locked).await.id.unwrap();
    listen!(heard);
    out.ok("mutation { logout { ok } }", json!({})).await;
    assert_eq!(out.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    assert_eq!(heard.failures("session"), 1);
    centre.run("UPDATE users SET status = 'LOCKED' WHERE id = $1", vec![user.into()]).await;
    app.app.authenticator.forget_tenant(centre.system.tenant.id);
    assert_eq!(locked.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    assert_eq!(heard.failures("session"), 2);
    app.clock.advance(chrono::TimeDelta::minutes(10));
    assert_eq!(expired.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    assert_eq!(heard.failures("expired"), 1);
}

#[tokio::test]
async fn an_old_refresh_token_of_any_age_ends_the_family_once_and_tells_no_secret() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let mut refreshed = login(&app, PASSWORD).await;
    let first = refreshed["tokens"]["refreshToken"].clone();
    for _ in 0..3 {
        refreshed = refresh(&app, &refreshed["tokens"]["refreshToken"]).await;
        assert_eq!(refreshed["userErrors"], json!([]));
    }
    let newest = refreshed["tokens"].clone();
    let access = Client { token: newest["accessToken"].as_str().map(str::to_owned), ..app.anonymous() };
    access.ok(VIEWER, json!({})).await;

    listen!(heard);
    assert_eq!(refresh(&app, &first).await, json!({"tokens": null, "userErrors": [{"code": "TOKEN_USED"}]}));
    assert_eq!((heard.failures("refresh_reuse"), heard.count("horae_refresh_reuse_total")), (1, 1));
    assert_eq!(access.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED", "the family's access token is over too");
    for token in [&newest["refreshToken"], &first] {
        assert_eq!(refresh(&app, token).await["userErrors"], json!([{"code": "TOKEN_INVALID"}]));
    }
    assert_eq!(heard.failures("refresh"), 2);
    let log = heard.log();
    for token in [&first, &newest["refreshToken"], &newest["accessToken"]] {
        for secret in token.as_str().unwrap().split('.').filter(|part| part.len() > 12) {
            assert!(!log.contains(secret), "the log tells a token: {log}");
        }
    }
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let trail: Vec<String> = tx
        .scalars("SELECT action FROM audit_entries WHERE subject_type = 'Session' ORDER BY position", [])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(trail, ["refreshSession", "refreshSession", "refreshSession", "refreshReuse"]);
}

#[tokio::test]
async fn a_refresh_token_from_before_there_were_families_rotates_and_its_reuse_is_noticed() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    login(&app, PASSWORD).await;
    let old = format!("rt{}.from-the-release-before", centre.system.tenant.key);
    let sql = "UPDATE sessions SET refresh_hash = $1, family_hash = NULL";
    centre.run(sql, vec![token_hash(&old).into()]).await;
    let second = refresh(&app, &json!(old)).await;
    let third = refresh(&app, &second["tokens"]["refreshToken"]).await;
    assert_eq!(third["userErrors"], json!([]));
    // Two refreshes ago only a family tells; the one before the family is not known any more, and worth nothing.
    assert_eq!(refresh(&app, &json!(old)).await["userErrors"], json!([{"code": "TOKEN_INVALID"}]));
    assert_eq!(refresh(&app, &second["tokens"]["refreshToken"]).await["userErrors"], json!([{"code": "TOKEN_USED"}]));
    assert_eq!(refresh(&app, &third["tokens"]["refreshToken"]).await["userErrors"], json!([{"code": "TOKEN_INVALID"}]));
}

#[tokio::test]
async fn a_refresh_token_is_worth_nothing_in_another_centre_and_harms_nobody() {
    let app = TestApp::start().await;
    let beta = app.actor("beta").await;
    let tokens = login(&app, PASSWORD).await["tokens"].clone();
    let (_, secret) = tokens["refreshToken"].as_str().unwrap().split_once('.').unwrap();
    listen!(heard);
    for foreign in
        [format!("rt{}.{secret}", beta.tenant.key), format!("rt999999.{secret}"), "rt.".to_owned(), secret.to_owned()]
    {
        assert_eq!(refresh(&app, &json!(foreign)).await["userErrors"], json!([{"code": "TOKEN_INVALID"}]));
    }
    assert_eq!(heard.failures("refresh"), 4);
    assert_eq!(refresh(&app, &tokens["refreshToken"]).await["userErrors"], json!([]));
}

#[tokio::test]
async fn wrong_passwords_missing_permissions_and_foreign_ids_are_counted_without_personal_data() {
    let app = TestApp::start().await;
    let receptionist = app.user("alfa", BuiltinRole::Receptionist).await;
    let own = receptionist.ok("{ viewer { tenant { id } user { id } } }", json!({})).await;
    let beta = app.admin("beta").await;
    listen!(heard);
    assert_eq!(login(&app, "a guess of mine").await["userErrors"][0]["code"], "INVALID");
    assert_eq!(heard.failures("password"), 1);
    let log = heard.log();
    assert!(log.contains("auth.reason=\"password\""), "{log}");
    assert!(!log.contains("a guess") && !log.contains("admin@alfa"), "{log}");

    let sessions = "query($user: ID!) { sessions(userId: $user, first: 1) { nodes { id } } }";
    let foreign = beta.error_code(sessions, json!({"user": own["viewer"]["user"]["id"]})).await;
    assert_eq!(foreign, "NOT_FOUND");
    assert_eq!(heard.count("horae_tenant_mismatches_total{what=\"id\"}"), 1);

    let denied = "mutation { updateTenantProfile(input: {tradeName: \"x\"}) { userErrors { code } } }";
    let answer = receptionist.send(denied, json!({})).await;
    assert!(answer.to_string().contains("FORBIDDEN"), "{answer:#}");
    assert_eq!(heard.count("horae_permission_denials_total{permission=\"CONFIG_WRITE\"}"), 1);
}

#[tokio::test]
async fn guessed_links_are_counted_and_logged_without_the_link() {
    const GUESS: &str = "guessed-by-a-stranger";
    let app = TestApp::start().await;
    let tenant = app.actor("alfa").await.tenant.clone();
    let (link, account) = (format!("ct{}.{GUESS}", tenant.key), format!("ul{}.{GUESS}", tenant.key));
    let nowhere = (format!("ct999999.{GUESS}"), format!("ul999999.{GUESS}"));
    let redeem = "mutation($token: String!) { redeemCapability(token: $token) { userErrors { code } } }";
    let cancel = "mutation($token: String!) { patientCancel(token: $token) { userErrors { code } } }";
    listen!(heard);
    let mut times = 0;
    let mut noticed = |what: &str, known: bool| {
        times += 1;
        assert_eq!(heard.links("invalid"), times, "{what}");
        let log = heard.log();
        assert!(log.contains("capability.reason=\"invalid\""), "{what}: {log}");
        assert_eq!(log.contains(&format!("tenant.id={}", tenant.id.0)), known, "{what}: {log}");
        assert!(!log.contains(GUESS), "{what}: the log tells what was sent: {log}");
    };
    for (document, token, known) in [
        (redeem, &link, true),
        (redeem, &nowhere.0, false),
        (redeem, &GUESS.to_owned(), false),
        (cancel, &link, true),
        (RESET, &account, true),
        (RESET, &nowhere.1, false),
        (ACCEPT, &account, true),
    ] {
        app.anonymous().ok(document, json!({"token": token, "password": GOOD, "name": null})).await;
        noticed(document, known);
    }
    for path in [
        format!("/u/{account}"),
        format!("/a/{link}"),
        format!("/c/{link}.ics"),
        format!("/f/{link}"),
        format!("/u/{GUESS}"),
    ] {
        let request = Request::get(&path).body(Body::empty()).unwrap();
        assert_eq!(app.router.clone().oneshot(request).await.unwrap().status(), 404, "{path}");
        noticed(&path, path != format!("/u/{GUESS}"));
    }
}

#[tokio::test]
async fn links_for_a_password_that_are_over_are_counted_and_logged_without_the_link() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    let ana = people.hire("ana@alfa.test", &[people.builtin(BuiltinRole::Cashier).await], &[]).await;
    let mut tokens = Vec::new();
    for _ in 0..2 {
        people.app.anonymous().ok(REQUEST, json!({"email": "ana@alfa.test", "slug": "alfa"})).await;
        tokens.push(token(&post.last().await));
    }
    let send = async |document: &str, token: &str| {
        let variables = json!({"token": token, "password": GOOD, "name": null});
        people.app.anonymous().ok(document, variables).await
    };
    listen!(heard);
    send(RESET, &tokens[0]).await;
    assert_eq!(heard.links("invalid"), 1, "a newer one has replaced it");
    send(ACCEPT, &tokens[1]).await;
    assert_eq!(heard.links("invalid"), 2, "it is for something else");
    assert_eq!(send(RESET, &tokens[1]).await["resetPassword"]["ok"], true);
    assert_eq!((heard.links("invalid"), heard.links("used")), (2, 0));
    send(RESET, &tokens[1]).await;
    assert_eq!(heard.links("used"), 1);
    people.app.anonymous().ok(REQUEST, json!({"email": "ana@alfa.test", "slug": "alfa"})).await;
    tokens.push(token(&post.last().await));
    people.app.clock.advance(chrono::TimeDelta::hours(1));
    send(RESET, &tokens[2]).await;
    assert_eq!(heard.links("expired"), 1);
    let log = heard.log();
    for reason in ["invalid", "used", "expired"] {
        assert!(log.contains(&format!("capability.reason=\"{reason}\"")), "{reason}: {log}");
    }
    for token in &tokens {
        assert!(!log.contains(token.split_once('.').unwrap().1), "the log tells a link: {log}");
    }
    assert_eq!(people.status(ana).await, "ACTIVE");
}

#[tokio::test]
async fn wrong_codes_are_counted_where_a_factor_is_given_and_where_it_is_taken_away() {
    const GUESS: &str = "2222-2222-2222-2222";
    let app = TestApp::start().await;
    let phone = Phone::enrolled(&app.admin("alfa").await).await;
    let own = client_of(&app, &fine(complete(&app, &phone.challenge, &phone.code(&app)).await));
    listen!(heard);
    let disable = "mutation($code: String) { disableMfa(code: $code) { userErrors { code message field } } }";
    for times in 1..=2 {
        let answer = field(&own, disable, json!({ "code": GUESS }), "disableMfa").await;
        assert_eq!((refused(&answer), heard.failures("mfa")), (refusal("INVALID", "code"), times));
    }
    let waiting = super::mfa::challenge(&app, "admin@alfa.test").await;
    complete(&app, &waiting, GUESS).await;
    assert_eq!(heard.failures("mfa"), 3);
    let log = heard.log();
    assert_eq!(log.matches("auth.reason=\"mfa\"").count(), 3, "{log}");
    assert!(!log.contains(GUESS) && !log.contains(&waiting), "{log}");
}
