//! The second factor: enrolling, logging in with it, replay, guessing, losing the telephone.

use chrono::TimeDelta;
use futures::future::join_all;
use horae::{
    auth::{BuiltinRole, totp},
    domain::{identity::mfa, refusal::Failure},
    schema::id::{GlobalIds, Kind},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{field, fine, refusal, refused, secret_of};
use crate::support::{
    app::{Client, PASSWORD, TestApp},
    fixtures::Centre,
};

pub(super) const LOGIN: &str = "mutation($email: EmailAddress!, $password: String!, $slug: String!) {
    login(email: $email, password: $password, tenantSlug: $slug) {
        tokens { accessToken accessExpiresAt refreshToken refreshExpiresAt mfaRequired mfaChallengeId }
        viewer { permissions { code } }
        userErrors { code message field }
    }
}";
const COMPLETE: &str = "mutation($id: ID!, $code: String!) {
    completeMfa(challengeId: $id, code: $code) {
        tokens { accessToken refreshToken mfaRequired mfaChallengeId }
        viewer { user { mfaEnabled } permissions { code } }
        userErrors { code message field ... on QuotaError { quota limit used resetsAt } }
    }
}";
const ENROL: &str =
    "mutation { enrolMfa { otpauthUri recoveryCodes mfaChallengeId userErrors { code message field } } }";
const DISABLE: &str = "mutation($user: ID, $code: String) {
    disableMfa(userId: $user, code: $code) { user { mfaEnabled } userErrors { code message field } }
}";
const VIEWER: &str = "{ viewer { user { id mfaEnabled } } }";
const EMAIL: &str = "admin@alfa.test";

/// A user with an app and recovery codes.
pub(super) struct Phone {
    secret: Vec<u8>,
    recovery: Vec<String>,
    pub(super) challenge: String,
}

impl Phone {
    /// Enrolled, with no code given yet.
    pub(super) async fn enrolled(client: &Client) -> Self {
        let payload = fine(field(client, ENROL, json!({}), "enrolMfa").await);
        let uri = payload["otpauthUri"].as_str().unwrap();
        let recovery = payload["recoveryCodes"].as_array().unwrap();
        Self {
            secret: secret_of(uri),
            recovery: recovery.iter().map(|code| code.as_str().unwrap().to_owned()).collect(),
            challenge: payload["mfaChallengeId"].as_str().unwrap().to_owned(),
        }
    }

    /// In use; the client's session has ended with it.
    async fn in_use(app: &TestApp, client: &Client) -> Self {
        let phone = Self::enrolled(client).await;
        fine(complete(app, &phone.challenge, &phone.code(app)).await);
        app.clock.advance(TimeDelta::seconds(60));
        phone
    }

    /// What the app shows now.
    pub(super) fn code(&self, app: &TestApp) -> String {
        totp::digits(&self.secret, app.now()).unwrap()
    }

    /// Six digits that are none of the three that would do.
    fn wrong(&self, app: &TestApp) -> String {
        let right: Vec<String> = [-30, 0, 30]
            .into_iter()
            .map(|seconds| totp::digits(&self.secret, app.now() + TimeDelta::seconds(seconds)).unwrap())
            .collect();
        (0..4).map(|n| format!("{n:06}")).find(|code| !right.contains(code)).unwrap()
    }
}

async fn login(app: &TestApp, email: &str) -> Value {
    let variables = json!({"email": email, "password": PASSWORD, "slug": "alfa"});
    fine(field(&app.anonymous(), LOGIN, variables, "login").await)
}

/// The challenge of a login.
pub(super) async fn challenge(app: &TestApp, email: &str) -> String {
    let payload = login(app, email).await;
    payload["tokens"]["mfaChallengeId"].as_str().unwrap_or_else(|| panic!("no challenge: {payload:#}")).to_owned()
}

pub(super) async fn complete(app: &TestApp, challenge: &str, code: &str) -> Value {
    field(&app.anonymous(), COMPLETE, json!({"id": challenge, "code": code}), "completeMfa").await
}

pub(super) fn client_of(app: &TestApp, payload: &Value) -> Client {
    let token = payload["tokens"]["accessToken"].as_str().unwrap().to_owned();
    Client { token: Some(token), ..app.anonymous() }
}

#[tokio::test]
async fn a_factor_counts_from_its_first_right_code_on() {
    let app = TestApp::start().await;
    let before = app.admin("alfa").await;
    let phone = Phone::enrolled(&before).await;
    assert_eq!(phone.recovery.len(), 10);
    assert_eq!(login(&app, EMAIL).await["tokens"]["mfaRequired"], false, "it is not confirmed");
    assert_eq!(refused(&complete(&app, &phone.challenge, &phone.wrong(&app)).await), refusal("INVALID", "code"));
    let recovery = complete(&app, &phone.challenge, &phone.recovery[0]).await;
    assert_eq!(refused(&recovery), refusal("INVALID", "code"), "only the app's code shows that the app works");

    let done = fine(complete(&app, &phone.challenge, &phone.code(&app)).await);
    assert_eq!((&done["tokens"]["mfaRequired"], &done["viewer"]["user"]["mfaEnabled"]), (&json!(false), &json!(true)));
    let other = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    let elsewhere = Client { token: before.token.clone(), ..other.anonymous() };
    assert_eq!(elsewhere.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED", "older sessions are over");
    assert_eq!(client_of(&app, &done).ok(VIEWER, json!({})).await["viewer"]["user"]["mfaEnabled"], true);

    app.clock.advance(TimeDelta::seconds(60));
    let waiting = login(&app, EMAIL).await;
    let tokens = &waiting["tokens"];
    assert_eq!((&tokens["accessToken"], &tokens["refreshToken"]), (&json!(""), &json!("")), "nothing to use yet");
    assert_eq!((&tokens["mfaRequired"], &waiting["viewer"]), (&json!(true), &Value::Null));
    assert_eq!(tokens["accessExpiresAt"], "2026-07-13T12:06:00+00:00");
    let id = tokens["mfaChallengeId"].as_str().unwrap();
    let for_nothing = Client { token: Some(id.to_owned()), ..app.anonymous() };
    assert_eq!(for_nothing.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED", "a challenge is no token");
    let done = fine(complete(&app, id, &phone.code(&app)).await);
    assert_eq!(done["viewer"]["permissions"].as_array().unwrap().len(), 34);
    let again = field(&client_of(&app, &done), ENROL, json!({}), "enrolMfa").await;
    assert_eq!(again["userErrors"][0]["code"], "ALREADY_EXISTS");
    assert_eq!((&again["otpauthUri"], &again["recoveryCodes"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn beginning_anew_makes_what_was_shown_before_worthless() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let first = Phone::enrolled(&admin).await;
    let second = Phone::enrolled(&admin).await;
    let old = complete(&app, &first.challenge, &first.code(&app)).await;
    assert_eq!(refused(&old), refusal("TOKEN_INVALID", "challengeId"));
    assert_eq!(refused(&complete(&app, &second.challenge, &first.code(&app)).await), refusal("INVALID", "code"));
    fine(complete(&app, &second.challenge, &second.code(&app)).await);
    let id = challenge(&app, EMAIL).await;
    assert_eq!(refused(&complete(&app, &id, &first.recovery[0]).await), refusal("INVALID", "code"));
    fine(complete(&app, &id, &second.recovery[0]).await);
}

#[tokio::test]
async fn a_code_is_good_for_one_use() {
    let app = TestApp::start().await;
    let phone = Phone::in_use(&app, &app.admin("alfa").await).await;
    let (first, second) = (challenge(&app, EMAIL).await, challenge(&app, EMAIL).await);
    let code = phone.code(&app);
    fine(complete(&app, &first, &code).await);
    assert_eq!(refused(&complete(&app, &second, &code).await), refusal("TOKEN_USED", "code"));
    // Nor does the code of the step before, which the app showed until a moment ago.
    let earlier = totp::digits(&phone.secret, app.now() - TimeDelta::seconds(30)).unwrap();
    assert_eq!(refused(&complete(&app, &second, &earlier).await), refusal("TOKEN_USED", "code"));
    app.clock.advance(TimeDelta::seconds(30));
    fine(complete(&app, &second, &phone.code(&app)).await);
    assert_eq!(refused(&complete(&app, &second, &phone.code(&app)).await), refusal("TOKEN_USED", "challengeId"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_uses_of_one_code_at_once_one_succeeds() {
    let app = TestApp::start().await;
    let other = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    let phone = Phone::in_use(&app, &app.admin("alfa").await).await;
    for code in [phone.code(&app), phone.recovery[3].clone()] {
        let mut challenges = Vec::new();
        for _ in 0..6 {
            challenges.push(challenge(&app, EMAIL).await);
        }
        // Two tries on each challenge, on two nodes.
        let tries = challenges.iter().flat_map(|id| [complete(&app, id, &code), complete(&other, id, &code)]);
        let answers = join_all(tries).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| !answer["tokens"].is_null());
        assert_eq!((won.len(), lost.len()), (1, 11), "{answers:#?}");
        assert!(lost.iter().all(|answer| refused(answer).0 == "TOKEN_USED"), "{lost:#?}");
    }
    let centre = Centre::of(&app, "alfa").await;
    assert_eq!(centre.count("SELECT count(*) FROM mfa_recovery_codes WHERE used_at IS NOT NULL").await, 1);
}

#[tokio::test]
async fn a_challenge_dies_after_five_tries_or_five_minutes() {
    let app = TestApp::start().await;
    let phone = Phone::in_use(&app, &app.admin("alfa").await).await;
    let id = challenge(&app, EMAIL).await;
    for wrong in [&phone.wrong(&app), "", "abc", "O0O0-O0O0-O0O0-O0O0", "2222-2222-2222-2222"] {
        assert_eq!(refused(&complete(&app, &id, wrong).await), refusal("INVALID", "code"), "{wrong}");
    }
    assert_eq!(refused(&complete(&app, &id, &phone.code(&app)).await), refusal("EXPIRED", "challengeId"));

    let id = challenge(&app, EMAIL).await;
    app.clock.advance(mfa::TTL);
    assert_eq!(refused(&complete(&app, &id, &phone.code(&app)).await), refusal("EXPIRED", "challengeId"));
    let centre = Centre::of(&app, "alfa").await;
    let failed = "SELECT count(*) FROM audit_entries WHERE action = 'refuseMfa' AND after->>'outcome' = 'mfa_wrong'";
    assert_eq!(centre.count(failed).await, 5);
}

#[tokio::test]
async fn a_word_that_is_no_challenge_completes_nothing() {
    let app = TestApp::start().await;
    let phone = Phone::in_use(&app, &app.admin("alfa").await).await;
    let id = challenge(&app, EMAIL).await;
    let (_, secret) = id.split_once('.').unwrap();
    let beta = app.actor("beta").await.tenant.key;
    for word in ["", "mc", "mc1.guess", &format!("mc{beta}.{secret}"), &format!("{id}x"), &"x".repeat(5_000)] {
        let answer = complete(&app, word, &phone.code(&app)).await;
        assert_eq!(refused(&answer), refusal("TOKEN_INVALID", "challengeId"), "{word}");
    }
    // The right password is no way around a lock that came after it.
    let centre = Centre::of(&app, "alfa").await;
    // A centre cannot be left without an administrator.
    app.user("alfa", BuiltinRole::Administrator).await;
    centre.run("UPDATE users SET status = 'LOCKED' WHERE email = $1", vec![EMAIL.into()]).await;
    assert_eq!(refused(&complete(&app, &id, &phone.code(&app)).await), refusal("TOKEN_INVALID", "challengeId"));
    centre.run("UPDATE users SET status = 'ACTIVE'", vec![]).await;
    fine(complete(&app, &id, &phone.code(&app)).await);
}

#[tokio::test]
async fn guessing_over_many_challenges_blocks_the_app_but_not_recovery_codes() {
    let app = TestApp::start().await;
    let phone = Phone::in_use(&app, &app.admin("alfa").await).await;
    for _ in 0..2 {
        let id = challenge(&app, EMAIL).await;
        for _ in 0..mfa::ATTEMPTS {
            assert_eq!(refused(&complete(&app, &id, &phone.wrong(&app)).await).0, "INVALID");
        }
    }
    let id = challenge(&app, EMAIL).await;
    let blocked = complete(&app, &id, &phone.code(&app)).await;
    assert_eq!(refused(&blocked), refusal("QUOTA_EXCEEDED", "code"));
    let until = (app.now() + mfa::BLOCK).format("%Y-%m-%dT%H:%M:%S+00:00").to_string();
    assert_eq!(blocked["userErrors"][0]["resetsAt"], json!(until), "{blocked:#}");
    fine(complete(&app, &id, &phone.recovery[0].to_lowercase()).await);
    // The way in was free again with it, and it is used up.
    let id = challenge(&app, EMAIL).await;
    assert_eq!(refused(&complete(&app, &id, &phone.recovery[0]).await), refusal("TOKEN_USED", "code"));
    fine(complete(&app, &id, &phone.code(&app)).await);
}

#[tokio::test]
async fn a_block_ends_by_the_clock() {
    let app = TestApp::start().await;
    let phone = Phone::in_use(&app, &app.admin("alfa").await).await;
    let centre = Centre::of(&app, "alfa").await;
    centre.run("UPDATE mfa_factors SET failures = $1", vec![(mfa::FREE_FAILURES - 1).into()]).await;
    let id = challenge(&app, EMAIL).await;
    complete(&app, &id, &phone.wrong(&app)).await;
    assert_eq!(refused(&complete(&app, &id, &phone.code(&app)).await).0, "QUOTA_EXCEEDED");
    app.clock.advance(mfa::BLOCK);
    let id = challenge(&app, EMAIL).await;
    fine(complete(&app, &id, &phone.code(&app)).await);
    assert_eq!(centre.count("SELECT failures::bigint FROM mfa_factors").await, 0);
}

#[tokio::test]
async fn who_has_a_role_that_needs_it_can_do_nothing_but_enrol() {
    let app = TestApp::start().await;
    let admin = app.actor("alfa").await;
    let before = app.user("alfa", BuiltinRole::Receptionist).await;
    let centre = Centre::of(&app, "alfa").await;
    let role = role(&centre, BuiltinRole::Receptionist).await;
    mfa::require::run(&app.app.cx, &admin, role, true).await.unwrap();

    let node = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    let patients = "{ emailMessages(first: 1) { nodes { id } } }";
    let restricted = Client { token: before.token.clone(), ..node.anonymous() };
    for document in [VIEWER, patients, DISABLE, "mutation { revokeApiKey(id: \"x\") { userErrors { code } } }"] {
        assert_eq!(restricted.error_code(document, json!({})).await, "FORBIDDEN", "{document}");
    }
    let who = node.actor_of(&restricted).await;
    assert!(who.mfa_pending && who.permissions.is_empty(), "nor by any way past the schema");

    let email: String = email(&centre, who.id.unwrap()).await;
    let payload = login(&node, &email).await;
    assert_eq!((&payload["tokens"]["mfaRequired"], &payload["tokens"]["mfaChallengeId"]), (&json!(true), &Value::Null));
    assert_eq!(payload["viewer"]["permissions"], json!([]));
    let client = client_of(&node, &payload);
    let refresh = "mutation($t: String!) { refreshSession(refreshToken: $t) { tokens { accessToken mfaRequired } } }";
    let refreshed = node.anonymous().ok(refresh, json!({"t": payload["tokens"]["refreshToken"]})).await;
    assert_eq!(refreshed["refreshSession"]["tokens"]["mfaRequired"], true, "refreshing is no way around it");

    let phone = Phone::enrolled(&client).await;
    let done = fine(complete(&node, &phone.challenge, &phone.code(&node)).await);
    assert_eq!(done["tokens"]["mfaRequired"], false);
    let free = client_of(&node, &done);
    free.ok(patients, json!({})).await;

    // Without the factor the same session is where it was before.
    node.clock.advance(TimeDelta::seconds(30));
    fine(field(&free, DISABLE, json!({"code": phone.code(&node)}), "disableMfa").await);
    let third = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    let back = Client { token: free.token.clone(), ..third.anonymous() };
    assert_eq!(back.error_code(patients, json!({})).await, "FORBIDDEN");
    mfa::require::run(&app.app.cx, &admin, role, false).await.unwrap();
    let fourth = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    Client { token: free.token.clone(), ..fourth.anonymous() }.ok(patients, json!({})).await;
}

async fn role(centre: &Centre, role: BuiltinRole) -> Uuid {
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let id = tx.scalar("SELECT id FROM roles WHERE builtin = $1", [role.as_str().into()]).await.unwrap();
    tx.commit().await.unwrap();
    id.unwrap()
}

async fn email(centre: &Centre, user: Uuid) -> String {
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let email = tx.scalar("SELECT email FROM users WHERE id = $1", [user.into()]).await.unwrap();
    tx.commit().await.unwrap();
    email.unwrap()
}

#[tokio::test]
async fn only_who_administers_users_says_which_roles_need_it() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let id = role(&centre, BuiltinRole::Professional).await;
    let desk = app.actor_of(&app.user("alfa", BuiltinRole::Receptionist).await).await;
    let code = |result: Result<(), Failure>| match result {
        Err(Failure::Refused(refusals)) => format!("{:?}", refusals[0].code),
        other => panic!("{other:?}"),
    };
    assert_eq!(code(mfa::require::run(&app.app.cx, &desk, id, true).await), "Forbidden");
    let beta = app.actor("beta").await;
    assert_eq!(code(mfa::require::run(&app.app.cx, &beta, id, true).await), "NotFound");
    let admin = app.actor("alfa").await;
    for _ in 0..2 {
        mfa::require::run(&app.app.cx, &admin, id, true).await.unwrap();
    }
    assert_eq!(centre.count("SELECT count(*) FROM roles WHERE mfa_required").await, 1);
    assert_eq!(centre.count("SELECT count(*) FROM events WHERE type = 'user.role_changed'").await, 1);
}

#[tokio::test]
async fn ones_own_factor_goes_with_a_code_and_others_by_who_administers_users() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let desk = app.user("alfa", BuiltinRole::Receptionist).await;
    let ids = GlobalIds::new(app.app.cx.seal.clone(), &app.actor("alfa").await.tenant);
    let desk_id = app.actor_of(&desk).await.id.unwrap();
    let desk_word = ids.encode(Kind::User, desk_id);
    let phone = Phone::enrolled(&desk).await;
    let desk = client_of(&app, &fine(complete(&app, &phone.challenge, &phone.code(&app)).await));
    app.clock.advance(TimeDelta::seconds(60));

    let ask = async |client: &Client, variables: Value| field(client, DISABLE, variables, "disableMfa").await;
    assert_eq!(refused(&ask(&desk, json!({})).await), refusal("REQUIRED", "code"));
    assert_eq!(refused(&ask(&desk, json!({"user": desk_word})).await), refusal("REQUIRED", "code"));
    assert_eq!(refused(&ask(&desk, json!({"code": phone.wrong(&app)})).await), refusal("INVALID", "code"));
    let admin_word = admin.ok(VIEWER, json!({})).await["viewer"]["user"]["id"].clone();
    assert_eq!(refused(&ask(&desk, json!({"user": admin_word, "code": "1"})).await), refusal("FORBIDDEN", ""));
    for unknown in [json!("nonsense"), json!(ids.encode(Kind::User, Uuid::new_v4()))] {
        assert_eq!(refused(&ask(&admin, json!({"user": unknown})).await), refusal("NOT_FOUND", "userId"));
    }
    let beta = app.admin("beta").await;
    assert_eq!(refused(&ask(&beta, json!({"user": desk_word})).await), refusal("NOT_FOUND", "userId"));

    let waiting = challenge(&app, &email(&Centre::of(&app, "alfa").await, desk_id).await).await;
    let done = fine(ask(&admin, json!({"user": desk_word})).await);
    assert_eq!(done["user"]["mfaEnabled"], false);
    fine(ask(&admin, json!({"user": desk_word})).await);
    let late = complete(&app, &waiting, &phone.code(&app)).await;
    assert_eq!(refused(&late), refusal("TOKEN_INVALID", "challengeId"));
    let centre = Centre::of(&app, "alfa").await;
    assert_eq!(centre.count("SELECT count(*) FROM mfa_recovery_codes").await, 0);
    assert_eq!(centre.count("SELECT count(*) FROM events WHERE type = 'user.mfa_disabled'").await, 1);

    let phone = Phone::enrolled(&desk).await;
    let desk = client_of(&app, &fine(complete(&app, &phone.challenge, &phone.code(&app)).await));
    fine(ask(&desk, json!({"code": phone.recovery[9]})).await);
    assert_eq!(centre.count("SELECT count(*) FROM mfa_factors").await, 0);
}

#[tokio::test]
async fn who_may_less_takes_no_factor_from_who_may_more() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let admin_word = admin.ok(VIEWER, json!({})).await["viewer"]["user"]["id"].clone();
    let desk = app.user("alfa", BuiltinRole::Receptionist).await;
    let desk_id = app.actor_of(&desk).await.id.unwrap();
    let centre = Centre::of(&app, "alfa").await;
    let role = Uuid::new_v4();
    let sql = "INSERT INTO roles (id, name, permissions) VALUES ($1, 'Staff office', '{USER_ADMIN}')";
    centre.run(sql, vec![role.into()]).await;
    centre.run("INSERT INTO user_roles (user_id, role_id) VALUES ($1, $2)", vec![desk_id.into(), role.into()]).await;
    Phone::in_use(&app, &admin).await;
    let node = TestApp::with_clock(&app.database_url, &[], app.clock.clone()).await;
    let office = Client { token: desk.token.clone(), ..node.anonymous() };
    let answer = field(&office, DISABLE, json!({"user": admin_word}), "disableMfa").await;
    assert_eq!(refused(&answer), refusal("FORBIDDEN", "userId"));
    assert_eq!(centre.count("SELECT count(*) FROM mfa_factors WHERE confirmed_at IS NOT NULL").await, 1);
}

#[tokio::test]
async fn nothing_secret_lies_in_the_database() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let phone = Phone::in_use(&app, &admin).await;
    let open = challenge(&app, EMAIL).await;
    let centre = Centre::of(&app, "alfa").await;
    let tx = centre.cx.read(&centre.system).await.unwrap();
    let secret: Option<Vec<u8>> = tx.scalar("SELECT secret FROM mfa_factors", []).await.unwrap();
    assert!(!secret.unwrap().windows(phone.secret.len()).any(|part| part == phone.secret));
    let texts: Vec<String> = tx
        .scalars(
            "SELECT row_to_json(a)::text FROM audit_entries a UNION ALL SELECT row_to_json(e)::text FROM events e
             UNION ALL SELECT row_to_json(c)::text FROM mfa_challenges c UNION ALL SELECT row_to_json(r)::text FROM mfa_recovery_codes r",
            [],
        )
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let recovery = phone.recovery.iter().flat_map(|code| [code.clone(), code.replace('-', "")]);
    for word in recovery.chain([open, phone.challenge.clone()]) {
        assert!(texts.iter().all(|text| !text.contains(&word)), "{word}");
    }
    assert!(texts.len() > 10);
}
