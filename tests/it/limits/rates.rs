//! Buckets of callers and centres, on one node and on several.

use chrono::TimeDelta;
use horae::auth::BuiltinRole;
use serde_json::json;

use super::{BELIEVE, Caller};
use crate::support::{
    app::{Client, TestApp},
    redis::RedisServer,
    socket::Socket,
};

/// Costs 10.
const TEN: &str = "{ rooms(first: 10) { nodes { name } } }";

/// Little room, which comes back slowly.
const LITTLE: &[(&str, &str)] =
    &[BELIEVE, ("HORAE_MAX_COST", "30"), ("HORAE_COST_CAPACITY", "30"), ("HORAE_COST_PER_SECOND", "5")];

/// A node with little room on the database of one where users can be made freely.
async fn little(roomy: &TestApp, more: &[(&str, &str)]) -> TestApp {
    let settings: Vec<_> = LITTLE.iter().chain(more).copied().collect();
    TestApp::with_clock(&roomy.database_url, &settings, roomy.clock.clone()).await
}

fn at(app: &TestApp, client: &Client) -> Caller {
    Caller::new(app, client, "192.0.2.1")
}

#[tokio::test]
async fn who_spends_too_much_waits_and_nobody_else_does() {
    let roomy = TestApp::start().await;
    let app = little(&roomy, &[]).await;
    let (one, two) = (roomy.admin("alfa").await, roomy.user("alfa", BuiltinRole::Receptionist).await);
    let greedy = at(&app, &one);
    for _ in 0..3 {
        assert!(greedy.ask(TEN, json!({})).await.body.get("errors").is_none());
    }
    assert_eq!(greedy.ask(TEN, json!({})).await.is_too_often(), 2, "ten come back at five in a second");
    greedy.ask_for("application/graphql-response+json", TEN, json!({})).await.is_too_often();
    // Logged in a second time it is the same user; another user and another centre are others.
    at(&app, &roomy.admin("alfa").await).ask(TEN, json!({})).await.is_too_often();
    for other in [&two, &roomy.admin("beta").await] {
        assert!(at(&app, other).ask(TEN, json!({})).await.body.get("errors").is_none());
    }
    app.clock.advance(TimeDelta::seconds(2));
    let answer = greedy.ask(TEN, json!({})).await;
    assert_eq!(answer.body["extensions"]["cost"]["bucket"]["remaining"], 0, "{:#}", answer.body);
    greedy.ask("{ __typename }", json!({})).await.is_too_often();
}

#[tokio::test]
async fn a_centre_as_a_whole_has_ten_times_as_much() {
    let roomy = TestApp::start().await;
    let app = little(&roomy, &[]).await;
    let mut users = Vec::new();
    for _ in 0..11 {
        users.push(roomy.user("alfa", BuiltinRole::Receptionist).await);
    }
    for user in &users[..10] {
        for _ in 0..3 {
            assert!(at(&app, user).ask(TEN, json!({})).await.body.get("errors").is_none());
        }
    }
    let answer = at(&app, &users[10]).ask(TEN, json!({})).await;
    answer.is_too_often();
    assert!(answer.body["errors"][0]["message"].as_str().unwrap().starts_with("Your centre has"), "{:#}", answer.body);
    let beta = roomy.admin("beta").await;
    assert!(at(&app, &beta).ask(TEN, json!({})).await.body.get("errors").is_none());
}

#[tokio::test]
async fn what_is_refused_before_it_runs_is_paid_for_too() {
    let roomy = TestApp::start().await;
    let app = little(&roomy, &[]).await;
    let (one, two) = (roomy.admin("alfa").await, roomy.user("alfa", BuiltinRole::Receptionist).await);
    let aliases: String = (0..31).map(|n| format!("a{n}: viewer {{ permissions {{ code }} }} ")).collect();
    let refused = [
        ("{ viewer".to_owned(), json!({}), "GRAPHQL_PARSE_FAILED"),
        (format!("{{ {aliases} }}"), json!({}), "GRAPHQL_VALIDATION_FAILED"),
        (
            "query($n: Int!) { rooms(first: $n) { nodes { name } } }".to_owned(),
            json!({"n": 5_000_000_000_i64}),
            "BAD_USER_INPUT",
        ),
    ];
    let sender = at(&app, &one);
    for (document, variables, code) in &refused {
        assert_eq!(sender.ask(document, variables.clone()).await.code(), *code, "{document}");
    }
    for (document, variables, _) in &refused {
        assert_eq!(
            sender.ask(document, variables.clone()).await.is_too_often(),
            2,
            "ten come back at five in a second"
        );
    }
    sender.ask("{ __typename }", json!({})).await.is_too_often();
    assert!(at(&app, &two).ask(TEN, json!({})).await.body.get("errors").is_none(), "it is the sender's alone");
    app.clock.advance(TimeDelta::seconds(2));
    assert_eq!(sender.ask(&refused[0].0, json!({})).await.code(), refused[0].2);
    sender.ask("{ __typename }", json!({})).await.is_too_often();

    // Over a socket it is the same bucket, and who is nobody pays with the address.
    app.clock.advance(TimeDelta::seconds(6));
    let mut socket = Socket::open(&app, one.token.as_deref().unwrap()).await;
    for (document, variables, code) in &refused {
        socket.subscribe("1", document, variables.clone()).await;
        assert_eq!(socket.hear().await["payload"][0]["extensions"]["code"], *code, "{document}");
    }
    socket.subscribe("1", &refused[0].0, json!({})).await;
    assert_eq!(socket.hear().await["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    sender.ask("{ __typename }", json!({})).await.is_too_often();
    let nobody = |address| Caller::new(&app, &roomy.anonymous(), address);
    for _ in 0..3 {
        assert_eq!(nobody("198.51.100.1").ask(&refused[0].0, json!({})).await.code(), refused[0].2);
    }
    nobody("198.51.100.1").ask(&refused[0].0, json!({})).await.is_too_often();
    assert_eq!(nobody("198.51.100.2").ask(&refused[0].0, json!({})).await.code(), refused[0].2);
}

#[tokio::test]
async fn visitors_of_a_page_are_told_apart_and_leave_half_to_the_staff() {
    let roomy = TestApp::start().await;
    let app = little(&roomy, &[]).await;
    let (page, admin) = (roomy.page("alfa").await, roomy.admin("alfa").await);
    let zones = "{ a: timeZones { id } b: timeZones { id } }";
    let mut granted = 0;
    for visitor in 0..20 {
        let visitor = Caller::new(&app, &page, &format!("192.0.2.{visitor}"));
        for _ in 0..3 {
            granted += u32::from(visitor.ask(zones, json!({})).await.body.get("errors").is_none());
        }
    }
    // Each could ask three times; the key has five callers' worth.
    assert_eq!(granted, 150 / 10);
    assert!(at(&app, &admin).ask(TEN, json!({})).await.body.get("errors").is_none());
    // Nobody in particular is limited by address.
    let nobody = Caller::new(&app, &roomy.anonymous(), "198.51.100.1");
    for _ in 0..30 {
        assert!(nobody.ask("{ __typename }", json!({})).await.body.get("errors").is_none());
    }
    nobody.ask("{ __typename }", json!({})).await.is_too_often();
    let other = Caller::new(&app, &roomy.anonymous(), "198.51.100.2");
    assert!(other.ask("{ __typename }", json!({})).await.body.get("errors").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_share_one_bucket_by_redis_and_none_waits_for_it() {
    let mut redis = RedisServer::start().await;
    let url = redis.url();
    let roomy = TestApp::start().await;
    // One unit in a second: nothing worth mentioning comes back during the test.
    let shared: &[(&str, &str)] = &[("REDIS_URL", &url), ("HORAE_COST_PER_SECOND", "1")];
    let (one, two) = (little(&roomy, shared).await, little(&roomy, shared).await);
    let (alfa, beta) = (roomy.admin("alfa").await, roomy.admin("beta").await);
    let mut granted = 0;
    for round in 0..6 {
        let node = if round % 2 == 0 { &one } else { &two };
        granted += u32::from(at(node, &alfa).ask(TEN, json!({})).await.body.get("errors").is_none());
    }
    assert_eq!(granted, 3, "two nodes have one bucket of 30");
    at(&two, &alfa).ask(TEN, json!({})).await.is_too_often();
    assert!(at(&two, &beta).ask(TEN, json!({})).await.body.get("errors").is_none());

    // Each key is of one centre, and goes away by itself.
    let client = redis::Client::open(url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("horae:limit:*").query_async(&mut connection).await.unwrap();
    let tenants = [roomy.actor_of(&alfa).await.tenant.id, roomy.actor_of(&beta).await.tenant.id];
    for key in &keys {
        let of = tenants.iter().filter(|tenant| key.contains(&tenant.0.to_string())).count();
        assert_eq!(of, 1, "{key}");
        let expires: i64 = redis::cmd("PTTL").arg(key).query_async(&mut connection).await.unwrap();
        assert!(expires > 0, "{key} stays for ever");
    }
    assert_eq!(keys.len(), 4, "caller and centre, twice: {keys:?}");

    // Without Redis each node goes on by itself, with a full bucket of its own.
    redis.kill().await;
    let mut slowest = std::time::Duration::ZERO;
    for node in [&one, &two] {
        for _ in 0..3 {
            let asked = std::time::Instant::now();
            let answer = at(node, &alfa).ask(TEN, json!({})).await;
            slowest = slowest.max(asked.elapsed());
            assert!(answer.body.get("errors").is_none(), "{:#}", answer.body);
        }
        at(node, &alfa).ask(TEN, json!({})).await.is_too_often();
    }
    println!("slowest without Redis: {slowest:?}");
    redis.start_again().await;
    let patience = std::time::Instant::now();
    loop {
        // Empty-handed Redis says again what there is.
        let answer = at(&one, &alfa).ask("{ __typename }", json!({})).await;
        if answer.body["extensions"]["cost"]["bucket"]["remaining"] == json!(29) {
            break;
        }
        assert!(patience.elapsed().as_secs() < 20, "Redis is not asked again");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}
