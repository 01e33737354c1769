//! The tests' own Redis does what tests of outages rely on.

use redis::AsyncCommands as _;

use crate::support::redis::RedisServer;

#[tokio::test]
async fn it_comes_back_on_the_same_address_after_a_stop_and_a_kill() {
    let mut server = RedisServer::start().await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let () = connection.set("key", "value").await.unwrap();

    server.stop().await;
    assert!(client.get_multiplexed_async_connection().await.is_err());
    server.start_again().await;
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let kept: Option<String> = connection.get("key").await.unwrap();
    assert_eq!(kept, None, "nothing is kept on disk");

    server.kill().await;
    assert!(client.get_multiplexed_async_connection().await.is_err());
    server.start_again().await;
    assert!(client.get_multiplexed_async_connection().await.is_ok());
}
