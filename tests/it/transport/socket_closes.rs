//! Every close code that the client's own behaviour earns it.

use std::time::Duration;

use futures::SinkExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::client::Client;
use super::server::{Server, options, start, start_with};

#[tokio::test]
async fn malformed_messages_4400() {
    let server = start().await;
    let unknown = format!(r#"{{"type":"{}"}}"#, "ñ".repeat(500));
    for text in [
        "nonsense",
        "[]",
        "{}",
        r#"{"type":7}"#,
        r#"{"type":"connection_ack"}"#,
        r#"{"type":"next","id":"1","payload":{}}"#,
        r#"{"type":"start","id":"1","payload":{"query":"{hello}"}}"#,
        r#"{"type":"ping","payload":1}"#,
        r#"{"type":"subscribe","id":"","payload":{"query":"{hello}"}}"#,
        r#"{"type":"subscribe","payload":{"query":"{hello}"}}"#,
        r#"{"type":"subscribe","id":"1","payload":{}}"#,
        r#"{"type":"subscribe","id":"1"}"#,
        r#"{"type":"subscribe","id":"1","payload":{"query":"{hello}","variables":[]}}"#,
        r#"{"type":"complete"}"#,
        &unknown,
    ] {
        let mut client = Client::open(&server).await;
        client.0.send(Message::text(text)).await.unwrap();
        assert_eq!(client.closed().await.0, 4400, "{text}");
    }
    let mut client = Client::open(&server).await;
    client.0.send(Message::binary(b"{\"type\":\"ping\"}".to_vec())).await.unwrap();
    assert_eq!(client.closed().await.0, 4400);
}

#[tokio::test]
async fn subscribe_before_the_acknowledgement_4401() {
    let server = start().await;
    let mut client = Client::connect(&server).await;
    client.subscribe("1", "{ hello }").await;
    assert_eq!(client.closed().await, (4401, "Unauthorized".to_owned()));

    let mut client = Client::connect(&server).await;
    client.say(json!({ "type": "connection_init", "payload": { "wait": true } })).await;
    server.shared.waiting.notified().await;
    client.subscribe("1", "{ hello }").await;
    assert_eq!(client.closed().await.0, 4401);
}

#[tokio::test]
async fn refused_by_the_gate_4403_or_1013() {
    let server = start().await;
    for (order, code, reason) in
        [("401", 4403, "Who are you?"), ("403", 4403, "Not you."), ("429", 1013, "Slower."), ("503", 1013, "Not now.")]
    {
        let mut client = Client::connect(&server).await;
        client.say(json!({ "type": "connection_init", "payload": { "refuse": order } })).await;
        assert_eq!(client.closed().await, (code, reason.to_owned()));
    }
}

#[tokio::test]
async fn no_known_protocol_4406() {
    let server = start().await;
    let mut client = Client::connect_with(&server, &[]).await.unwrap();
    assert_eq!(client.closed().await, (4406, "Subprotocol not acceptable".to_owned()));

    let mut client = upgrade_by_hand(&server, "graphql-ws").await;
    assert_eq!(client.closed().await.0, 4406);
}

/// A handshake by a client that does not insist on getting one of the protocols it offered.
async fn upgrade_by_hand(server: &Server, protocols: &str) -> Client {
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    let request = format!(
        "GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: {protocols}\r\n\r\n"
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(!head.contains("sec-websocket-protocol"), "nothing is pretended: {head}");
    Client(WebSocketStream::from_raw_socket(tcp, Role::Client, None).await)
}

#[tokio::test]
async fn no_init_in_time_4408() {
    let mut options = options();
    options.socket.init_timeout = Duration::from_millis(50);
    let server = start_with(options).await;
    let mut idle = Client::connect(&server).await;
    assert_eq!(idle.closed().await, (4408, "Connection initialisation timeout".to_owned()));
    // Pings do not count, nor does a gate that takes too long.
    let mut pinging = Client::connect(&server).await;
    pinging.say(json!({ "type": "ping" })).await;
    assert_eq!(pinging.closed().await.0, 4408);
    let mut waiting = Client::connect(&server).await;
    waiting.say(json!({ "type": "connection_init", "payload": { "wait": true } })).await;
    assert_eq!(waiting.closed().await.0, 4408);
}

#[tokio::test]
async fn an_id_in_use_4409() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.subscribe("twice", "subscription { silent }").await;
    client.subscribe("twice", "{ hello }").await;
    assert_eq!(client.closed().await, (4409, "Subscriber for twice already exists".to_owned()));
}

#[tokio::test]
async fn a_second_init_4429() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    client.say(json!({ "type": "connection_init" })).await;
    assert_eq!(client.closed().await, (4429, "Too many initialisation requests".to_owned()));

    let mut client = Client::connect(&server).await;
    client.say(json!({ "type": "connection_init", "payload": { "wait": true } })).await;
    client.say(json!({ "type": "connection_init" })).await;
    assert_eq!(client.closed().await.0, 4429);
}

#[tokio::test]
async fn too_long_1009() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    let message = |length: usize| {
        let empty = json!({ "type": "ping", "payload": { "x": "" } }).to_string().len();
        json!({ "type": "ping", "payload": { "x": "y".repeat(length - empty) } })
    };
    client.say(message(256 * 1024)).await;
    assert_eq!(client.hear().await["type"], "pong");
    client.say(message(256 * 1024 + 1)).await;
    assert_eq!(close_code(&mut client).await, 1009);
}

#[tokio::test]
async fn broken_frames_1002_and_1007() {
    let server = start().await;
    let mut client = Client::open(&server).await;
    let not_utf8 = Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true);
    client.0.send(Message::Frame(not_utf8)).await.unwrap();
    assert_eq!(close_code(&mut client).await, 1007);

    let mut client = Client::open(&server).await;
    let reserved = Frame::message(vec![1], OpCode::Data(Data::Reserved(5)), true);
    client.0.send(Message::Frame(reserved)).await.unwrap();
    assert_eq!(close_code(&mut client).await, 1002);
}

/// The server cannot read on after these, so how the connection ends behind the close frame is not its choice.
async fn close_code(client: &mut Client) -> u16 {
    loop {
        if let Message::Close(close) = client.frame().await.expect("a close frame").unwrap() {
            return close.expect("a code").code.into();
        }
    }
}

#[tokio::test]
async fn foreign_origins_are_not_upgraded() {
    let mut options = options();
    options.socket.allowed_origins = Some(vec!["https://agenda.example".to_owned()]);
    options.socket.places.node = 3;
    let server = start_with(options).await;
    let from = |origin: Option<&'static str>| {
        let mut headers = vec![("sec-websocket-protocol", "graphql-transport-ws")];
        headers.extend(origin.map(|origin| ("origin", origin)));
        headers
    };
    let refused = Client::connect_with(&server, &from(Some("https://evil.example"))).await.err();
    assert!(matches!(refused, Some(Error::Http(response)) if response.status() == 403));
    let _first = Client::connect_with(&server, &from(Some("https://agenda.example"))).await.unwrap();
    let _second = Client::connect_with(&server, &from(None)).await.unwrap();
    // A page of the server itself.
    let own = format!("http://{}", server.address);
    let headers = [("sec-websocket-protocol", "graphql-transport-ws"), ("origin", own.as_str())];
    let _third = Client::connect_with(&server, &headers).await.unwrap();
    let refused = Client::connect_with(&server, &from(None)).await.err();
    assert!(matches!(refused, Some(Error::Http(response)) if response.status() == 503));
}
