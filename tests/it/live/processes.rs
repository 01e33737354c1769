//! Two server processes on one database and one Redis, as an operator runs them behind a balancer.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Stdio,
    time::{Duration, Instant},
};

use chrono::{SubsecRound, TimeDelta};
use horae::{
    domain::clock::{Clock, SystemClock},
    schema::id::Kind,
};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{Desk, PATIENCE, api::id};
use crate::support::{
    app::{SECRET, TestApp},
    redis::RedisServer,
    socket::Socket,
};

/// A `horae serve` that ends with the value.
struct Node {
    address: SocketAddr,
    process: Child,
}

impl Node {
    async fn start(database_url: &str, redis_url: &str) -> Self {
        // Between choosing a port and its use another test may take it; the next choice is another one.
        for _ in 0..10 {
            let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
            let process = Command::new(env!("CARGO_BIN_EXE_horae"))
                .arg("serve")
                .env_clear()
                .env("HORAE_SECRET", SECRET)
                .env("HORAE_LISTEN", address.to_string())
                .env("DATABASE_URL", database_url)
                .env("DATABASE_MAX_CONNECTIONS", "5")
                .env("REDIS_URL", redis_url)
                .env("RUST_LOG", "error")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .expect("the server starts");
            let mut node = Self { address, process };
            if timeout(PATIENCE, node.is_up()).await.unwrap_or(false) {
                return node;
            }
        }
        panic!("no server came up in ten tries");
    }

    /// Whether it takes connections; false when it has ended.
    async fn is_up(&mut self) -> bool {
        while self.is_running() {
            if TcpStream::connect(self.address).await.is_ok() {
                return self.is_running();
            }
            sleep(Duration::from_millis(10)).await;
        }
        false
    }

    fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

const BOOK: &str = "mutation($input: BookAppointmentInput!) {
    bookAppointment(input: $input) { appointment { id } userErrors { code message field } }
}";

const BOOKINGS: &str = "subscription {
    bookingReceived { __typename ... on BookingReceived { appointment { id } } }
}";

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_through_one_process_reaches_a_subscriber_on_the_other_with_redis_and_without() {
    let mut redis = RedisServer::start().await;
    let app = TestApp::start().await;
    // The servers are real processes and live in the present.
    let now = SystemClock.now();
    app.clock.set(now);
    let desk = Desk::with(&app, 1).await;
    let token = app.admin("alfa").await.token.unwrap();
    let mut one = Node::start(&app.database_url, &redis.url()).await;
    let mut two = Node::start(&app.database_url, &redis.url()).await;
    let mut booking = Socket::open_at(one.address, &token).await;
    let mut listening = Socket::open_at(two.address, &token).await;
    listening.subscribe("live", BOOKINGS, json!({})).await;
    assert_eq!(listening.data().await["bookingReceived"]["__typename"], "StreamReady");

    let input = |slot: i32| {
        let start = (now + TimeDelta::days(2)).trunc_subsecs(0) + TimeDelta::minutes(30) * slot;
        let item = json!({
            "treatmentId": id(&app, &desk, Kind::Treatment, desk.treatment),
            "professionalId": id(&app, &desk, Kind::Resource, desk.professionals[0]),
            "start": start.to_rfc3339(),
        });
        json!({"input": {
            "idempotencyKey": Uuid::new_v4(),
            "branchId": id(&app, &desk, Kind::Branch, desk.branch),
            "patientId": id(&app, &desk, Kind::Patient, desk.patient),
            "items": [item],
        }})
    };
    let mut slowest = Duration::ZERO;
    for slot in 0..12 {
        if slot == 8 {
            redis.stop().await;
        }
        let booked = booking.ask(BOOK, input(slot)).await["bookAppointment"].clone();
        assert_eq!(booked["userErrors"], json!([]), "{booked:#}");
        let committed = Instant::now();
        let received = listening.data().await["bookingReceived"].clone();
        assert_eq!(received, json!({"__typename": "BookingReceived", "appointment": booked["appointment"]}));
        // The first may still find the process's subscription on its way; without Redis it looks every two seconds.
        if (1..8).contains(&slot) {
            slowest = slowest.max(committed.elapsed());
        }
    }
    assert!(slowest < Duration::from_millis(1_500), "the slowest of 7 took {slowest:?}: hints do not arrive");
    redis.start_again().await;
    let booked = booking.ask(BOOK, input(12)).await["bookAppointment"]["appointment"].clone();
    assert_eq!(listening.data().await["bookingReceived"]["appointment"], booked);
    assert!(one.is_running() && two.is_running() && booked != Value::Null);
}
