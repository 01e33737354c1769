//! The floor of the fan-out: a process that does nothing but hand one text to every socket.

use std::net::SocketAddr;

use futures::{SinkExt as _, StreamExt as _};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast,
};
use tokio_tungstenite::{
    accept_async_with_config,
    tungstenite::{Message, Utf8Bytes, protocol::WebSocketConfig},
};

use crate::fail::Result;

/// Serves until it is killed. A text from any socket that begins with `!` is answered there with `ok` and then handed
/// to all the others.
pub async fn serve(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    let (sender, _) = broadcast::channel::<Utf8Bytes>(1024);
    loop {
        let (stream, _) = listener.accept().await?;
        #[expect(clippy::disallowed_methods, reason = "the program is killed when it has served its purpose")]
        tokio::spawn(one(stream, sender.clone()));
    }
}

async fn one(stream: TcpStream, sender: broadcast::Sender<Utf8Bytes>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let config = WebSocketConfig::default().read_buffer_size(4 * 1024).write_buffer_size(0);
    let (mut sink, mut stream) = accept_async_with_config(stream, Some(config)).await.ok()?.split();
    let mut receiver = sender.subscribe();
    // A socket that commands hears nothing.
    let mut listens = true;
    loop {
        tokio::select! {
            message = stream.next() => {
                if let Message::Text(text) = message?.ok()? && text.as_str().starts_with('!') {
                    listens = false;
                    sink.send(Message::text("ok")).await.ok()?;
                    sender.send(text).ok()?;
                }
            }
            text = receiver.recv(), if listens => match text {
                Ok(text) => sink.send(Message::Text(text)).await.ok()?,
                Err(_) => return None,
            }
        }
    }
}
