//! A Redis of the test's own, which it can stop, kill and start again on the same port.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

const LIMIT: Duration = Duration::from_secs(20);

/// Ends with the value, or with the test process at the latest when that is killed by its runner's group signal.
pub struct RedisServer {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl RedisServer {
    /// A running server that keeps nothing on disk.
    pub async fn start() -> Self {
        // Between choosing a port and its use another test may take it; the next choice is another one.
        for _ in 0..10 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
            let mut server = Self { folder: super::folder::passable(), port, child: None };
            if server.try_start_again().await {
                return server;
            }
        }
        panic!("no free port for redis-server in ten tries");
    }

    /// `redis://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it on the same port after [`stop`](Self::stop) or [`kill`](Self::kill).
    pub async fn start_again(&mut self) {
        assert!(self.try_start_again().await, "redis-server did not come up on port {}", self.port);
    }

    /// Ends it in its own order: clients are disconnected.
    pub async fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.unwrap();
            connection.write_all(b"SHUTDOWN NOSAVE\r\n").await.unwrap();
            timeout(LIMIT, child.wait()).await.unwrap().unwrap();
        }
    }

    /// Ends it as a crash would.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.unwrap();
        }
    }

    async fn try_start_again(&mut self) -> bool {
        assert!(self.child.is_none(), "it is running already");
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no", "--port"]);
        command.arg(self.port.to_string()).arg("--dir").arg(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().expect("redis-server is installed by script/test");
        let answered = timeout(LIMIT, async {
            loop {
                if child.try_wait().unwrap().is_some() {
                    return false;
                }
                if answers(self.port).await {
                    return true;
                }
                sleep(Duration::from_millis(10)).await;
            }
        });
        if answered.await.unwrap_or(false) {
            self.child = Some(child);
        }
        self.child.is_some()
    }
}

async fn answers(port: u16) -> bool {
    let ping = async {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        connection.write_all(b"PING\r\n").await?;
        let mut answer = [0; 7];
        connection.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer == *b"+PONG\r\n")
    };
    ping.await.unwrap_or(false)
}
