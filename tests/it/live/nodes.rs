//! Several nodes on one database, with and without Redis; readers that come and go.

use std::time::{Duration, Instant};

use super::{Desk, events};
use crate::support::{app::TestApp, redis::RedisServer};

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_through_one_node_reaches_a_subscriber_on_the_other_by_redis() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let one = TestApp::start_with(&[("REDIS_URL", &url)]).await;
    let two = TestApp::with_clock(&one.database_url, &[("REDIS_URL", &url)], one.clock.clone()).await;
    let desk = Desk::with(&one, 1).await;
    let (mut stream, _) = desk.listen(&two, None).await;
    // The first may still find the node's subscription on its way; what counts is that hints arrive from then on.
    let first = desk.book(&one, 0, 0).await;
    assert_eq!(events(&mut stream, 1).await[0].1, first);
    let mut slowest = Duration::ZERO;
    for slot in 1..20 {
        let id = desk.book(&one, 0, slot).await;
        let committed = Instant::now();
        assert_eq!(events(&mut stream, 1).await[0].1, id);
        slowest = slowest.max(committed.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "the slowest of 19 took {slowest:?}: hints do not arrive");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_other_node_finds_it_by_looking() {
    let one = TestApp::start().await;
    let two = TestApp::with_clock(&one.database_url, &[], one.clock.clone()).await;
    let desk = Desk::with(&one, 1).await;
    let (mut stream, _) = desk.listen(&two, None).await;
    let id = desk.book(&one, 0, 0).await;
    assert_eq!(events(&mut stream, 1).await[0].1, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_reader_serves_all_subscribers_of_a_tenant_with_the_same_statements() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    assert_eq!(app.app.live.readers(), 0);
    let (mut first, _) = desk.listen(&app, None).await;
    assert_eq!(app.app.live.readers(), 1);
    let mut statements = Vec::new();
    let mut slot = 0;
    for listeners in [1, 40] {
        let mut streams = Vec::new();
        for _ in 1..listeners {
            streams.push(desk.listen(&app, None).await.0);
        }
        // The look for new events and rights every two seconds may fall into a round, so the best of some counts.
        let mut fewest = u64::MAX;
        for _ in 0..4 {
            let before = app.app.cx.db.statements();
            let id = desk.book(&app, 0, slot).await;
            slot += 1;
            assert_eq!(events(&mut first, 1).await[0].1, id);
            for stream in &mut streams {
                assert_eq!(events(stream, 1).await[0].1, id);
            }
            fewest = fewest.min(app.app.cx.db.statements() - before);
        }
        statements.push(fewest);
    }
    assert_eq!(app.app.live.readers(), 1);
    assert_eq!(statements[0], statements[1], "one subscriber and 40 cost the same SQL");
}
