//! What one booking costs with a thousand sockets, beside a bare broadcast of the same bytes. A measurement, not a
//! check: `cargo test --release --test it live::fanout -- --ignored --nocapture`.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_graphql::Executor as _;
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{broadcast, mpsc},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, accept_async, connect_async,
    tungstenite::{Message, Utf8Bytes, client::IntoClientRequest},
};

use super::Desk;
use crate::support::app::TestApp;

const SOCKETS: usize = 1_000;
const ROUNDS: usize = 20;

const QUERY: &str = "subscription { bookingReceived {
    __typename
    ... on StreamReady { cursor }
    ... on BookingReceived { cursor channel appointment {
        id code status start end timeZone patient { id givenNames } branch { id name }
        items { start end treatment { id name } professional { id name } room { id name } } } }
} }";

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Every text a client gets is reported with the instant of its arrival.
fn report(mut client: Client, arrivals: mpsc::UnboundedSender<(Instant, usize)>) {
    tokio::spawn(async move {
        while let Some(Ok(message)) = client.next().await {
            if let Message::Text(text) = message {
                let _ = arrivals.send((Instant::now(), text.len()));
            }
        }
    });
}

async fn arrived(arrivals: &mut mpsc::UnboundedReceiver<(Instant, usize)>, begin: Instant) -> (Vec<Duration>, usize) {
    let mut latencies = Vec::with_capacity(SOCKETS);
    let mut length = 0;
    while latencies.len() < SOCKETS {
        let (at, bytes) = arrivals.recv().await.unwrap();
        latencies.push(at - begin);
        length = bytes;
    }
    (latencies, length)
}

fn p(latencies: &mut [Duration], percent: usize) -> Duration {
    latencies.sort_unstable();
    latencies[(latencies.len() * percent / 100).min(latencies.len() - 1)]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn one_booking_to_a_thousand_sockets() {
    let app = TestApp::start().await;
    let desk = Arc::new(Desk::with(&app, 1).await);
    let token = app.admin("alfa").await.token.unwrap();
    let address = app.listen().await;
    let (sender, mut arrivals) = mpsc::unbounded_channel();
    for _ in 0..SOCKETS {
        let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        let mut client = connect_async(request).await.unwrap().0;
        let init = json!({"type": "connection_init", "payload": {"Authorization": format!("Bearer {token}")}});
        client.send(Message::text(init.to_string())).await.unwrap();
        let subscribe = json!({"type": "subscribe", "id": "1", "payload": {"query": QUERY}});
        client.send(Message::text(subscribe.to_string())).await.unwrap();
        for _ in 0..2 {
            client.next().await.unwrap().unwrap();
        }
        report(client, sender.clone());
    }
    let (mut ours, mut in_process, mut bytes) = (Vec::new(), Vec::new(), 0);
    for slot in 0..ROUNDS {
        desk.book(&app, 0, i32::try_from(slot).unwrap()).await;
        let (latencies, length) = arrived(&mut arrivals, Instant::now()).await;
        ours.extend(latencies);
        bytes = length;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // The same operations without sockets: how long until all of them have their answer as text.
    let mut streams = Vec::new();
    let actor = Arc::clone(&desk.actor);
    for _ in 0..SOCKETS {
        let mut data = async_graphql::Data::default();
        data.insert(horae::schema::request::Caller(Some(Arc::clone(&actor))));
        let mut stream = app.app.schema.execute_stream(QUERY.into(), Some(Arc::new(data)));
        stream.next().await.unwrap();
        streams.push(stream);
    }
    for slot in 0..ROUNDS {
        desk.book(&app, 0, i32::try_from(slot + ROUNDS).unwrap()).await;
        let mut first = None;
        for stream in &mut streams {
            let response = stream.next().await.unwrap();
            let begin = *first.get_or_insert_with(Instant::now);
            std::hint::black_box(serde_json::to_string(&response).unwrap());
            in_process.push(begin.elapsed());
        }
        arrived(&mut arrivals, Instant::now()).await;
    }
    let per_stream = p(&mut in_process, 100) / u32::try_from(SOCKETS).unwrap();
    drop((streams, arrivals, sender));
    app.app.stop().await;

    let mut floor = bare(bytes).await;
    println!(
        "{SOCKETS} sockets, {bytes} bytes: p50 {:?} p99 {:?}; bare broadcast p50 {:?} p99 {:?}; ratio of p99 {:.2}; at most {per_stream:?} per stream without its socket",
        p(&mut ours, 50),
        p(&mut ours, 99),
        p(&mut floor, 50),
        p(&mut floor, 99),
        p(&mut ours, 99).as_secs_f64() / p(&mut floor, 99).as_secs_f64(),
    );
}

/// A broadcast of as many bytes by tokio-tungstenite alone.
async fn bare(bytes: usize) -> Vec<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (broadcast, _) = broadcast::channel::<Utf8Bytes>(64);
    let everybody = broadcast.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            tcp.set_nodelay(true).unwrap();
            let mut messages = everybody.subscribe();
            tokio::spawn(async move {
                let mut socket = accept_async(tcp).await.unwrap();
                while let Ok(text) = messages.recv().await {
                    if socket.send(Message::Text(text)).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let (sender, mut arrivals) = mpsc::unbounded_channel();
    for _ in 0..SOCKETS {
        report(connect_async(format!("ws://{address}")).await.unwrap().0, sender.clone());
    }
    while broadcast.receiver_count() < SOCKETS {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let text: Utf8Bytes = "x".repeat(bytes).into();
    let mut all = Vec::new();
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        broadcast.send(text.clone()).unwrap();
        all.extend(arrived(&mut arrivals, begin).await.0);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    all
}
