//! What a quiet socket costs. Measured on a server in a process of its own, so that the clients do not count.

use std::io::Read;
use std::net::SocketAddr;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::client::Client;
use super::server::{Server, options, start, start_with};

const SOCKETS: u64 = 500;

/// Bytes that a socket with one subscription may cost when nothing happens.
const PER_SOCKET: u64 = 25 * 1024;

#[tokio::test]
async fn a_quiet_socket_costs_little() {
    let (process, address) = serve_elsewhere().await;
    let mut server = start().await;
    server.address = address;
    // The first ones pay for what all share.
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(subscribed(&server).await);
    }
    let before = resident(&process);
    for _ in 0..SOCKETS {
        open.push(subscribed(&server).await);
    }
    let each = (resident(&process) - before) / SOCKETS;
    assert!(each <= PER_SOCKET, "{each} bytes a socket");
    drop(open);
}

async fn subscribed(server: &Server) -> Client {
    let mut client = Client::open(server).await;
    client.subscribe("1", "subscription { events }").await;
    client.hears_nothing().await;
    client
}

/// Starts this test binary again to run only [`serve`].
async fn serve_elsewhere() -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "transport::memory::serve", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, address)) = line.split_once("serving ") {
            return (child, address.parse().unwrap());
        }
    }
    unreachable!("the server ended without serving");
}

/// Serves until its input ends.
#[tokio::test]
#[ignore = "is the server of a_quiet_socket_costs_little"]
#[expect(clippy::print_stdout, reason = "tells the other process where to connect")]
async fn serve() {
    let mut options = options();
    // They all come from here.
    options.socket.places.address = 10_000;
    let server = start_with(options).await;
    println!("serving {}", server.address);
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await.unwrap().unwrap();
}

fn resident(process: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id().unwrap())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
