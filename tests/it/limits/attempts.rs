//! Tries of secrets and public bookings.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Answer, BELIEVE, Caller};
use crate::support::{
    app::{Client, PASSWORD, TestApp},
    redis::RedisServer,
};

const FEW: &[(&str, &str)] = &[BELIEVE, ("HORAE_ATTEMPTS_PER_ADDRESS", "5"), ("HORAE_ATTEMPTS_PER_ACCOUNT", "3")];

async fn login(caller: &Caller, email: &str, password: &str) -> Answer {
    let document = "mutation($email: EmailAddress!, $password: String!) {
        login(email: $email, password: $password, tenantSlug: \"alfa\") { tokens { accessToken } userErrors { code } } }";
    caller.ask(document, json!({"email": email, "password": password})).await
}

fn nobody(app: &TestApp, address: &str) -> Caller {
    Caller::new(app, &app.anonymous(), address)
}

fn without_id(answer: &Answer) -> Value {
    let mut body = answer.body.clone();
    body["extensions"].as_object_mut().unwrap().remove("requestId");
    body
}

#[tokio::test]
async fn an_account_has_few_tries_whether_it_exists_or_not() {
    let app = TestApp::start_with(FEW).await;
    let mut last = Vec::new();
    for (address, email) in [("192.0.2.1", "admin@alfa.test"), ("192.0.2.2", "nobody@alfa.test")] {
        let caller = nobody(&app, address);
        for _ in 0..3 {
            let answer = login(&caller, email, "wrong horse battery").await;
            assert_eq!(answer.body["data"]["login"]["userErrors"][0]["code"], "INVALID", "{:#}", answer.body);
        }
        // From anywhere, in whatever letters, with the right password too.
        let answer = login(&nobody(&app, &format!("{address}0")), &email.to_uppercase(), PASSWORD).await;
        assert_eq!(answer.is_too_often(), 20);
        last.push(without_id(&answer));
    }
    assert_eq!(last[0], last[1], "nothing tells which of them exists");
    app.clock.advance(TimeDelta::seconds(20));
    let answer = login(&nobody(&app, "192.0.2.9"), "admin@alfa.test", PASSWORD).await;
    assert!(answer.body["data"]["login"]["tokens"]["accessToken"].is_string(), "{:#}", answer.body);
}

#[tokio::test]
async fn an_address_has_few_tries_over_all_accounts_and_secrets() {
    let app = TestApp::start_with(FEW).await;
    let guesser = nobody(&app, "192.0.2.1");
    for n in 0..4 {
        let answer = login(&guesser, &format!("user{n}@alfa.test"), "wrong").await;
        assert!(answer.body.get("errors").is_none(), "{:#}", answer.body);
    }
    let refresh = "mutation { refreshSession(refreshToken: \"rt1.guessed\") { userErrors { code } } }";
    assert!(guesser.ask(refresh, json!({})).await.body.get("errors").is_none());
    guesser
        .ask("mutation { patientCancel(token: \"guessed\") { userErrors { code } } }", json!({}))
        .await
        .is_too_often();
    // Hidden in fragments, by aliases or with variables it counts the same.
    let other = nobody(&app, "192.0.2.2");
    let hidden = "mutation($t: String = \"x\") { ...F b: refreshSession(refreshToken: \"y\") { userErrors { code } } }
        fragment F on Mutation { a: refreshSession(refreshToken: $t) { userErrors { code } } ... on Mutation {
            c: refreshSession(refreshToken: \"z\") { userErrors { code } } } }";
    assert!(other.ask(hidden, json!({})).await.body.get("errors").is_none());
    other.ask(hidden, json!({})).await.is_too_often();
    // A fragment runs as often as it is spread.
    let again = |times: usize| {
        format!(
            "mutation {{ {} }} fragment F on Mutation {{ refreshSession(refreshToken: \"again\") {{ userErrors {{ code }} }} }}",
            "...F ".repeat(times)
        )
    };
    let third = nobody(&app, "192.0.2.3");
    assert!(third.ask(&again(2), json!({})).await.body.get("errors").is_none());
    third.ask(&again(2), json!({})).await.is_too_often();
}

#[tokio::test]
async fn a_password_in_a_fragment_takes_a_place_for_each_spread() {
    let app = TestApp::start_with(&[BELIEVE]).await;
    let logins = |times: usize| {
        format!(
            "mutation {{ {} }} fragment F on Mutation {{
                login(email: \"nobody@alfa.test\", password: \"guessed\", tenantSlug: \"alfa\") {{ userErrors {{ code }} }} }}",
            "...F ".repeat(times)
        )
    };
    // Sixty-four wait at most, and this one would be more by itself.
    nobody(&app, "192.0.2.1").ask(&logins(99), json!({})).await.is_too_often();
    assert!(nobody(&app, "192.0.2.1").ask(&logins(2), json!({})).await.body.get("errors").is_none());
}

#[tokio::test]
async fn a_flood_of_requests_for_passwords_leaves_a_centres_logins_alone() {
    let app = TestApp::start_with(FEW).await;
    let document = "mutation($email: EmailAddress!) {
        requestPasswordReset(email: $email, tenantSlug: \"alfa\") { accepted userErrors { code } } }";
    let ask = async |n: u32| {
        let caller = nobody(&app, &format!("192.0.2.{}", n / 5));
        caller.ask(document, json!({"email": format!("user{n}@alfa.test")})).await
    };
    for n in 0..50 {
        assert_eq!(ask(n).await.body["data"]["requestPasswordReset"]["accepted"], true);
    }
    ask(50).await.is_too_often();
    let answer = login(&nobody(&app, "192.0.2.99"), "admin@alfa.test", PASSWORD).await;
    assert!(answer.body["data"]["login"]["tokens"]["accessToken"].is_string(), "{:#}", answer.body);
}

#[tokio::test]
async fn who_has_a_network_of_addresses_has_the_tries_of_one() {
    let app = TestApp::start_with(FEW).await;
    let guess = async |address: String| {
        let refresh = "mutation($token: String!) { refreshSession(refreshToken: $token) { userErrors { code } } }";
        nobody(&app, &address).ask(refresh, json!({ "token": address })).await
    };
    let open = async |address: String| {
        let request = Request::get("/a/guessed").header("x-forwarded-for", address).body(Body::empty()).unwrap();
        app.router.clone().oneshot(request).await.unwrap().status()
    };
    for n in 0..5 {
        assert!(guess(format!("2001:db8:0:1:{n}::{n}")).await.code() != "RATE_LIMITED");
        assert_eq!(open(format!("2001:db8:0:1:{n}::{n}")).await, StatusCode::NOT_FOUND);
    }
    guess("2001:db8:0:1:ffff::9".to_owned()).await.is_too_often();
    assert_eq!(open("2001:db8:0:1:ffff::9".to_owned()).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(open("2001:db8:0:2::1".to_owned()).await, StatusCode::NOT_FOUND, "another network is somebody else");
}

#[tokio::test]
async fn a_page_is_limited_and_the_desk_is_not() {
    let app = TestApp::start_with(FEW).await;
    let (page, admin) = (app.page("alfa").await, app.admin("alfa").await);
    let release = "mutation { releaseHold(appointmentId: \"x\") { released } }";
    let (visitor, desk) = (Caller::new(&app, &page, "192.0.2.7"), Caller::new(&app, &admin, "192.0.2.7"));
    for _ in 0..5 {
        assert!(visitor.ask(release, json!({})).await.body.get("errors").is_none());
    }
    visitor.ask(release, json!({})).await.is_too_often();
    let elsewhere = Caller::new(&app, &page, "192.0.2.8");
    assert!(elsewhere.ask(release, json!({})).await.body.get("errors").is_none());
    for _ in 0..10 {
        assert!(desk.ask(release, json!({})).await.body.get("errors").is_none());
    }
}

#[tokio::test]
async fn links_of_mails_cannot_be_guessed_in_a_row() {
    let app = TestApp::start_with(FEW).await;
    let open = |path: &'static str, address: &'static str| {
        let request = Request::get(path).header("x-forwarded-for", address).body(Body::empty()).unwrap();
        app.router.clone().oneshot(request)
    };
    for path in ["/a/guessed", "/u/guessed", "/c/guessed.ics", "/e/guessed.ics", "/a/guessed"] {
        assert_eq!(open(path, "192.0.2.1").await.unwrap().status(), StatusCode::NOT_FOUND);
    }
    for path in ["/a/guessed", "/u/guessed", "/c/guessed.ics", "/e/guessed.ics"] {
        let refused = open(path, "192.0.2.1").await.unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert_eq!(refused.headers()[header::RETRY_AFTER], "12");
    }
    assert_eq!(open("/e/guessed.ics", "192.0.2.2").await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn keys_cannot_be_guessed_in_a_row_and_known_ones_are_no_tries() {
    let app = TestApp::start_with(FEW).await;
    let page = app.page("alfa").await;
    let viewer = "{ publicBookingPage(tenantSlug: \"alfa\") { tenantName } }";
    let with = |word: &str, address| {
        let client = Client { token: Some(word.to_owned()), ..app.anonymous() };
        Caller::new(&app, &client, address)
    };
    assert!(Caller::new(&app, &page, "192.0.2.9").ask(viewer, json!({})).await.body.get("errors").is_none());
    // Of a centre that is there and of one that is not, of either kind.
    for word in ["pk1.guess", "pk999.guess", "sk1.guess", "sk2.guess", "pk2.other"] {
        assert_eq!(with(word, "192.0.2.1").ask(viewer, json!({})).await.code(), "UNAUTHENTICATED", "{word}");
    }
    assert_eq!(with("pk1.another", "192.0.2.1").ask(viewer, json!({})).await.is_too_often(), 12);
    assert_eq!(with("sk1.another", "192.0.2.1").ask(viewer, json!({})).await.is_too_often(), 12);
    assert_eq!(with("pk1.another", "192.0.2.2").ask(viewer, json!({})).await.code(), "UNAUTHENTICATED");
    for _ in 0..10 {
        // A key that this node knows, and a word that it knows to be none, are looked up nowhere.
        let known = Caller::new(&app, &page, "192.0.2.1").ask(viewer, json!({})).await;
        assert!(known.body.get("errors").is_none(), "{:#}", known.body);
        assert_eq!(with("pk1.guess", "192.0.2.1").ask(viewer, json!({})).await.code(), "UNAUTHENTICATED");
    }
    assert_eq!(with("no key at all", "192.0.2.1").ask(viewer, json!({})).await.code(), "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_count_on_every_node() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let settings: Vec<_> = FEW.iter().copied().chain([("REDIS_URL", url.as_str())]).collect();
    let one = TestApp::start_with(&settings).await;
    let two = TestApp::with_clock(&one.database_url, &settings, one.clock.clone()).await;
    // Redis gives a try back every twenty seconds, so the fourth within them is refused.
    let mut refused = 0;
    for (app, address) in [(&one, "192.0.2.1"), (&two, "192.0.2.2"), (&one, "192.0.2.3"), (&two, "192.0.2.4")] {
        let answer = login(&nobody(app, address), "admin@alfa.test", "wrong").await;
        refused += u32::from(answer.code() == "RATE_LIMITED");
    }
    assert_eq!(refused, 1);
    let client = redis::Client::open(url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert!(!keys.iter().any(|key| key.contains("admin")), "no mail address is kept: {keys:?}");
}
