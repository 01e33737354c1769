//! A way to a server on which everything can get stuck, as when a host vanishes: what is sent is taken and does not arrive,
//! nothing is answered, and no connection is closed.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Open at first.
pub struct Door {
    /// How often it was shut or opened: odd while it is shut.
    turns: Arc<AtomicU32>,
}

impl Door {
    /// Before the server of a PostgreSQL URL, and the URL through it.
    pub async fn before(url: &str) -> (Self, String) {
        let server: PgConnectOptions = url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let through = server.clone().host("127.0.0.1").port(port).ssl_mode(PgSslMode::Disable);
        let turns = Arc::new(AtomicU32::new(0));
        let door = Self { turns: Arc::clone(&turns) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect((server.get_host(), server.get_port())).await else { continue };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                tokio::spawn(carry(from_client, to_server, Arc::clone(&turns)));
                tokio::spawn(carry(from_server, to_client, Arc::clone(&turns)));
            }
        });
        (door, through.to_url_lossy().to_string())
    }

    /// Nothing passes from now on, in neither direction.
    pub fn shut(&self) {
        assert_eq!(self.turns.fetch_add(1, Ordering::SeqCst) % 2, 0, "it is shut already");
    }

    /// New connections pass. The old ones stay stuck: whoever was on the other side knows nothing of them.
    pub fn open(&self) {
        assert_eq!(self.turns.fetch_add(1, Ordering::SeqCst) % 2, 1, "it is open already");
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, turns: Arc<AtomicU32>) {
    let of_mine = turns.load(Ordering::SeqCst);
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if of_mine % 2 == 1 || of_mine != turns.load(Ordering::SeqCst) {
            // Both ends stay open.
            std::future::pending::<()>().await;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
