//! The page behind the links of invitations and forgotten passwords: GET shows, POST sets the password once.

use axum::{
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use horae::{auth::BuiltinRole, db::TenantStatus, schema::id::Kind};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use super::visit::FORM;
use crate::{
    identity::people::{GOOD, People, REQUEST},
    support::app::PASSWORD,
};

struct Seen {
    status: StatusCode,
    headers: HeaderMap,
    html: String,
}

impl Seen {
    fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.html.contains(word), "`{word}` is not in {}", self.html);
        }
    }

    fn has_form(&self) -> bool {
        self.html.contains("<form method=\"post\">")
    }
}

async fn ask(people: &People, method: Method, token: &str, headers: &[(&str, &str)], body: &str) -> Seen {
    let mut request = Request::builder().method(method).uri(format!("/u/{token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).unwrap();
    let response = people.app.router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let html = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Seen { status: parts.status, headers: parts.headers, html }
}

async fn get(people: &People, token: &str) -> Seen {
    ask(people, Method::GET, token, &[("accept-language", "en")], "").await
}

async fn post(people: &People, token: &str, form: &str) -> Seen {
    ask(people, Method::POST, token, &[FORM, ("sec-fetch-site", "same-origin"), ("origin", "null")], form).await
}

/// The word of the link in the newest mail, as the mail really went out.
async fn mailed(people: &People) -> String {
    people.app.run_jobs().await;
    let mail = people.app.mails().pop().expect("a mail");
    let text: String = mail.replace("=\r\n", "").replace("=3D", "=");
    let (_, rest) = text.split_once("/u/ul").unwrap_or_else(|| panic!("no link: {mail}"));
    format!("ul{}", rest.split(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c)).next().unwrap())
}

async fn invited(people: &People) -> String {
    let role = people.id(Kind::Role, people.builtin(BuiltinRole::Cashier).await);
    people.invite(&people.admin, json!({"email": "rosa@correo.test", "name": "Rosa <Soto>", "roleIds": [role]})).await;
    mailed(people).await
}

#[tokio::test]
async fn a_newcomer_sets_a_password_without_a_front_end() {
    let people = People::open().await;
    let token = invited(&people).await;
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(ask(&people, method, &token, &[], "").await.status, StatusCode::OK);
    }
    let seen = get(&people, &token).await;
    seen.says(&[
        "<html lang=\"es\">",
        "Centro alfa",
        "Cree su contraseña",
        "value=\"rosa@correo.test\"",
        "value=\"Rosa &lt;Soto&gt;\"",
        "autocomplete=\"new-password\"",
    ]);
    assert!(seen.has_form() && !seen.html.contains("<script") && !seen.html.contains(&token), "{}", seen.html);
    for (name, value) in
        [("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-robots-tag", "noindex, nofollow")]
    {
        assert_eq!(seen.headers[name], value);
    }
    let policy = seen.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("form-action 'self'"), "{policy}");

    let different = post(&people, &token, "name=Rosa&password=tormenta+cuchara+7&again=otra").await;
    assert_eq!(different.status, StatusCode::UNPROCESSABLE_ENTITY);
    different.says(&["no son iguales", "aria-invalid=\"true\"", "value=\"Rosa\""]);
    let weak = post(&people, &token, "name=Rosa&password=12345678&again=12345678").await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
    weak.says(&["se adivina con facilidad"]);
    assert!(weak.has_form() && !weak.html.contains("12345678"), "the password comes back: {}", weak.html);
    let nameless = post(&people, &token, "name=+&password=x&again=x").await;
    assert_eq!(nameless.status, StatusCode::UNPROCESSABLE_ENTITY);
    nameless.says(&["El nombre debe tener"]);
    let huge = post(&people, &token, &format!("password={}", "x".repeat(20_000))).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!people.gets_in("rosa@correo.test", "12345678").await);

    let form = format!("name=Rosa+Soto&password={0}&again={0}", GOOD.replace(' ', "+"));
    let foreign = ask(&people, Method::POST, &token, &[FORM, ("sec-fetch-site", "cross-site")], &form).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    let done = post(&people, &token, &form).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.html);
    done.says(&["Su cuenta está activa"]);
    assert!(!done.has_form() && people.gets_in("rosa@correo.test", GOOD).await);

    let again = post(&people, &token, &form).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    again.says(&["Este enlace ya se usó"]);
    assert!(!get(&people, &token).await.has_form());
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_in_the_centres_language() {
    let people = People::open().await;
    people.centre.run("UPDATE centre_profile SET locale = 'en-GB'", vec![]).await;
    people.hire("ana@alfa.test", &[people.builtin(BuiltinRole::Cashier).await], &[]).await;
    people.app.anonymous().ok(REQUEST, json!({"email": "ana@alfa.test", "slug": "alfa"})).await;
    let token = mailed(&people).await;
    let seen = get(&people, &token).await;
    seen.says(&["<html lang=\"en\">", "Choose another password", "Save the password"]);
    assert!(!seen.html.contains("name=\"name\""), "a reset does not change the name");
    let form = format!("password={0}&again={0}", GOOD.replace(' ', "+"));
    let db = &people.app.app.cx.db;
    db.set_tenant_status("alfa", TenantStatus::Maintenance, Some("backup"), people.app.now()).await.unwrap();
    let later = post(&people, &token, &form).await;
    assert_eq!(
        (later.status, later.headers[header::RETRY_AFTER].to_str().unwrap()),
        (StatusCode::SERVICE_UNAVAILABLE, "300")
    );
    db.set_tenant_status("alfa", TenantStatus::Active, None, people.app.now()).await.unwrap();
    let done = post(&people, &token, &form).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.html);
    done.says(&["Your password is saved"]);
    assert!(people.gets_in("ana@alfa.test", GOOD).await && !people.gets_in("ana@alfa.test", PASSWORD).await);
}

#[tokio::test]
async fn links_that_are_over_say_why_and_unknown_ones_nothing() {
    let people = People::open().await;
    let first = invited(&people).await;
    people.app.clock.advance(chrono::Duration::seconds(5));
    let second = invited(&people).await;
    let form = format!("name=Rosa&password={0}&again={0}", GOOD.replace(' ', "+"));
    get(&people, &first).await.says(&["Este enlace ya no vale"]);
    assert_eq!(post(&people, &first, &form).await.status, StatusCode::CONFLICT);
    people.app.clock.advance(chrono::Duration::days(7));
    get(&people, &second).await.says(&["Este enlace ha vencido"]);
    assert_eq!(post(&people, &second, &form).await.status, StatusCode::GONE);
    for unknown in ["ul1.x", "x", "ct1.abc", &"y".repeat(300)] {
        let seen = get(&people, unknown).await;
        assert_eq!(seen.status, StatusCode::NOT_FOUND);
        seen.says(&["This link is not valid"]);
        assert!(!seen.html.contains("Centro alfa"));
        assert_eq!(post(&people, unknown, &form).await.status, StatusCode::NOT_FOUND);
    }
}
