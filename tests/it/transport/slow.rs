//! Clients that take their time, on real connections.

use std::time::Duration;

use horae::http::graphql::Sockets;
use horae::http::{ServeOptions, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::schema::Shared;
use super::server::{options, routes};

const SHORT: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);

async fn connect(max_connections: usize) -> (TcpStream, std::net::SocketAddr) {
    let mut transport = options();
    transport.body_timeout = SHORT;
    let routes = routes(Shared::new(), transport, Sockets::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = ServeOptions { head_timeout: SHORT, max_connections, ..ServeOptions::default() };
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(serve(listener, routes, Sockets::default(), CancellationToken::new(), options));
    (TcpStream::connect(address).await.unwrap(), address)
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
