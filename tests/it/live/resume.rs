//! Without loss or duplicate: offsets, replay, and the seam between replay and live.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Desk, events, is_up_to_date};
use crate::support::{app::TestApp, redis::RedisServer};

fn word(app: &TestApp, cursor: horae::domain::event_cursor::EventCursor) -> String {
    cursor.seal(&app.app.cx.seal)
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_writers_leave_no_gap_and_their_events_come_in_the_order_of_their_commits() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 16).await;
    let (mut stream, ready) = desk.listen(&app, None).await;
    // A reader that sees position n sees all before it, at every moment.
    let watcher = {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let cx = desk.centre.cx.clone();
        let system = desk.centre.system.clone();
        let task = tokio::spawn(async move {
            let mut looks = 0_u32;
            while !stopped.is_cancelled() {
                let tx = cx.read(&system).await.unwrap();
                let gaps: Option<i64> = tx.scalar("SELECT max(position) - count(*) FROM events", []).await.unwrap();
                tx.commit().await.unwrap();
                assert_eq!(gaps.unwrap_or(0), 0, "an offset was visible before one in front of it");
                looks += 1;
            }
            looks
        });
        (stop, task)
    };
    join_all((0..16).map(|writer| {
        let (app, desk) = (&app, &desk);
        async move {
            for slot in 0..12 {
                desk.book(app, writer, slot).await;
            }
        }
    }))
    .await;
    watcher.0.cancel();
    assert!(watcher.1.await.unwrap() > 0);
    let log = desk.log(ready.cursor.position).await;
    assert_eq!(log.len(), 16 * 12);
    assert_eq!(events(&mut stream, log.len()).await, log);
    is_up_to_date(&mut stream, &desk, &app, 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_subscriber_gets_exactly_the_200_bookings_it_missed_in_order() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 8).await;
    let (mut stream, _) = desk.listen(&app, None).await;
    desk.book(&app, 0, 0).await;
    let seen = events(&mut stream, 1).await[0].0;
    let tenant = &desk.actor.tenant;
    let cursor =
        horae::domain::event_cursor::EventCursor { tenant_key: tenant.key, epoch: tenant.epoch, position: seen };
    drop(stream);
    join_all((0..8).map(|writer| {
        let (app, desk) = (&app, &desk);
        async move {
            for slot in 1..=25 {
                desk.book(app, writer, slot).await;
            }
        }
    }))
    .await;
    let missed = desk.log(seen).await;
    assert_eq!(missed.len(), 200);
    let (mut again, ready) = desk.listen(&app, Some(word(&app, cursor))).await;
    assert!(ready.was_recovering && ready.recovered, "{ready:?}");
    assert_eq!((ready.replay_count, ready.cursor), (200, cursor));
    assert_eq!(events(&mut again, 200).await, missed);
    is_up_to_date(&mut again, &desk, &app, 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redis_stopped_and_started_bookings_succeed_and_nothing_is_lost() {
    let mut redis = RedisServer::start().await;
    let url = redis.url();
    let app = TestApp::start_with(&[("REDIS_URL", &url)]).await;
    // The subscriber is on another node, so that hints really travel.
    let other = TestApp::with_clock(&app.database_url, &[("REDIS_URL", &url)], app.clock.clone()).await;
    let desk = Desk::with(&app, 8).await;
    let (mut stream, ready) = desk.listen(&other, None).await;
    for phase in 0..3 {
        match phase {
            1 => redis.stop().await,
            2 => redis.start_again().await,
            _ => {}
        }
        join_all((0..8).map(|writer| {
            let (app, desk) = (&app, &desk);
            async move {
                for slot in phase * 9..(phase + 1) * 9 {
                    desk.book(app, writer, slot).await;
                }
            }
        }))
        .await;
    }
    let log = desk.log(ready.cursor.position).await;
    assert_eq!(log.len(), 3 * 9 * 8);
    assert_eq!(events(&mut stream, log.len()).await, log);
    is_up_to_date(&mut stream, &desk, &app, 60).await;
    // And who was cut in between resumes.
    let (mut late, ready) = desk.listen(&other, Some(word(&other, ready.cursor))).await;
    assert_eq!(ready.replay_count, i64::try_from(log.len()).unwrap() + 1);
    assert_eq!(events(&mut late, log.len()).await, log);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_joins_in_the_middle_of_writing_sees_no_seam() {
    let app = Arc::new(TestApp::start().await);
    let desk = Arc::new(Desk::with(&app, 4).await);
    let (_, begin) = desk.listen(&app, None).await;
    let writers = {
        let (app, desk) = (Arc::clone(&app), Arc::clone(&desk));
        tokio::spawn(async move {
            join_all((0..4).map(|writer| {
                let (app, desk) = (&app, &desk);
                async move {
                    for slot in 0..40 {
                        desk.book(app, writer, slot).await;
                    }
                }
            }))
            .await;
        })
    };
    let joined = join_all((0..12_u64).map(|n| {
        let (app, desk) = (&app, &desk);
        async move {
            tokio::time::sleep(Duration::from_millis(40 * n)).await;
            let (mut stream, _) = desk.listen(app, Some(word(app, begin.cursor))).await;
            events(&mut stream, 160).await
        }
    }))
    .await;
    writers.await.unwrap();
    let log: Vec<(i64, Uuid)> = desk.log(begin.cursor.position).await;
    assert_eq!(log.len(), 160);
    for (n, seen) in joined.into_iter().enumerate() {
        assert_eq!(seen, log, "subscriber {n}");
    }
}
