//! A forgotten password: the request that tells nothing, the mail over a real relay, the link that works once.

use chrono::Duration;
use horae::{
    auth::BuiltinRole,
    db::TenantStatus,
    domain::{
        identity::{request_password_reset, send_password_reset},
        platform::retention,
    },
    schema::id::Kind,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::people::{ACCEPT, GOOD, People, Post, REQUEST, RESET, token};
use crate::{
    centre::refused,
    support::app::{Client, PASSWORD},
};

const VIEWER: &str = "{ viewer { actor { displayName } } }";

impl People {
    async fn forgot(&self, email: &str) -> Value {
        self.app.anonymous().ok(REQUEST, json!({"email": email, "slug": "alfa"})).await["requestPasswordReset"].clone()
    }

    async fn reset(&self, token: &str, password: &str) -> Value {
        self.app.anonymous().ok(RESET, json!({"token": token, "password": password})).await["resetPassword"].clone()
    }

    async fn ana(&self) -> Uuid {
        self.hire("ana@alfa.test", &[self.builtin(BuiltinRole::Cashier).await], &[]).await
    }
}

#[tokio::test]
async fn a_new_password_by_mail_ends_every_session() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    let ana = people.ana().await;
    let (phone, desk) = (people.login("ana@alfa.test").await, people.login("ana@alfa.test").await);
    assert_eq!(people.forgot("Ana@Alfa.test").await, json!({"accepted": true, "userErrors": []}));
    let mail = post.last().await;
    assert_eq!(
        (mail.subject.as_str(), mail.to.as_slice()),
        ("Elija otra contraseña – Centro alfa", &["ana@alfa.test".to_owned()][..])
    );
    assert!(mail.body.contains("lunes 13 de julio de 2026, 09:00"), "{}", mail.body);
    let token = token(&mail);
    assert!(!people.everything().await.contains(token.split_once('.').unwrap().1), "the word of the link is kept");

    assert_eq!(refused(&people.reset(&token, "ana12345").await), ["INVALID newPassword"]);
    assert!(people.gets_in("ana@alfa.test", PASSWORD).await, "a refusal changed the password");
    assert_eq!(people.reset(&token, GOOD).await, json!({"ok": true, "userErrors": []}));
    for client in [&phone, &desk] {
        assert_eq!(client.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    }
    assert!(!people.gets_in("ana@alfa.test", PASSWORD).await);
    assert!(people.gets_in("ana@alfa.test", GOOD).await);
    assert_eq!(refused(&people.reset(&token, GOOD).await), ["TOKEN_USED token"]);
    assert_eq!(people.events(ana).await, ["user.password_changed", "user.session_invalidated"]);
    assert_eq!(people.audited(ana).await, ["sendAccountLink", "resetPassword", "resetPassword"]);
    // Nobody else's session ended.
    people.admin.ok(VIEWER, json!({})).await;
}

#[tokio::test]
async fn the_answer_and_the_work_are_the_same_for_every_address() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    let ana = people.ana().await;
    let locked = people.hire("locked@alfa.test", &[], &[]).await;
    people.centre.run("UPDATE users SET status = 'LOCKED' WHERE id = $1", vec![locked.into()]).await;
    people.centre.run("INSERT INTO users (id, email, name, status, created_at, updated_at) VALUES (gen_random_uuid(), 'out@alfa.test', 'x', 'DISABLED', now(), now())", vec![]).await;
    let mut seen = Vec::new();
    for email in ["ana@alfa.test", "nobody@alfa.test", "locked@alfa.test", "out@alfa.test", "admin@beta.test"] {
        let before = people.app.app.cx.db.statements();
        let answer = people.forgot(email).await;
        seen.push((answer, people.app.app.cx.db.statements() - before));
    }
    assert!(seen.iter().all(|one| one == &seen[0]), "{seen:?}");
    // Each left the same traces; only the job finds out whose address it is.
    assert_eq!(people.centre.count("SELECT count(*) FROM password_reset_requests").await, 5);
    assert_eq!(
        people.centre.count("SELECT count(*) FROM audit_entries WHERE action = 'requestPasswordReset'").await,
        5
    );
    let mails = post.round().await;
    assert_eq!(mails.iter().flat_map(|mail| mail.to.clone()).collect::<Vec<_>>(), ["ana@alfa.test"]);
    assert_eq!(people.status(ana).await, "ACTIVE");
    // A centre that is not there, or closed, says nothing else.
    let query = json!({"email": "ana@alfa.test", "slug": "nowhere"});
    let answer = people.app.anonymous().ok(REQUEST, query).await["requestPasswordReset"].clone();
    assert_eq!(answer, json!({"accepted": true, "userErrors": []}));
}

#[tokio::test]
async fn somebody_invited_gets_the_invitation_again() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    let role = people.id(Kind::Role, people.builtin(BuiltinRole::Cashier).await);
    people.invite(&people.admin, json!({"email": "rosa@correo.test", "name": "Rosa", "roleIds": [role]})).await;
    let first = token(&post.last().await);
    people.app.clock.advance(Duration::days(8));
    people.forgot("rosa@correo.test").await;
    let mail = post.last().await;
    assert_eq!(mail.subject, "Su acceso a Centro alfa");
    let accept = |token: String| {
        let client = people.app.anonymous();
        async move {
            client.ok(ACCEPT, json!({"token": token, "password": GOOD, "name": null})).await["acceptInvite"].clone()
        }
    };
    assert_eq!(refused(&accept(first).await), ["TOKEN_INVALID token"]);
    assert_eq!(accept(token(&mail)).await["ok"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_written_to_three_times_an_hour() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    people.ana().await;
    let asked = (0..12).map(|_| people.forgot("ana@alfa.test"));
    let answers = futures::future::join_all(asked).await;
    assert!(answers.iter().all(|answer| answer["accepted"] == true));
    let arrived = post.round().await.len();
    assert!((1..=3).contains(&arrived), "{arrived}: a newer request may take an unsent mail out");
    assert_eq!(people.centre.count("SELECT count(*) FROM password_reset_requests").await, 3);
    people.app.clock.advance(Duration::minutes(59));
    people.forgot("ana@alfa.test").await;
    assert_eq!(people.centre.count("SELECT count(*) FROM password_reset_requests").await, 3);
    people.app.clock.advance(Duration::minutes(2));
    people.forgot("ana@alfa.test").await;
    assert_eq!(people.centre.count("SELECT count(*) FROM password_reset_requests").await, 4);
    assert_eq!(post.round().await.len(), arrived + 1);
    // And all addresses of a centre together are bounded too.
    people.centre.run("INSERT INTO password_reset_requests SELECT gen_random_uuid(), n || '@x.test', $1 FROM generate_series(1, 500) n", vec![people.app.now().into()]).await;
    people.forgot("admin@alfa.test").await;
    assert_eq!(
        people.centre.count("SELECT count(*) FROM password_reset_requests WHERE email = 'admin@alfa.test'").await,
        0
    );
}

#[tokio::test]
async fn a_link_holds_for_an_hour_and_until_the_next_one() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    let ana = people.ana().await;
    people.forgot("ana@alfa.test").await;
    let first = token(&post.last().await);
    people.forgot("ana@alfa.test").await;
    let second = token(&post.last().await);
    assert_eq!(refused(&people.reset(&first, GOOD).await), ["TOKEN_INVALID token"]);
    // A link for a password is no invitation.
    let accept = people.app.anonymous().ok(ACCEPT, json!({"token": second, "password": GOOD, "name": null})).await["acceptInvite"].clone();
    assert_eq!(refused(&accept), ["TOKEN_INVALID token"]);
    let (head, secret) = second.split_once('.').unwrap();
    for forged in
        [format!("{head}.{}", secret.to_lowercase()), format!("{second}A"), secret.to_owned(), "ul1".to_owned()]
    {
        assert_eq!(refused(&people.reset(&forged, GOOD).await), ["TOKEN_INVALID token"], "{forged}");
    }
    people.app.clock.advance(Duration::hours(1));
    assert_eq!(refused(&people.reset(&second, GOOD).await), ["EXPIRED token"]);
    // A user who is locked meanwhile is not let in by it.
    people.app.clock.advance(Duration::hours(1));
    people.forgot("ana@alfa.test").await;
    let third = token(&post.last().await);
    let admin = people.app.admin("alfa").await;
    let version = people.version(ana).await;
    people.update(&admin, json!({"id": people.id(Kind::User, ana), "version": version, "status": "LOCKED"})).await;
    assert_eq!(refused(&people.reset(&third, GOOD).await), ["TOKEN_INVALID token"]);
    assert_eq!(people.status(ana).await, "LOCKED");
}

#[tokio::test]
async fn a_mail_whose_link_is_over_is_not_sent() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    people.ana().await;
    people.forgot("ana@alfa.test").await;
    // The request is looked at, and the relay is away for an hour.
    let id: Uuid = people.one("SELECT id FROM password_reset_requests", vec![]).await;
    for _ in 0..2 {
        // Twice, as after a crash: one link, one mail.
        send_password_reset::run(&people.app.app.cx, &people.centre.system, id).await.unwrap();
    }
    assert_eq!(people.centre.count("SELECT count(*) FROM capability_tokens").await, 1);
    assert_eq!(people.centre.count("SELECT count(*) FROM email_messages").await, 1);
    people.app.clock.advance(Duration::hours(1));
    assert!(post.round().await.is_empty());
    assert_eq!(people.one::<String>("SELECT status FROM email_messages", vec![]).await, "EXPIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_use_a_link_at_once_one_does() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    people.ana().await;
    people.forgot("ana@alfa.test").await;
    let token = token(&post.last().await);
    let words = [GOOD, "tormenta cuchara 7 lunas"];
    let (one, other) = tokio::join!(people.reset(&token, words[0]), people.reset(&token, words[1]));
    let done: Vec<bool> = [&one, &other].map(|payload| payload["ok"] == true).to_vec();
    assert_eq!(done.iter().filter(|ok| **ok).count(), 1, "{one} {other}");
    for (word, done) in words.iter().zip(done) {
        assert_eq!(people.gets_in("ana@alfa.test", word).await, done);
    }
}

#[tokio::test]
async fn maintenance_is_told_and_a_disabled_centre_is_not() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    people.ana().await;
    people.forgot("ana@alfa.test").await;
    let token = token(&post.last().await);
    let db = &people.app.app.cx.db;
    db.set_tenant_status("alfa", TenantStatus::Maintenance, Some("backup"), people.app.now()).await.unwrap();
    for email in ["ana@alfa.test", "nobody@alfa.test"] {
        assert_eq!(refused(&people.forgot(email).await), ["TENANT_IN_MAINTENANCE "]);
    }
    assert_eq!(refused(&people.reset(&token, GOOD).await), ["TENANT_IN_MAINTENANCE "]);
    db.set_tenant_status("alfa", TenantStatus::Disabled, None, people.app.now()).await.unwrap();
    assert_eq!(people.forgot("ana@alfa.test").await, json!({"accepted": true, "userErrors": []}));
    assert_eq!(refused(&people.reset(&token, GOOD).await), ["TOKEN_INVALID token"]);
}

#[tokio::test]
async fn requests_are_removed_after_a_day_and_the_mails_are_the_administrators_to_see() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    people.ana().await;
    people.forgot("ana@alfa.test").await;
    post.round().await;
    let emails = "{ emailMessages(first: 10) { nodes { kind to relatedId } } }";
    let seen = people.admin.ok(emails, json!({})).await["emailMessages"]["nodes"].clone();
    assert_eq!((&seen[0]["kind"], &seen[0]["to"]), (&json!("PASSWORD_RESET"), &json!("ana@alfa.test")), "{seen}");
    let reception: Client = people.app.user("alfa", BuiltinRole::Receptionist).await;
    assert_eq!(reception.ok(emails, json!({})).await["emailMessages"]["nodes"], json!([]));
    people.app.clock.advance(Duration::hours(25));
    retention::prune(&people.app.app.cx, &people.centre.system, retention::SHORT_LIVED).await.unwrap();
    assert_eq!(people.centre.count("SELECT count(*) FROM password_reset_requests").await, 0);
    // A request that was removed before its job ran is a job with nothing to do.
    let gone = people.centre.cx.new_id();
    send_password_reset::run(&people.app.app.cx, &people.centre.system, gone).await.unwrap();
    assert_eq!(request_password_reset::JOB, "identity.password_reset");
}
