//! Whatever a client sends, the server answers the next one.

use futures::SinkExt;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

use super::client::Client;
use super::server::{Server, options, start_with};

async fn still_answers(server: &Server) {
    let mut client = Client::open(server).await;
    client.subscribe("1", "{ hello }").await;
    assert_eq!(client.hear().await["payload"]["data"]["hello"], "world");
}

#[test]
fn any_bytes_in_any_frame() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut options = options();
    options.socket.close_timeout = std::time::Duration::from_millis(50);
    let server = runtime.block_on(start_with(options));
    let mut runner = TestRunner::new(Config { cases: 64, ..Config::default() });
    let messages = proptest::collection::vec(
        prop_oneof![
            any::<String>().prop_map(Message::text),
            any::<Vec<u8>>().prop_map(Message::binary),
            r#"\{"type":"(subscribe|complete|ping)","id":"[ab]","payload":\{"query":"[{}a-z:(]{0,20}"\}\}"#
                .prop_map(Message::text),
        ],
        1..4,
    );
    runner
        .run(&messages, |messages| {
            runtime.block_on(async {
                let mut client = Client::open(&server).await;
                for message in messages {
                    // The server may have closed already.
                    let _ = client.0.send(message).await;
                }
                drop(client);
                still_answers(&server).await;
            });
            Ok(())
        })
        .unwrap();
    runner
        .run(&any::<Vec<u8>>(), |bytes| {
            runtime.block_on(async {
                let mut client = Client::open(&server).await;
                let _ = client.0.get_mut().write_all(&bytes).await;
                drop(client);
                still_answers(&server).await;
            });
            Ok(())
        })
        .unwrap();
}
