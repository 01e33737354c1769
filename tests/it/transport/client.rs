//! A WebSocket client that fails instead of waiting forever.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::server::Server;

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Client(pub(super) WebSocketStream<TcpStream>);

impl Client {
    /// Upgraded, not yet initialised.
    pub(super) async fn connect(server: &Server) -> Self {
        Self::connect_with(server, &[("sec-websocket-protocol", "graphql-transport-ws")]).await.unwrap()
    }

    pub(super) async fn connect_with(server: &Server, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = server.url("ws").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let tcp = TcpStream::connect(server.address).await?;
        tcp.set_nodelay(true)?;
        let (stream, _) = tokio_tungstenite::client_async(request, tcp).await?;
        Ok(Self(stream))
    }

    /// Initialised with this payload.
    pub(super) async fn open_with(server: &Server, payload: Value) -> Self {
        let mut client = Self::connect(server).await;
        client.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(client.hear().await, json!({ "type": "connection_ack" }));
        client
    }

    pub(super) async fn open(server: &Server) -> Self {
        Self::open_with(server, json!({})).await
    }

    pub(super) async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(super) async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    /// The next message of the protocol.
    pub(super) async fn hear(&mut self) -> Value {
        loop {
            match self.frame().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => unreachable!("expected a message, got {other:?}"),
            }
        }
    }

    pub(super) async fn frame(&mut self) -> Option<Result<Message, Error>> {
        timeout(PATIENCE, self.0.next()).await.expect("the server says something in time")
    }

    /// Passes over messages until the socket is closed, and closed cleanly: a reset would hide the code from browsers.
    pub(super) async fn closed(&mut self) -> (u16, String) {
        let mut seen = None;
        while let Some(frame) = self.frame().await {
            if let Message::Close(Some(close)) = frame.unwrap() {
                seen = Some((u16::from(close.code), close.reason.to_string()));
            }
        }
        seen.expect("a close frame with a code")
    }

    /// Nothing is said but the answer to a ping.
    pub(super) async fn hears_nothing(&mut self) {
        self.say(json!({ "type": "ping", "payload": { "still": "there" } })).await;
        assert_eq!(self.hear().await, json!({ "type": "pong", "payload": { "still": "there" } }));
    }
}
