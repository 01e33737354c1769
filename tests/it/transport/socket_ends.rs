//! Sockets that end for reasons that are not the client's: expiry, revocation, shutdown, dead or slow peers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::SinkExt;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::client::Client;
use super::server::{Server, options, start, start_with};

/// All sockets of the server are gone, and what they held with them.
async fn all_gone(server: &Server) {
    timeout(Duration::from_secs(10), server.sockets.closed()).await.expect("the sockets end");
    assert_eq!(server.sockets.count(), 0);
    assert_eq!(server.shared.listening.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_expired_token_ends_the_stream_4403() {
    let server = start().await;
    let mut client = Client::open_with(&server, json!({ "expiresInMs": 200 })).await;
    client.subscribe("1", "subscription { events }").await;
    client.hears_nothing().await;
    server.shared.events.send("before".to_owned()).unwrap();
    assert_eq!(client.hear().await["payload"]["data"]["events"], "before");
    assert_eq!(client.closed().await, (4403, "Token expired".to_owned()));
    all_gone(&server).await;
}

#[tokio::test]
async fn an_expired_token_ends_a_stream_that_never_pauses() {
    let server = start().await;
    let mut client = Client::open_with(&server, json!({ "expiresInMs": 100 })).await;
    client.subscribe("1", "subscription { busy }").await;
    assert_eq!(client.closed().await, (4403, "Token expired".to_owned()));
}

#[tokio::test]
async fn a_revoked_session_ends_the_stream_4403() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.subscribe("1", "subscription { events }").await;
    client.hears_nothing().await;
    server.shared.revoked.cancel();
    assert_eq!(client.closed().await, (4403, "Session ended".to_owned()));
    all_gone(&server).await;
}

#[tokio::test]
async fn going_away_1001() {
    let server = start().await;
    let mut waiting = Client::connect(&server).await;
    let mut subscribed = Client::open(&server).await;
    subscribed.subscribe("1", "subscription { events }").await;
    subscribed.hears_nothing().await;
    server.stopping.cancel();
    for client in [&mut waiting, &mut subscribed] {
        assert_eq!(client.closed().await, (1001, "Server is shutting down".to_owned()));
    }
    all_gone(&server).await;
    let refused = Client::connect_with(&server, &[]).await;
    assert!(refused.is_err(), "no new sockets");
}

#[tokio::test]
async fn going_away_lets_a_mutation_finish() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.subscribe("m", "mutation { slow }").await;
    server.shared.waiting.notified().await;
    server.stopping.cancel();
    client.subscribe("late", "{ hello }").await;
    let refused = client.hear().await;
    assert_eq!(refused["payload"][0]["extensions"]["code"], "SERVICE_UNAVAILABLE", "{refused}");
    server.shared.go.notify_one();
    assert_eq!(client.hear().await["payload"]["data"], json!({ "slow": 2 }));
    assert_eq!(client.hear().await, json!({ "type": "complete", "id": "m" }));
    assert_eq!(client.closed().await.0, 1001);
}

#[tokio::test]
async fn going_away_waits_only_so_long() {
    let mut options = options();
    options.socket.drain_timeout = Duration::from_millis(50);
    let server = start_with(options).await;
    let mut client = Client::open(&server).await;
    client.subscribe("q", "{ hangs }").await;
    client.hears_nothing().await;
    server.stopping.cancel();
    assert_eq!(client.closed().await.0, 1001);
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_let_go() {
    let mut options = options();
    options.socket.ping_interval = Duration::from_millis(40);
    options.socket.close_timeout = Duration::from_millis(40);
    let server = start_with(options).await;
    let mut client = Client::open(&server).await;
    client.subscribe("1", "subscription { events }").await;
    // The client does not read, so it answers nothing.
    all_gone(&server).await;
    // Looked at raw: the client library would answer the pings now, to a connection that is gone.
    let mut bytes = Vec::new();
    client.0.get_mut().read_to_end(&mut bytes).await.unwrap();
    assert!(bytes.starts_with(&[0x89, 0]), "a ping: {bytes:?}");
    assert!(bytes.ends_with(b"\x88\x13\x03\xe9No answer to ping"), "a close frame with 1001: {bytes:?}");
}

#[tokio::test]
async fn a_peer_that_leaves_without_a_word_leaves_nothing_behind() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.subscribe("1", "subscription { events }").await;
    client.hears_nothing().await;
    drop(client);
    all_gone(&server).await;
}

#[tokio::test]
async fn a_peer_that_closes_gets_its_answer() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.0.close(None).await.unwrap();
    while let Some(frame) = client.frame().await {
        frame.unwrap();
    }
    all_gone(&server).await;
}

#[tokio::test]
async fn a_slow_reader_costs_no_memory_and_is_cut() {
    let mut options = options();
    options.socket.write_timeout = Duration::from_millis(300);
    options.socket.close_timeout = Duration::from_millis(50);
    let server = start_with(options).await;
    let mut client = Client::open(&server).await;
    client.subscribe("1", "subscription { flood }").await;
    all_gone(&server).await;
    let produced = server.shared.flooded.load(Ordering::SeqCst);
    // What the kernel's buffers took, and one.
    assert!(produced < 400, "{produced} items of 64 KiB were produced for nobody");
    drop(client);
}

/// Pings with much in them, each answered with as much, until the buffers of both ends are full and the server waits to
/// write. Then what runs there is let go.
async fn goes_on_behind(server: &Server, mut client: Client) {
    server.shared.waiting.notified().await;
    let large = json!({ "type": "ping", "payload": { "text": "x".repeat(200_000) } }).to_string();
    let pings = async {
        loop {
            client.0.send(Message::text(large.as_str())).await.unwrap();
        }
    };
    timeout(Duration::from_secs(2), pings).await.expect_err("the server reads no more");
    server.shared.go.notify_one();
    timeout(Duration::from_secs(5), server.shared.went_on.notified()).await.expect("it goes on");
    drop(client);
}

#[tokio::test]
async fn a_mutation_goes_on_while_its_peer_takes_nothing() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.subscribe("m", "mutation { slow }").await;
    goes_on_behind(&server, client).await;
}

#[tokio::test]
async fn an_admission_goes_on_while_its_peer_takes_nothing() {
    let server = start().await;
    let mut client = Client::connect(&server).await;
    client.say(json!({ "type": "connection_init", "payload": { "wait": true } })).await;
    goes_on_behind(&server, client).await;
}

#[tokio::test]
async fn the_server_ends_when_all_is_done() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.subscribe("m", "mutation { slow }").await;
    server.shared.waiting.notified().await;
    server.stopping.cancel();
    server.shared.go.notify_one();
    assert_eq!(client.hear().await["payload"]["data"], json!({ "slow": 2 }));
    assert_eq!(client.closed().await.0, 1001);
    let served = timeout(Duration::from_secs(4), server.serving).await;
    served.expect("before the grace is over").unwrap().unwrap();
}
