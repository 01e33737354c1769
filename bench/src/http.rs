//! A client that costs next to nothing, because it shares two cores with what it measures: one connection, one request
//! at a time, HTTP/1.1 with keep-alive and Content-Length, nothing else.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::fail::{Fail, Result};

/// One connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, borrowed from the connection.
pub struct Answer<'a> {
    /// Status code.
    pub status: u16,
    /// Body.
    pub body: &'a [u8],
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(256 * 1024) })
    }

    /// Sends a request and waits for the whole answer.
    pub async fn call(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head = loop {
            self.more().await?;
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
        };
        let (status, length) = read_head(self.buffer.get(..head).unwrap_or_default())?;
        while self.buffer.len() < head + length {
            self.more().await?;
        }
        Ok(Answer { status, body: self.buffer.get(head..).unwrap_or_default() })
    }

    async fn more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(Fail::new("the server closed the connection in mid-answer"));
        }
        Ok(())
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Status and Content-Length.
fn read_head(head: &[u8]) -> Result<(u16, usize)> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok()).flatten()
    });
    match (status, length) {
        (Some(status), Some(length)) => Ok((status, length)),
        _ => Err(Fail::new(format!("an answer without status or Content-Length: {text}"))),
    }
}

/// A GraphQL request, ready to be sent as often as wanted.
pub fn graphql(token: Option<&str>, document: &str, variables: &Value) -> Vec<u8> {
    let body = serde_json::json!({"query": document, "variables": variables}).to_string();
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!(
        "POST /graphql HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAccept: application/json\r\n{authorization}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A GET.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// Whether an answer is data without errors and refusals, told without reading it as JSON: that would cost the
/// generator more than the request. The bodies are the server's own compact JSON.
pub fn is_clean(body: &[u8]) -> bool {
    body.starts_with(b"{\"data\":{")
        && find(body, b"\"errors\":[").is_none()
        && find(body, b"\"userErrors\":[{").is_none()
}

/// The data of an answer.
pub fn data(body: &[u8]) -> Result<Value> {
    let mut answer: Value = serde_json::from_slice(body)?;
    if !is_clean(body) {
        return Err(Fail::new(format!("the server refused: {answer}")));
    }
    Ok(answer.get_mut("data").map(Value::take).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_whatever_the_case_of_its_names() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-TYPE: x\r\nContent-length: 17\r\n\r\n";
        assert_eq!(read_head(head).ok(), Some((200, 17)));
        assert!(read_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn refusals_and_errors_are_no_success() {
        assert!(is_clean(br#"{"data":{"bookAppointment":{"userErrors":[]}}}"#));
        assert!(!is_clean(br#"{"data":{"bookAppointment":{"userErrors":[{"code":"SLOT_TAKEN"}]}}}"#));
        assert!(!is_clean(br#"{"data":null,"errors":[{"message":"x"}]}"#));
        assert!(!is_clean(br#"{"data":{"a":null},"errors":[{"message":"x"}]}"#));
    }
}
