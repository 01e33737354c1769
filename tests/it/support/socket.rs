//! A client of the API's WebSocket that fails instead of waiting forever.

use std::{net::SocketAddr, time::Duration};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::app::TestApp;

const PATIENCE: Duration = Duration::from_secs(20);

/// An open socket.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Initialised with this token.
    pub async fn open(app: &TestApp, token: &str) -> Self {
        Self::open_at(app.listen().await, token).await
    }

    /// The same, at a server that is another process.
    pub async fn open_at(address: SocketAddr, token: &str) -> Self {
        let (socket, answer) = Self::greet(address, Some(token)).await;
        assert_eq!(answer["type"], "connection_ack");
        socket
    }

    /// Initialised with this token or with none, and what the server says to that.
    pub async fn greet(address: SocketAddr, token: Option<&str>) -> (Self, Value) {
        let mut socket = Self::connect_to(address).await;
        let payload = token.map(|token| json!({"Authorization": format!("Bearer {token}")}));
        socket.say(json!({"type": "connection_init", "payload": payload.unwrap_or_else(|| json!({}))})).await;
        let answer = socket.hear().await;
        (socket, answer)
    }

    async fn connect_to(address: SocketAddr) -> Self {
        let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        Self(connect_async(request).await.unwrap().0)
    }

    pub async fn say(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        self.say(json!({"type": "subscribe", "id": id, "payload": {"query": query, "variables": variables}})).await;
    }

    /// The next message of the protocol, or the code with which the server closes.
    pub async fn hear(&mut self) -> Value {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("the server says something in time") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(Some(close)))) => return json!({"closed": u16::from(close.code)}),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("expected a message, got {other:?}"),
            }
        }
    }

    /// The data of the next result, which has no errors.
    pub async fn data(&mut self) -> Value {
        let message = self.hear().await;
        assert_eq!((&message["type"], &message["payload"]["errors"]), (&json!("next"), &Value::Null), "{message:#}");
        message["payload"]["data"].clone()
    }

    /// The data that a query or mutation answers.
    pub async fn ask(&mut self, query: &str, variables: Value) -> Value {
        self.subscribe("ask", query, variables).await;
        let data = self.data().await;
        assert_eq!(self.hear().await, json!({"type": "complete", "id": "ask"}));
        data
    }

    /// The code with which a stream is refused; it is over then.
    pub async fn refused(&mut self, id: &str) -> String {
        let answer = self.hear().await;
        let code = answer["payload"]["errors"][0]["extensions"]["code"].as_str();
        let code = code.unwrap_or_else(|| panic!("expected an error, got {answer:#}")).to_owned();
        assert_eq!(self.hear().await, json!({"type": "complete", "id": id}));
        code
    }

    /// Passes over messages until the server closes, and tells the code.
    pub async fn closed(&mut self) -> u64 {
        loop {
            if let Some(code) = self.hear().await["closed"].as_u64() {
                return code;
            }
        }
    }

    /// The socket is open, and nothing was waiting to be heard.
    pub async fn is_open(&mut self) {
        self.say(json!({"type": "ping"})).await;
        assert_eq!(self.hear().await, json!({"type": "pong"}));
    }
}
