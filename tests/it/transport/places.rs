//! How many sockets and subscriptions somebody may have.

use horae::{http::graphql::SocketPlaces, telemetry::metrics};
use serde_json::json;
use tokio_tungstenite::tungstenite::Error;

use super::client::Client;
use super::server::{Server, options, start_with};

async fn server(places: SocketPlaces) -> Server {
    let mut options = options();
    options.socket.places = places;
    start_with(options).await
}

async fn open(server: &Server, party: &str) -> Client {
    Client::open_with(server, json!({ "party": party })).await
}

async fn refused(server: &Server, party: &str) -> (u16, String) {
    let mut client = Client::connect(server).await;
    client.say(json!({ "type": "connection_init", "payload": { "party": party } })).await;
    client.closed().await
}

#[tokio::test]
async fn a_caller_and_a_tenant_have_so_many_sockets_1013() {
    let server = server(SocketPlaces { actor: 2, tenant: 3, ..SocketPlaces::default() }).await;
    let first = open(&server, "a/1").await;
    let _second = open(&server, "a/1").await;
    assert_eq!(refused(&server, "a/1").await.0, 1013);
    let _third = open(&server, "a/2").await;
    assert_eq!(refused(&server, "a/2").await.0, 1013, "the tenant's are taken");
    let _other = open(&server, "b/1").await;
    let mut first = first;
    first.0.close(None).await.unwrap();
    while first.frame().await.is_some() {}
    // The server has closed its side by now or will; a place is free when the session is over.
    while server.sockets.count() > 3 {
        tokio::task::yield_now().await;
    }
    let _again = open(&server, "a/1").await;
}

#[tokio::test]
async fn an_address_has_so_many_that_are_not_initialised_429() {
    let server = server(SocketPlaces { address: 2, ..SocketPlaces::default() }).await;
    let _first = Client::connect(&server).await;
    let mut second = Client::connect(&server).await;
    let headers = [("sec-websocket-protocol", "graphql-transport-ws")];
    let refused = Client::connect_with(&server, &headers).await.err();
    let Some(Error::Http(response)) = refused else { unreachable!("{refused:?}") };
    assert_eq!(response.status(), 429);
    assert!(response.headers().contains_key("retry-after"));
    // Once it is known who it is, the address's place is free.
    second.say(json!({ "type": "connection_init", "payload": { "party": "a/1" } })).await;
    assert_eq!(second.hear().await["type"], "connection_ack");
    let _third = Client::connect(&server).await;
}

#[tokio::test]
async fn a_caller_and_a_tenant_have_so_many_subscriptions() {
    let places = SocketPlaces { subscriptions_of_actor: 2, subscriptions_of_tenant: 3, ..SocketPlaces::default() };
    let server = server(places).await;
    let mut one = open(&server, "a/1").await;
    let mut two = open(&server, "a/1").await;
    one.subscribe("1", "subscription { silent }").await;
    one.hears_nothing().await;
    two.subscribe("1", "subscription { silent }").await;
    two.hears_nothing().await;
    two.subscribe("2", "subscription { silent }").await;
    let refused = two.hear().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("2")));
    assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    // A query is no subscription.
    two.subscribe("3", "{ hello }").await;
    assert_eq!(two.hear().await["payload"]["data"]["hello"], "world");
    assert_eq!(two.hear().await["type"], "complete");
    // One that is over makes room.
    one.say(json!({ "type": "complete", "id": "1" })).await;
    one.hears_nothing().await;
    two.subscribe("4", "subscription { silent }").await;
    two.hears_nothing().await;
    let mut other = open(&server, "a/2").await;
    other.subscribe("1", "subscription { silent }").await;
    other.hears_nothing().await;
    other.subscribe("2", "subscription { silent }").await;
    assert_eq!(other.hear().await["type"], "error", "the tenant's are taken");
}

#[tokio::test]
async fn nobody_in_particular_takes_half_of_the_nodes_places_1013_and_is_counted() {
    let recorder = metrics::recorder().unwrap();
    let _counting = ::metrics::set_default_local_recorder(&recorder);
    let server = server(SocketPlaces { node: 4, ..SocketPlaces::default() }).await;
    let _first = Client::open(&server).await;
    let mut second = Client::open(&server).await;
    let mut third = Client::connect(&server).await;
    third.say(json!({ "type": "connection_init" })).await;
    assert_eq!(third.closed().await.0, 1013);
    assert!(recorder.handle().render().contains("horae_limited_total{limit=\"sockets\"} 1\n"));
    // What is left is for who says who it is.
    let _somebody = open(&server, "a/1").await;
    second.0.close(None).await.unwrap();
    while second.frame().await.is_some() {}
    while server.sockets.count() > 2 {
        tokio::task::yield_now().await;
    }
    let _again = Client::open(&server).await;
}
