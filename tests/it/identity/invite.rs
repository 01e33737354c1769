//! From an invitation over a real relay to a login, and every way in which it does not come to that.

use horae::{
    auth::BuiltinRole,
    domain::platform::create_tenant::{self, NewCentre},
    schema::id::Kind,
};
use serde_json::{Value, json};

use super::people::{ACCEPT, GOOD, People, Post, RESET, token};
use crate::{centre::refused, support::app::Client};

async fn accept(client: &Client, token: &str, password: &str, name: Option<&str>) -> Value {
    let variables = json!({"token": token, "password": password, "name": name});
    client.ok(ACCEPT, variables).await["acceptInvite"].clone()
}

impl People {
    async fn invitation(&self, email: &str) -> Value {
        let role = self.builtin(BuiltinRole::Receptionist).await;
        let input = json!({"email": email, "name": "Rosa Soto", "roleIds": [self.id(Kind::Role, role)]});
        let payload = self.invite(&self.admin, input).await;
        assert_eq!(refused(&payload), Vec::<String>::new(), "{payload}");
        payload["user"].clone()
    }

    async fn user_id(&self, email: &str) -> uuid::Uuid {
        self.one("SELECT id FROM users WHERE email = $1", vec![email.into()]).await
    }
}

#[tokio::test]
async fn the_invited_reads_a_mail_sets_a_password_and_logs_in() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    let user = people.invitation("Rosa@Correo.test").await;
    assert_eq!(user["status"], "INVITED");
    assert_eq!(user["email"], "rosa@correo.test");
    assert_eq!(user["roles"], json!([{"name": "Receptionist"}]));
    assert!(!people.gets_in("rosa@correo.test", GOOD).await);

    let mail = post.last().await;
    assert_eq!(mail.to, ["rosa@correo.test"]);
    assert_eq!(mail.subject, "Su acceso a Centro alfa");
    for part in ["Hola, Rosa Soto:", "rosa@correo.test", "lunes 20 de julio de 2026, 08:00", "America/Santiago"] {
        assert!(mail.body.contains(part), "{part}: {}", mail.body);
    }
    let token = token(&mail);
    let stolen = people.everything().await;
    let secret = token.split_once('.').unwrap().1;
    assert!(stolen.contains("rosa@correo.test") && !stolen.contains(secret), "the word of the link is kept");

    let nobody = people.app.anonymous();
    let weak = accept(&nobody, &token, "rosasoto1", None).await;
    assert_eq!((refused(&weak), &weak["ok"]), (vec!["INVALID password".to_owned()], &json!(false)));
    let message = weak["userErrors"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("se adivina") && message.contains("su nombre") && !message.contains("rosasoto1"),
        "{message}"
    );
    assert_eq!(refused(&accept(&nobody, &token, &"x".repeat(129), None).await), ["INVALID password"]);
    assert_eq!(refused(&accept(&nobody, &token, GOOD, Some(" ")).await), ["REQUIRED name"]);
    assert_eq!(refused(&accept(&nobody, &token, GOOD, Some(&"x".repeat(201))).await), ["INVALID name"]);

    let done = accept(&nobody, &token, GOOD, Some("Rosa Soto Vidal")).await;
    assert_eq!(done, json!({"ok": true, "userErrors": []}));
    assert!(people.gets_in("rosa@correo.test", GOOD).await);
    let id = people.user_id("rosa@correo.test").await;
    assert_eq!(people.one::<String>("SELECT name FROM users WHERE id = $1", vec![id.into()]).await, "Rosa Soto Vidal");
    assert_eq!(people.events(id).await, ["user.invited", "user.registered"]);
    assert_eq!(people.audited(id).await, ["inviteUser", "acceptInvite"]);
    assert_eq!(refused(&accept(&nobody, &token, GOOD, None).await), ["TOKEN_USED token"]);
    // Accepted: the invitation cannot be repeated.
    let role = people.builtin(BuiltinRole::Receptionist).await;
    let again = json!({"email": "rosa@correo.test", "name": "Rosa", "roleIds": [people.id(Kind::Role, role)]});
    people.refuses(people.invite(&people.admin, again), &["ALREADY_EXISTS email"]).await;
    assert!(!people.everything().await.contains(GOOD));
}

#[tokio::test]
async fn an_english_centre_writes_and_answers_in_english() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    people.centre.run("UPDATE centre_profile SET locale = 'en-GB'", vec![]).await;
    people.invitation("rosa@correo.test").await;
    let mail = post.last().await;
    assert_eq!(mail.subject, "Your access to Centro alfa");
    let weak = accept(&people.app.anonymous(), &token(&mail), "qwertyuiop", None).await;
    let message = weak["userErrors"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("This password is easily guessed"), "{message}");
}

#[tokio::test]
async fn a_link_that_is_old_replaced_altered_or_for_something_else_is_refused() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    let nobody = people.app.anonymous();
    people.invitation("rosa@correo.test").await;
    let first = token(&post.last().await);
    people.invitation("rosa@correo.test").await;
    let second = token(&post.last().await);
    assert_ne!(first, second);
    assert_eq!(refused(&accept(&nobody, &first, GOOD, None).await), ["TOKEN_INVALID token"]);
    let (head, secret) = second.split_once('.').unwrap();
    let beta = people.app.system("beta").await.tenant.key;
    for forged in [
        String::new(),
        "x".repeat(5_000),
        format!("{head}.{}", "A".repeat(secret.len())),
        format!("ul{beta}.{secret}"),
        format!("ul9999.{secret}"),
        format!("ct{}.{secret}", head.trim_start_matches("ul")),
    ] {
        assert_eq!(refused(&accept(&nobody, &forged, GOOD, None).await), ["TOKEN_INVALID token"], "{forged}");
    }
    // An invitation is no key to an account that has a password.
    let reset = nobody.ok(RESET, json!({"token": second, "password": GOOD})).await["resetPassword"].clone();
    assert_eq!(refused(&reset), ["TOKEN_INVALID token"]);

    people.app.clock.advance(chrono::Duration::days(7) - chrono::Duration::seconds(1));
    assert_eq!(refused(&accept(&nobody, &second, "aaaaaaaa", None).await), ["INVALID password"]);
    people.app.clock.advance(chrono::Duration::seconds(1));
    assert_eq!(refused(&accept(&nobody, &second, GOOD, None).await), ["EXPIRED token"]);
    assert_eq!(people.status(people.user_id("rosa@correo.test").await).await, "INVITED");
}

#[tokio::test]
async fn whoever_was_disabled_meanwhile_is_not_let_in_and_comes_back_by_a_new_invitation() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    let nobody = people.app.anonymous();
    let user = people.invitation("rosa@correo.test").await;
    let first = token(&post.last().await);
    people.update(&people.admin, json!({"id": user["id"], "version": user["version"], "status": "DISABLED"})).await;
    assert_eq!(refused(&accept(&nobody, &first, GOOD, None).await), ["TOKEN_INVALID token"]);
    let back = people.invitation("rosa@correo.test").await;
    assert_eq!((&back["id"], &back["status"]), (&user["id"], &json!("INVITED")));
    let done = accept(&nobody, &token(&post.last().await), GOOD, None).await;
    assert_eq!(done["ok"], true, "{done}");
    assert!(people.gets_in("rosa@correo.test", GOOD).await);
}

#[tokio::test]
async fn an_invitation_that_is_taken_back_before_it_is_sent_is_not_sent() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    let user = people.invitation("rosa@correo.test").await;
    people.update(&people.admin, json!({"id": user["id"], "version": user["version"], "status": "DISABLED"})).await;
    assert!(post.round().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_accept_at_once_one_does() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    people.invitation("rosa@correo.test").await;
    let token = token(&post.last().await);
    let (one, other) = (people.app.anonymous(), people.app.anonymous());
    let (one, other) =
        tokio::join!(accept(&one, &token, GOOD, None), accept(&other, &token, "tormenta cuchara 7 lunas", None));
    let mut told = [refused(&one), refused(&other)];
    told.sort();
    assert_eq!(told, [vec![], vec!["TOKEN_USED token".to_owned()]]);
}

#[tokio::test]
async fn what_cannot_be_invited() {
    let people = People::open().await;
    let role = people.id(Kind::Role, people.builtin(BuiltinRole::Cashier).await);
    let base = json!({"email": "new@correo.test", "name": "Nueva", "roleIds": [role]});
    let with = |field: &str, value: Value| {
        let mut input = base.clone();
        input[field] = value;
        input
    };
    let foreign_role =
        crate::centre::global(&people.app, "beta", Kind::Role, people.builtin(BuiltinRole::Cashier).await).await;
    let foreign_branch = crate::centre::global(&people.app, "beta", Kind::Branch, people.centre.cx.new_id()).await;
    for (input, expected) in [
        (with("name", json!(" ")), vec!["REQUIRED name"]),
        (with("name", json!("x".repeat(201))), vec!["INVALID name"]),
        (with("roleIds", json!([])), vec!["REQUIRED roleIds"]),
        (with("roleIds", json!([role, people.id(Kind::Role, people.centre.cx.new_id())])), vec!["NOT_FOUND roleIds.1"]),
        (with("roleIds", json!([foreign_role])), vec!["NOT_FOUND roleIds.0"]),
        (with("roleIds", json!([people.id(Kind::User, people.centre.cx.new_id())])), vec!["NOT_FOUND roleIds.0"]),
        (with("branchIds", json!([people.id(Kind::Branch, people.centre.cx.new_id())])), vec!["NOT_FOUND branchIds.0"]),
        (with("branchIds", json!([foreign_branch])), vec!["NOT_FOUND branchIds.0"]),
        (with("email", json!("ADMIN@alfa.test")), vec!["ALREADY_EXISTS email"]),
    ] {
        people.refuses(people.invite(&people.admin, input), &expected).await;
    }
    for role in BuiltinRole::ALL.into_iter().filter(|role| *role != BuiltinRole::Administrator) {
        let client = people.app.user("alfa", role).await;
        people.refuses(people.invite(&client, base.clone()), &["FORBIDDEN "]).await;
    }
    let query = "mutation($input: InviteUserInput!) { inviteUser(input: $input) { user { id } } }";
    for client in [people.app.anonymous(), people.app.page("alfa").await] {
        assert_eq!(client.error_code(query, json!({"input": base})).await, "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn the_first_administrator_of_a_new_centre_is_invited_when_there_is_no_password() {
    let people = People::open().await;
    let post = Post::open(&people.app).await;
    let new = NewCentre {
        slug: "gamma".to_owned(),
        trade_name: "Centro Gamma".to_owned(),
        legal_name: "Gamma SpA".to_owned(),
        country: "CL".to_owned(),
        currency: "CLP".to_owned(),
        locale: "es-CL".to_owned(),
        default_time_zone: chrono_tz::Tz::America__Santiago,
        vertical: "CLINIC".to_owned(),
        operating_mode: "BY_PROFESSIONAL".to_owned(),
        dedicated: false,
        admin_email: "Jefa@gamma.test".to_owned(),
        admin_name: "Jefa".to_owned(),
        admin_password: None,
    };
    create_tenant::run(&people.app.app.cx, people.app.app.config.cell_plan, new).await.unwrap();
    let token = token(&post.last().await);
    let done = accept(&people.app.anonymous(), &token, GOOD, None).await;
    assert_eq!(done["ok"], true, "{done}");
    let variables = json!({"email": "jefa@gamma.test", "password": GOOD, "slug": "gamma"});
    assert!(people.app.anonymous().ok(super::people::LOGIN, variables).await["login"]["tokens"].is_object());
}
