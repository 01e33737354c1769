//! Clients that take their time, on real connections.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use horae::http::graphql::Sockets;
use horae::http::{ServeOptions, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::schema::Shared;
use super::server::routes;

const SHORT: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);

/// What is longer than all that lies between a server and a client who does not read.
const LARGE: usize = 32 << 20;
const HELLO: &[u8] = b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nhost: x\r\n\r\n";

async fn connect(max_connections: usize) -> (TcpStream, SocketAddr) {
    let options = ServeOptions { head_timeout: SHORT, max_connections, ..ServeOptions::default() };
    let address = start(options).await;
    (TcpStream::connect(address).await.unwrap(), address)
}

async fn start(options: ServeOptions) -> SocketAddr {
    let mut transport = super::server::options();
    transport.body_timeout = SHORT;
    let large = Router::new().route("/large", get(|| async { "x".repeat(LARGE) }));
    let routes = routes(Shared::new(), transport, Sockets::default()).merge(large);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(serve(listener, routes, Sockets::default(), CancellationToken::new(), options));
    address
}

/// A client at this address of the machine.
async fn connect_from(from: &str, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
    socket.connect(address).await.unwrap()
}

/// Whether the connection is there to be used, and was not closed at once.
async fn is_served(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 15];
    if stream.write_all(HELLO).await.is_err() {
        return false;
    }
    let read = timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer or an end in time");
    read.is_ok() && answer == *b"HTTP/1.1 200 OK"
}

/// Tries until there is room for one more.
async fn comes_in(from: &str, address: SocketAddr) -> TcpStream {
    let trying = async {
        loop {
            let mut stream = connect_from(from, address).await;
            if is_served(&mut stream).await {
                return stream;
            }
        }
    };
    timeout(PATIENCE, trying).await.expect("a place is free in time")
}

/// All that the server says until it closes the connection, which it must.
async fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("the server closes in time");
    // A reset is a way of closing too: we may have sent what nobody reads.
    assert!(read.is_ok() || read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn half_a_head_is_not_waited_for() {
    let (mut stream, _) = connect(10).await;
    stream.write_all(b"POST /graphql HTTP/1.1\r\nhost: x\r\nx-a: ").await.unwrap();
    let said = rest(&mut stream).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
}

#[tokio::test]
async fn half_a_body_is_not_waited_for() {
    let (mut stream, _) = connect(10).await;
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let said = rest(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
}

#[tokio::test]
async fn fifty_megabytes_are_refused_unread() {
    let (mut stream, _) = connect(10).await;
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 52428800\r\n\r\n{\"query\":\"";
    stream.write_all(head.as_bytes()).await.unwrap();
    let said = rest(&mut stream).await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    // Not announced, it ends where the bound is.
    let (mut stream, _) = connect(10).await;
    let head =
        "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut sent = 0;
    while sent < 50 * 1024 * 1024 && stream.write_all(chunk.as_bytes()).await.is_ok() {
        sent += 0x10000;
    }
    assert!(sent < 20 * 1024 * 1024, "{sent} bytes were taken");
}

#[tokio::test]
async fn an_idle_connection_is_let_go_and_a_busy_one_is_not() {
    let (mut stream, _) = connect(10).await;
    let request = b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nhost: x\r\n\r\n";
    for _ in 0..5 {
        stream.write_all(request).await.unwrap();
        let mut answer = [0; 4096];
        let length = timeout(PATIENCE, stream.read(&mut answer)).await.unwrap().unwrap();
        assert!(answer[..length].starts_with(b"HTTP/1.1 200"));
        // Less than the patience between two, more than it in all.
        tokio::time::sleep(SHORT / 3).await;
    }
    assert!(rest(&mut stream).await.is_empty());
}

#[tokio::test]
async fn connections_have_a_bound() {
    let (mut first, address) = connect(1).await;
    first.write_all(b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 16];
    timeout(PATIENCE, first.read_exact(&mut answer)).await.unwrap().unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    assert!(rest(&mut second).await.is_empty(), "one too many is closed at once");
}

#[tokio::test]
async fn who_never_reads_an_answer_is_cut_and_its_place_is_free() {
    let options = ServeOptions { write_timeout: SHORT, max_connections: 1, ..ServeOptions::default() };
    let address = start(options).await;
    let mut deaf = connect_from("127.0.0.1", address).await;
    deaf.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // The answer is on its way, so the only place is taken.
    deaf.peek(&mut [0]).await.unwrap();
    comes_in("127.0.0.1", address).await;
    assert!(rest(&mut deaf).await.len() < LARGE, "nobody waits with the rest of the answer");
}

#[tokio::test]
async fn who_reads_slowly_gets_all_of_an_answer() {
    let patience = Duration::from_secs(1);
    let address = start(ServeOptions { write_timeout: patience, ..ServeOptions::default() }).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let begun = tokio::time::Instant::now();
    let mut piece = vec![0; LARGE / 10];
    for _ in 0..10 {
        // Less than the patience for some bytes, more than it in all.
        tokio::time::sleep(patience / 5).await;
        timeout(PATIENCE, slow.read_exact(&mut piece)).await.unwrap().unwrap();
    }
    assert!(begun.elapsed() > patience);
}

#[tokio::test]
async fn one_address_takes_no_more_than_its_share() {
    let options = ServeOptions { max_connections: 10, max_connections_per_address: 2, ..ServeOptions::default() };
    let address = start(options).await;
    let mut first = connect_from("127.0.0.1", address).await;
    let mut second = connect_from("127.0.0.1", address).await;
    assert!(is_served(&mut first).await && is_served(&mut second).await);
    let mut third = connect_from("127.0.0.1", address).await;
    assert!(rest(&mut third).await.is_empty(), "one too many is closed at once");
    let mut elsewhere = connect_from("127.0.0.2", address).await;
    assert!(is_served(&mut elsewhere).await, "another address has places of its own");
    drop(first);
    comes_in("127.0.0.1", address).await;
}

#[tokio::test]
async fn a_trusted_proxy_brings_the_connections_of_many() {
    let trusted_proxies = "127.0.0.2".parse().unwrap();
    let address =
        start(ServeOptions { max_connections_per_address: 1, trusted_proxies, ..ServeOptions::default() }).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut stream = connect_from("127.0.0.2", address).await;
        assert!(is_served(&mut stream).await);
        open.push(stream);
    }
}
