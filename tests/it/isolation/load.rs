//! Two centres that do the same at the same time: what one hears, keeps and spends is its own.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use super::house::House;
use crate::support::{app::TestApp, redis::RedisServer, socket::Socket};

const WRITERS: usize = 4;
const EACH: usize = 6;
const SOCKETS: usize = 3;

const BOOK: &str = "mutation($input: BookAppointmentInput!) {
    bookAppointment(input: $input) { appointment { id } replayed userErrors { code message field } }
}";
/// The same words for both centres and all sockets, so that whatever is kept by question is kept under one name.
const HEAR: [(&str, &str); 2] = [
    (
        "bookingReceived",
        "subscription { bookingReceived { __typename ... on BookingReceived {
         appointment { id patient { givenNames email } branch { id name } items { professional { id name } } } } } }",
    ),
    (
        "agendaChanged",
        "subscription($b: ID!) { agendaChanged(branchId: $b) { __typename ... on AppointmentChanged {
         appointment { id patient { givenNames email } branch { id name } items { professional { id name } } } } } }",
    ),
];

struct Side {
    house: House,
    sockets: Vec<(&'static str, Socket)>,
}

async fn side(nodes: &[&TestApp], slug: &'static str) -> Side {
    let house = House::open(nodes[0], slug).await;
    let mut sockets = Vec::new();
    for at in 0..SOCKETS * 2 {
        let node = nodes[at % nodes.len()];
        let (field, query) = HEAR[at % 2];
        let mut socket = Socket::open(node, house.admin.token.as_deref().unwrap()).await;
        let variables = if query.contains("$b") { json!({"b": house.known("branch")}) } else { json!({}) };
        socket.subscribe("all", query, variables).await;
        assert_eq!(socket.data().await[field]["__typename"], "StreamReady");
        sockets.push((field, socket));
    }
    Side { house, sockets }
}

/// The ids of the centre's own bookings. `keys` are the same for both centres.
async fn write(side: &House, keys: &[Vec<Uuid>]) -> BTreeSet<String> {
    let first: DateTime<Utc> = "2026-07-15T04:00:00Z".parse().unwrap();
    let writers = keys.iter().enumerate().map(|(writer, keys)| async move {
        let mut ids = Vec::new();
        for (n, key) in keys.iter().enumerate() {
            let start = first + TimeDelta::minutes(30) * i32::try_from(writer * EACH + n).unwrap();
            let input = json!({
                "idempotencyKey": key, "branchId": side.known("branch"),
                "newPatient": {"givenNames": format!("Rosa de {}", side.slug), "email": "rosa@example.com", "phones": ["+56 9 8765 4321"]},
                "items": [{"treatmentId": side.known("treatment"), "professionalId": side.known("professional"), "start": start.to_rfc3339()}],
            });
            let booked = side.admin.ok(BOOK, json!({ "input": input })).await["bookAppointment"].clone();
            assert_eq!((&booked["userErrors"], &booked["replayed"]), (&json!([]), &json!(false)), "{}", side.slug);
            ids.push(booked["appointment"]["id"].as_str().unwrap().to_owned());
        }
        ids
    });
    join_all(writers).await.into_iter().flatten().collect()
}

async fn heard(field: &str, socket: &mut Socket, slug: &str, other: &str) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < WRITERS * EACH {
        let data: Value = socket.data().await;
        let text = data.to_string();
        assert!(text.contains(&format!("Rosa de {slug}")) && !text.contains(other), "{slug} heard {text}");
        ids.push(data[field]["appointment"]["id"].as_str().unwrap().to_owned());
    }
    socket.is_open().await;
    ids
}

/// Both sides write and listen at once; each hears all of its own, once, and nothing else.
async fn both_at_once(nodes: &[&TestApp]) {
    let (mut alfa, mut beta) = (side(nodes, "alfa").await, side(nodes, "beta").await);
    let keys: Vec<Vec<Uuid>> = (0..WRITERS).map(|_| (0..EACH).map(|_| Uuid::new_v4()).collect()).collect();
    let (keys, begin) = (Arc::new(keys), Instant::now());
    let (own, others) = tokio::join!(write(&alfa.house, &keys), write(&beta.house, &keys));
    assert_eq!((own.len(), others.len()), (WRITERS * EACH, WRITERS * EACH), "one key books in both centres");
    assert!(own.is_disjoint(&others));
    for (side, ids, other) in [(&mut alfa, &own, "beta"), (&mut beta, &others, "alfa")] {
        let slug = side.house.slug;
        let listening = side.sockets.iter_mut().map(|(field, socket)| heard(field, socket, slug, other));
        let all = join_all(listening).await;
        for heard in &all {
            assert_eq!(heard.iter().cloned().collect::<BTreeSet<_>>(), *ids, "{slug}");
            assert_eq!(heard, &all[0], "{slug}: all in one order");
        }
    }
    let took = begin.elapsed();
    println!("{} bookings in two centres, heard by {} sockets each, took {took:?}", 2 * WRITERS * EACH, 2 * SOCKETS);
    assert!(took < Duration::from_secs(30), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_centres_under_load_hear_their_own_on_one_node() {
    let app = TestApp::start().await;
    both_at_once(&[&app]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_centres_under_load_hear_their_own_on_two_nodes_with_redis() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let one = TestApp::start_with(&[("REDIS_URL", &url)]).await;
    let two = TestApp::with_clock(&one.database_url, &[("REDIS_URL", &url)], one.clock.clone()).await;
    both_at_once(&[&one, &two]).await;
}
