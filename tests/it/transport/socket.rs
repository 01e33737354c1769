//! What goes well over a socket.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::client::Client;
use super::server::{options, start, start_with};

#[tokio::test]
async fn a_subscription_from_first_to_last() {
    let server = start().await;
    let mut client = Client::open_with(&server, json!({ "name": "ana" })).await;
    client.subscribe("a", "subscription { count(to: 3) }").await;
    for n in 1..=3 {
        assert_eq!(client.hear().await, json!({ "type": "next", "id": "a", "payload": { "data": { "count": n } } }));
    }
    assert_eq!(client.hear().await, json!({ "type": "complete", "id": "a" }));
    client.subscribe("a", "subscription { caller }").await;
    assert_eq!(client.hear().await["payload"]["data"]["caller"], "ana");
    assert_eq!(client.hear().await["type"], "complete");
    client.hears_nothing().await;
}

#[tokio::test]
async fn queries_and_mutations_run_too() {
    let server = start().await;
    let mut client = Client::open_with(&server, json!({ "name": "ana" })).await;
    client.subscribe("q", "{ caller }").await;
    let heard = client.hear().await;
    assert_eq!((&heard["type"], &heard["payload"]["data"]), (&json!("next"), &json!({ "caller": "ana" })));
    assert!(heard["payload"]["extensions"]["requestId"].is_string());
    assert_eq!(client.hear().await, json!({ "type": "complete", "id": "q" }));

    let payload = json!({ "query": "query A { hello } mutation B { bump }", "operationName": "B", "variables": null });
    client.say(json!({ "type": "subscribe", "id": "m", "payload": payload })).await;
    assert_eq!(client.hear().await["payload"]["data"], json!({ "bump": 1 }));
    assert_eq!(client.hear().await, json!({ "type": "complete", "id": "m" }));
}

#[tokio::test]
async fn an_invalid_document_gets_an_error_and_nothing_more() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    for (document, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { unknown }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { count(to: 1) silent }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { hello } query B { hello }", "BAD_REQUEST"),
    ] {
        client.subscribe("1", document).await;
        let heard = client.hear().await;
        assert_eq!((&heard["type"], &heard["id"]), (&json!("error"), &json!("1")), "{heard}");
        assert_eq!(heard["payload"][0]["extensions"]["code"], code, "{heard}");
        client.hears_nothing().await;
    }
}

#[tokio::test]
async fn a_completed_operation_ends_without_echo_and_frees_its_id() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.subscribe("1", "subscription { events }").await;
    client.hears_nothing().await;
    client.say(json!({ "type": "complete", "id": "1" })).await;
    client.subscribe("1", "subscription { count(to: 1) }").await;
    assert_eq!(client.hear().await["payload"]["data"], json!({ "count": 1 }));
    assert_eq!(client.hear().await, json!({ "type": "complete", "id": "1" }));
    assert_eq!(server.shared.listening.load(Ordering::SeqCst), 0, "the stream is dropped");
    client.say(json!({ "type": "complete", "id": "never there" })).await;
    client.hears_nothing().await;
}

#[tokio::test]
async fn events_reach_all_who_listen() {
    let server = start().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::open(&server).await;
        client.subscribe("e", "subscription { events }").await;
        client.hears_nothing().await;
        clients.push(client);
    }
    server.shared.events.send("booked".to_owned()).unwrap();
    for client in &mut clients {
        assert_eq!(client.hear().await["payload"], json!({ "data": { "events": "booked" } }));
    }
}

#[tokio::test]
async fn a_busy_subscription_does_not_hold_up_others() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.subscribe("busy", "subscription { busy }").await;
    client.subscribe("also", "subscription { busy }").await;
    client.subscribe("short", "subscription { count(to: 20) }").await;
    let mut heard = HashMap::<String, usize>::new();
    loop {
        let message = client.hear().await;
        if message["type"] == "complete" {
            break;
        }
        *heard.entry(message["id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(heard["short"], 20);
    assert!(heard["also"] >= 18, "each in turn: {heard:?}");
    client.say(json!({ "type": "complete", "id": "busy" })).await;
    client.say(json!({ "type": "complete", "id": "also" })).await;
}

#[tokio::test]
async fn faults_cost_one_operation_and_show_nothing() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    for document in ["subscription { panics }", "subscription { failsLater }"] {
        client.subscribe("1", document).await;
        assert_eq!(client.hear().await["type"], "next");
        let heard = client.hear().await;
        assert_eq!(heard["payload"]["errors"][0]["extensions"]["code"], "INTERNAL_SERVER_ERROR", "{heard}");
        assert!(heard["payload"]["extensions"]["requestId"].is_string());
        assert!(!heard.to_string().contains("secret") && !heard.to_string().contains("purpose"));
        assert_eq!(client.hear().await, json!({ "type": "complete", "id": "1" }));
    }
    client.subscribe("1", "{ panics }").await;
    assert_eq!(client.hear().await["type"], "error");
    client.hears_nothing().await;
}

#[tokio::test]
async fn operations_have_a_bound_and_a_time_limit() {
    let mut options = options();
    options.socket.max_operations = 2;
    options.request_timeout = Duration::from_millis(50);
    let server = start_with(options).await;
    let mut client = Client::open(&server).await;
    client.subscribe("1", "subscription { silent }").await;
    client.subscribe("2", "subscription { silent }").await;
    client.subscribe("3", "subscription { silent }").await;
    let heard = client.hear().await;
    assert_eq!((&heard["type"], &heard["id"]), (&json!("error"), &json!("3")));
    client.say(json!({ "type": "complete", "id": "1" })).await;
    client.subscribe("3", "{ hangs }").await;
    let heard = client.hear().await;
    assert_eq!(heard["payload"][0]["extensions"]["code"], "REQUEST_TIMEOUT", "{heard}");
}

#[tokio::test]
async fn pings_in_both_directions() {
    let mut options = options();
    options.socket.ping_interval = Duration::from_millis(30);
    let server = start_with(options).await;
    let mut client = Client::connect(&server).await;
    client.say(json!({ "type": "ping" })).await;
    assert_eq!(client.hear().await, json!({ "type": "pong" }));
    client.say(json!({ "type": "pong", "payload": {} })).await;
    client.say(json!({ "type": "connection_init" })).await;
    assert_eq!(client.hear().await["type"], "connection_ack");
    // A client that only listens stays as long as it answers pings.
    let mut pings = 0;
    while pings < 5 {
        match client.frame().await {
            Some(Ok(Message::Ping(_))) => pings += 1,
            other => assert!(matches!(other, Some(Ok(Message::Pong(_)))), "{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_newer_protocol_is_chosen_among_several() {
    let server = start().await;
    let offered = [("sec-websocket-protocol", "graphql-ws, graphql-transport-ws")];
    let mut client = Client::connect_with(&server, &offered).await.unwrap();
    client.say(json!({ "type": "connection_init" })).await;
    assert_eq!(client.hear().await, json!({ "type": "connection_ack" }));
}
