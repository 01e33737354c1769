//! Many WebSocket clients in few threads.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{SinkExt as _, StreamExt as _, future::try_join_all};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue, protocol::WebSocketConfig},
};

use crate::fail::{Fail, Result};

/// A client's socket.
pub type Socket = WebSocketStream<TcpStream>;

const PATIENCE: Duration = Duration::from_secs(20);

/// Subscribers that note when a message arrives.
pub struct Subscribers {
    arrivals: UnboundedReceiver<(Instant, usize)>,
    tasks: JoinSet<()>,
    count: usize,
    broken: Arc<AtomicUsize>,
}

impl Subscribers {
    /// Takes the sockets over.
    pub fn listen(sockets: Vec<Socket>) -> Self {
        let (sender, arrivals) = unbounded_channel();
        let (count, broken) = (sockets.len(), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for socket in sockets {
            tasks.spawn(note(socket, sender.clone(), Arc::clone(&broken)));
        }
        Self { arrivals, tasks, count, broken }
    }

    /// When each of them got the next message, and how long one of those was.
    pub async fn next(&mut self) -> Result<(Vec<Instant>, usize)> {
        let mut times = Vec::with_capacity(self.count);
        let mut length = 0;
        while times.len() < self.count {
            let arrival = timeout(PATIENCE, self.arrivals.recv()).await;
            let Ok(Some((at, bytes))) = arrival else {
                let (got, broken) = (times.len(), self.broken.load(Ordering::Relaxed));
                return Err(Fail::new(format!(
                    "{got} of {} subscribers got the message; {broken} sockets broke",
                    self.count
                )));
            };
            times.push(at);
            length = length.max(bytes);
        }
        Ok((times, length))
    }

    /// Closes all.
    pub async fn end(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn note(socket: Socket, sender: UnboundedSender<(Instant, usize)>, broken: Arc<AtomicUsize>) {
    let (mut sink, mut stream) = socket.split();
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Text(text) if text.as_str().starts_with("{\"type\":\"ping\"") => {
                let answered = sink.send(Message::text("{\"type\":\"pong\"}")).await;
                if answered.is_err() {
                    break;
                }
            }
            Message::Text(text) => {
                let _ = sender.send((Instant::now(), text.len()));
            }
            _ => {}
        }
    }
    broken.fetch_add(1, Ordering::Relaxed);
}

/// A socket with small buffers, without compression.
pub async fn connect(address: SocketAddr, path: &str, protocol: Option<&'static str>) -> Result<Socket> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://{address}{path}").into_client_request()?;
    if let Some(protocol) = protocol {
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(protocol));
    }
    let config = WebSocketConfig::default().read_buffer_size(4 * 1024).write_buffer_size(0);
    let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
    Ok(socket)
}

/// A socket that has subscribed and got the stream's first message.
pub async fn subscribe(address: SocketAddr, token: &str, document: &str) -> Result<Socket> {
    let mut socket = connect(address, "/graphql", Some("graphql-transport-ws")).await?;
    let init = json!({"type": "connection_init", "payload": {"Authorization": format!("Bearer {token}")}});
    socket.send(Message::text(init.to_string())).await?;
    expect(&mut socket, "connection_ack").await?;
    let subscribe = json!({"type": "subscribe", "id": "1", "payload": {"query": document}});
    socket.send(Message::text(subscribe.to_string())).await?;
    expect(&mut socket, "next").await?;
    Ok(socket)
}

/// So many of them, some at a time.
pub async fn subscribe_all(address: SocketAddr, token: &str, document: &str, count: usize) -> Result<Vec<Socket>> {
    const AT_ONCE: usize = 25;
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        let some = AT_ONCE.min(count - sockets.len());
        sockets.extend(try_join_all((0..some).map(|_| subscribe(address, token, document))).await?);
    }
    Ok(sockets)
}

async fn expect(socket: &mut Socket, kind: &str) -> Result<()> {
    loop {
        let message = timeout(PATIENCE, socket.next()).await?;
        let Some(message) = message else { return Err(Fail::new(format!("the socket ended before `{kind}`"))) };
        let Message::Text(text) = message? else { continue };
        let found: Value = serde_json::from_str(&text)?;
        match found.get("type").and_then(Value::as_str) {
            Some(found) if found == kind => return Ok(()),
            Some("ping") => socket.send(Message::text("{\"type\":\"pong\"}")).await?,
            _ => return Err(Fail::new(format!("expected `{kind}`, got {found}"))),
        }
    }
}
