//! What waits for a code ends with what it came of: the session that enrols, the password that was right.

use chrono::TimeDelta;
use horae::{auth::BuiltinRole, schema::id::Kind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    field, fine,
    mfa::{Phone, challenge, client_of, complete},
    people::{GOOD, People, Post, REQUEST, RESET, token},
    refusal, refused,
};
use crate::{
    centre,
    support::app::{Client, PASSWORD},
};

const EMAIL: &str = "ana@alfa.test";
const CHANGE: &str = "mutation($current: String!, $next: String!) {
    changePassword(current: $current, next: $next) { ok userErrors { code message field } }
}";
const REVOKE: &str =
    "mutation($session: ID!) { revokeSession(sessionId: $session) { userErrors { code message field } } }";
const LOGOUT: &str = "mutation { logout { ok userErrors { code message field } } }";

/// A centre with Ana.
struct Case {
    people: People,
    ana: Uuid,
}

impl Case {
    async fn open() -> Self {
        let people = People::open().await;
        let ana = people.hire(EMAIL, &[people.builtin(BuiltinRole::Cashier).await], &[]).await;
        Self { people, ana }
    }

    /// A new password by who knows the old one.
    async fn change_password(&self, client: &Client) {
        fine(field(client, CHANGE, json!({"current": PASSWORD, "next": GOOD}), "changePassword").await);
    }

    /// A new password by the link of a mail.
    async fn reset_password(&self) {
        let post = Post::open(&self.people.app).await;
        let anonymous = self.people.app.anonymous();
        anonymous.ok(REQUEST, json!({"email": EMAIL, "slug": "alfa"})).await;
        let token = token(&post.last().await);
        fine(field(&anonymous, RESET, json!({"token": token, "password": GOOD}), "resetPassword").await);
    }

    /// Locked, and let in again at once.
    async fn lock(&self) {
        for status in ["LOCKED", "ACTIVE"] {
            let version = self.people.version(self.ana).await;
            let input = json!({"id": self.people.id(Kind::User, self.ana), "version": version, "status": status});
            let admin = self.people.app.admin("alfa").await;
            assert_eq!(centre::refused(&self.people.update(&admin, input).await), Vec::<String>::new());
        }
    }

    async fn revoke(&self, client: &Client) {
        let session = self.people.app.actor_of(client).await.session.unwrap();
        let session = self.people.id(Kind::Session, session);
        fine(field(&self.people.admin, REVOKE, json!({ "session": session }), "revokeSession").await);
    }

    async fn complete(&self, phone: &Phone, challenge: &str) -> Value {
        complete(&self.people.app, challenge, &phone.code(&self.people.app)).await
    }

    async fn factors(&self) -> i64 {
        self.people.centre.count("SELECT count(*) FROM mfa_factors WHERE confirmed_at IS NOT NULL").await
    }

    /// Sessions that go on.
    async fn sessions(&self) -> i64 {
        let sql = "SELECT count(*) FROM sessions WHERE user_id = $1 AND revoked_at IS NULL";
        self.people.one(sql, vec![self.ana.into()]).await
    }
}

/// Somebody with a stolen access token enrols a telephone of their own, and the user notices that something is wrong.
#[tokio::test]
async fn an_enrolment_ends_with_its_session_and_with_the_password() {
    for ending in ["change", "change in the same session", "reset", "logout", "revoke", "lock"] {
        let case = Case::open().await;
        let (stolen, own) = (case.people.login(EMAIL).await, case.people.login(EMAIL).await);
        let phone = Phone::enrolled(&stolen).await;
        match ending {
            "change" => case.change_password(&own).await,
            "change in the same session" => case.change_password(&stolen).await,
            "reset" => case.reset_password().await,
            "logout" => drop(fine(field(&stolen, LOGOUT, json!({}), "logout").await)),
            "revoke" => case.revoke(&stolen).await,
            _ => case.lock().await,
        }
        let before = case.sessions().await;
        let answer = case.complete(&phone, &phone.challenge).await;
        assert_eq!(refused(&answer), refusal("TOKEN_INVALID", "challengeId"), "{ending}");
        assert_eq!((case.factors().await, case.sessions().await), (0, before), "{ending}");
    }
}

#[tokio::test]
async fn an_enrolment_outlives_the_end_of_other_sessions() {
    let case = Case::open().await;
    let (here, there) = (case.people.login(EMAIL).await, case.people.login(EMAIL).await);
    let phone = Phone::enrolled(&here).await;
    case.revoke(&there).await;
    fine(case.complete(&phone, &phone.challenge).await);
    assert_eq!((case.factors().await, case.sessions().await), (1, 1));
    let again = case.complete(&phone, &phone.challenge).await;
    assert_eq!(refused(&again), refusal("TOKEN_USED", "challengeId"));
}

#[tokio::test]
async fn a_login_that_waits_ends_with_the_password_it_was_opened_with() {
    for ending in ["change", "reset", "lock", "logout"] {
        let case = Case::open().await;
        let app = &case.people.app;
        let phone = Phone::enrolled(&case.people.login(EMAIL).await).await;
        let own = client_of(app, &fine(case.complete(&phone, &phone.challenge).await));
        app.clock.advance(TimeDelta::seconds(60));
        let waiting = challenge(app, EMAIL).await;
        match ending {
            "change" => case.change_password(&own).await,
            "reset" => case.reset_password().await,
            "lock" => case.lock().await,
            _ => drop(fine(field(&own, LOGOUT, json!({}), "logout").await)),
        }
        let before = case.sessions().await;
        let answer = case.complete(&phone, &waiting).await;
        if ending == "logout" {
            // Another device's session is no reason to turn this one away.
            fine(answer);
            assert_eq!(case.sessions().await, before + 1);
        } else {
            assert_eq!(refused(&answer), refusal("TOKEN_INVALID", "challengeId"), "{ending}");
            assert_eq!(case.sessions().await, before, "{ending}");
        }
    }
}
