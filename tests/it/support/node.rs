//! One real process of the program, whose log is read line by line.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use axum::{body::Bytes, http::Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

use super::app::SECRET;

const PATIENCE: Duration = Duration::from_secs(180);

pub struct Node {
    process: Child,
    log: mpsc::UnboundedReceiver<String>,
    pub seen: Vec<String>,
    pub address: SocketAddr,
}

impl Node {
    /// `horae serve`, when it is ready.
    pub async fn start(database_url: &str, settings: &[(&str, String)]) -> Self {
        Self::run("serve", database_url, settings).await
    }

    /// A command that serves, when it is ready.
    pub async fn run(command: &str, database_url: &str, settings: &[(&str, String)]) -> Self {
        let mut node = Self::begin(&[env!("CARGO_BIN_EXE_horae"), command], database_url, settings).await;
        node.until("The API is ready").await;
        node
    }

    /// A command line, whether or not it will ever be ready. It says itself which program it runs.
    pub async fn begin(line: &[&str], database_url: &str, settings: &[(&str, String)]) -> Self {
        let address = free().await;
        let mut process = Command::new(line[0])
            .args(&line[1..])
            .env_clear()
            .env("HORAE_SECRET", SECRET)
            .env("DATABASE_URL", database_url)
            .env("HORAE_LISTEN", address.to_string())
            .envs(settings.iter().map(|(name, value)| (*name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        // Read all the time: a full pipe would hold the node up.
        let (line, log) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(text) = lines.next_line().await.unwrap() {
                let _gone = line.send(text);
            }
        });
        Self { process, log, seen: Vec::new(), address }
    }

    /// Waits until it logs these words.
    pub async fn until(&mut self, words: &str) {
        while let Some(line) = timeout(PATIENCE, self.log.recv()).await.expect("the node says it") {
            let found = line.contains(words);
            self.seen.push(line);
            if found {
                return;
            }
        }
        panic!("the node ended: {:#?}", self.seen);
    }

    /// Asks it to stop, waits until it has, and returns all that it logged.
    pub async fn stop(mut self) -> String {
        let id = self.process.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        while let Some(line) = timeout(PATIENCE, self.log.recv()).await.expect("the node ends") {
            self.seen.push(line);
        }
        assert!(self.process.wait().await.unwrap().success(), "{:#?}", self.seen);
        self.seen.join("\n")
    }

    /// Waits until it has given up by itself, and returns all that it logged.
    pub async fn give_up(mut self) -> String {
        while let Some(line) = timeout(PATIENCE, self.log.recv()).await.expect("the node ends") {
            self.seen.push(line);
        }
        assert!(!self.process.wait().await.unwrap().success(), "{:#?}", self.seen);
        self.seen.join("\n")
    }

    /// Ends it in the middle of what it does.
    pub async fn kill(mut self) {
        self.process.kill().await.unwrap();
    }

    /// Forgets how much memory it has had so far; what it has now, in bytes.
    pub fn peak_from_now(&self) -> u64 {
        if cfg!(target_os = "linux") {
            std::fs::write(format!("/proc/{}/clear_refs", self.process.id().unwrap()), "5").unwrap();
        }
        self.peak()
    }

    /// The most memory that it has had since, in bytes. Only Linux tells; elsewhere it is nothing.
    pub fn peak(&self) -> u64 {
        if !cfg!(target_os = "linux") {
            return 0;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id().unwrap())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    pub async fn get(&self, path: &str) -> (u16, String) {
        get(self.address, path).await
    }

    /// The answer to an operation, with further headers.
    pub async fn ask(&self, headers: &[(&str, &str)], query: &str, variables: Value) -> Value {
        let uri = format!("http://{}/graphql", self.address);
        let mut request = Request::post(uri).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = json!({"query": query, "variables": variables}).to_string();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let answer = client.request(request.body(Full::<Bytes>::from(body)).unwrap()).await.unwrap();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }
}

/// A question to any address of a node.
pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let request = Request::get(format!("http://{address}{path}")).body(Full::<Bytes>::default()).unwrap();
    let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

/// An address that was free a moment ago.
pub async fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}
