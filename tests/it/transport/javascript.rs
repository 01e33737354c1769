//! The public suites and clients of the JavaScript world against the server.

use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::server::{Server, start};

async fn node(script: &str, server: &Server) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = root.join("tests/node/node_modules");
    assert!(
        modules.join("graphql-http").is_dir(),
        "tests/node/node_modules is missing: run script/test, which installs it (npm ci in tests/node)",
    );
    let running = Command::new("node")
        .arg(root.join("tests/node").join(script))
        .arg(server.url("http"))
        .arg(server.url("ws"))
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(60), running).await.expect("node ends in time").expect("node runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{script}:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// All audits of npm graphql-http, the recommendations included.
#[tokio::test]
async fn all_audits_of_graphql_over_http_pass() {
    let server = start().await;
    let text = node("audits.mjs", &server).await;
    assert!(text.contains("61 of 61 audits ok"), "{text}");
}

/// npm graphql-ws: the client that defines the sub-protocol.
#[tokio::test]
async fn the_reference_client_understands_the_socket() {
    let server = start().await;
    let text = node("socket.mjs", &server).await;
    assert!(text.contains("all steps ok"), "{text}");
}
