//! What changes between the check of a password and the session that it opens. A transaction of the test's holds the
//! user's row, so that both wait at it, in the order that the test wants.

use std::time::Duration;

use horae::{auth::BuiltinRole, db::TenantTx, schema::id::Kind};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{
    field, fine,
    mfa::{LOGIN, Phone, challenge, client_of, complete},
    people::{GOOD, People, Post, REQUEST, RESET, token},
    refusal, refused,
};
use crate::support::app::{Client, PASSWORD};

const EMAIL: &str = "ana@alfa.test";
const CHANGE: &str = "mutation($current: String!, $next: String!) {
    changePassword(current: $current, next: $next) { ok userErrors { code message field } }
}";

struct Race {
    people: People,
    ana: Uuid,
    /// Ana's, from before.
    own: Client,
}

impl Race {
    async fn open() -> Self {
        let people = People::open().await;
        let ana = people.hire(EMAIL, &[people.builtin(BuiltinRole::Cashier).await], &[]).await;
        let own = people.login(EMAIL).await;
        Self { people, ana, own }
    }

    /// Holds Ana's row.
    async fn hold(&self) -> TenantTx {
        let tx = self.people.centre.cx.write(&self.people.centre.system).await.unwrap();
        tx.run("SELECT 1 FROM users WHERE id = $1 FOR UPDATE", [self.ana.into()]).await.unwrap();
        tx
    }

    /// Until so many transactions wait for a lock.
    async fn until_waiting(&self, many: i64) {
        let mut owner = PgConnection::connect(&self.people.app.database_url).await.unwrap();
        let sql =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let looking = async {
            while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut owner).await.unwrap() < many {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(9), looking).await.expect("they come to wait at the user's row");
    }

    /// Both wait at Ana's row, `first` before `second`; then they go on.
    async fn one_behind_the_other<A, B>(
        &self,
        first: impl Future<Output = A>,
        second: impl Future<Output = B>,
    ) -> (A, B) {
        let held = self.hold().await;
        let behind = async {
            self.until_waiting(1).await;
            let release = async {
                self.until_waiting(2).await;
                held.commit().await.unwrap();
            };
            tokio::join!(second, release).0
        };
        tokio::join!(first, behind)
    }

    async fn log_in(&self) -> Value {
        let variables = json!({"email": EMAIL, "password": PASSWORD, "slug": "alfa"});
        field(&self.people.app.anonymous(), LOGIN, variables, "login").await
    }

    async fn change_password(&self) {
        fine(field(&self.own, CHANGE, json!({"current": PASSWORD, "next": GOOD}), "changePassword").await);
    }

    /// Sessions that go on.
    async fn sessions(&self) -> i64 {
        let sql = "SELECT count(*) FROM sessions WHERE user_id = $1 AND revoked_at IS NULL";
        self.people.one(sql, vec![self.ana.into()]).await
    }
}

#[tokio::test]
async fn a_login_whose_password_is_changed_while_it_is_checked_opens_nothing() {
    let race = Race::open().await;
    let ((), answer) = race.one_behind_the_other(race.change_password(), race.log_in()).await;
    assert_eq!(refused(&answer), refusal("INVALID", "password"));
    assert_eq!((&answer["tokens"], race.sessions().await), (&Value::Null, 1), "only the one that changed it goes on");
}

#[tokio::test]
async fn a_login_whose_password_is_reset_while_it_is_checked_opens_nothing() {
    let race = Race::open().await;
    let post = Post::open(&race.people.app).await;
    let anonymous = race.people.app.anonymous();
    anonymous.ok(REQUEST, json!({"email": EMAIL, "slug": "alfa"})).await;
    let token = token(&post.last().await);
    let reset = field(&anonymous, RESET, json!({"token": token, "password": GOOD}), "resetPassword");
    let (done, answer) = race.one_behind_the_other(reset, race.log_in()).await;
    fine(done);
    assert_eq!(refused(&answer), refusal("INVALID", "password"));
    assert_eq!(race.sessions().await, 0);
}

#[tokio::test]
async fn a_login_whose_user_is_locked_while_it_is_checked_opens_nothing() {
    let race = Race::open().await;
    let version = race.people.version(race.ana).await;
    let input = json!({"id": race.people.id(Kind::User, race.ana), "version": version, "status": "LOCKED"});
    let lock = race.people.update(&race.people.admin, input);
    let (done, answer) = race.one_behind_the_other(lock, race.log_in()).await;
    assert_eq!(done["user"]["status"], "LOCKED", "{done}");
    assert_eq!(refused(&answer), refusal("INVALID", "password"));
    // Nor does it come to life when the lock is taken off.
    assert_eq!(race.sessions().await, 0);
}

#[tokio::test]
async fn a_session_that_a_login_is_about_to_open_ends_with_the_password() {
    let race = Race::open().await;
    let (answer, ()) = race.one_behind_the_other(race.log_in(), race.change_password()).await;
    assert!(fine(answer)["tokens"]["accessToken"].is_string(), "it came first");
    assert_eq!(race.sessions().await, 1, "only the one that changed it goes on");
}

#[tokio::test]
async fn a_login_asks_for_the_factor_that_is_confirmed_while_the_password_is_checked() {
    let race = Race::open().await;
    let phone = Phone::enrolled(&race.own).await;
    let code = phone.code(&race.people.app);
    let confirm = complete(&race.people.app, &phone.challenge, &code);
    let (confirmed, answer) = race.one_behind_the_other(confirm, race.log_in()).await;
    fine(confirmed);
    let tokens = fine(answer)["tokens"].clone();
    assert_eq!((&tokens["mfaRequired"], &tokens["accessToken"]), (&json!(true), &json!("")), "{tokens}");
    assert_eq!(race.sessions().await, 1);
}

#[tokio::test]
async fn a_code_that_comes_while_the_password_is_changed_opens_nothing() {
    let mut race = Race::open().await;
    let app = &race.people.app;
    let phone = Phone::enrolled(&race.own).await;
    race.own = client_of(app, &fine(complete(app, &phone.challenge, &phone.code(app)).await));
    app.clock.advance(chrono::TimeDelta::seconds(60));
    let waiting = challenge(app, EMAIL).await;
    let code = phone.code(app);
    let late = complete(app, &waiting, &code);
    let ((), answer) = race.one_behind_the_other(race.change_password(), late).await;
    assert_eq!(refused(&answer), refusal("TOKEN_INVALID", "challengeId"));
    assert_eq!(race.sessions().await, 1);
}
