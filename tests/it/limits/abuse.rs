//! Everything at once against one centre, while another books.

use std::{
    fmt::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta};
use futures::{SinkExt, StreamExt, future::join_all};
use horae::http::{ServeOptions, serve};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use super::Caller;
use crate::{
    booking::Clinic,
    support::app::{Client, TestApp},
};

/// As in production, but for patience.
const USUAL: &[(&str, &str)] = &[
    ("HORAE_TRUSTED_PROXIES", "0.0.0.0/32"),
    ("HORAE_COST_CAPACITY", "2000"),
    ("HORAE_COST_PER_SECOND", "100"),
    ("HORAE_ATTEMPTS_PER_ADDRESS", "60"),
    ("HORAE_ATTEMPTS_PER_ACCOUNT", "10"),
    ("HORAE_BODY_TIMEOUT", "2"),
];
const PATIENCE: Duration = Duration::from_secs(60);
const SOCKETS: usize = 2_000;
const LOGINS: usize = 600;
const SLOW_BODIES: usize = 200;

const BOOK: &str = "mutation($input: BookAppointmentInput!) {
    bookAppointment(input: $input) { appointment { id start } userErrors { code message } } }";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_centre_under_attack_costs_no_other_a_booking() {
    let clinic = Clinic::open_on(TestApp::start_with(USUAL).await).await;
    let victim = clinic.admin.clone();
    let attacker = clinic.app.admin("beta").await;
    let address = listen(&clinic.app).await;

    let calm = book(&clinic, &victim, 0, 8, || true).await;
    let before = resident();
    let over = Arc::new(AtomicBool::new(false));
    let attack = {
        let (app, over) = (&clinic.app, over.clone());
        let caller = Caller::new(app, &attacker, "192.0.2.66");
        async move {
            let done = tokio::join!(
                hostile_documents(caller),
                login_flood(app),
                slow_bodies(address),
                large_body(address),
                sockets(address, &attacker),
            );
            over.store(true, Ordering::Relaxed);
            done
        }
    };
    let bookings = book(&clinic, &victim, 8, 80, || !over.load(Ordering::Relaxed));
    let highest = watch_memory(over.clone());
    let ((refused, (logins, slowest_login), slow, sent, (open, closed)), attacked, highest) =
        tokio::join!(attack, bookings, highest);

    println!("bookings in peace {}, under attack {}", told(&calm), told(&attacked));
    println!(
        "logins refused: {logins} of {LOGINS}, slowest answer {slowest_login:?}; hostile documents: slowest {refused:?}"
    );
    println!(
        "sockets: {open} open, {closed} refused; 50 MB: {sent} bytes taken; memory: +{} MiB",
        (highest - before) >> 20
    );
    assert!(attacked.len() >= 5, "the attack was over before anybody could book");
    assert!(logins > 0, "every login of the flood was let through");
    assert_eq!(slow, SLOW_BODIES, "every slow body was given up on");
    assert_eq!((open, closed), (50, SOCKETS - 50), "one user has fifty sockets");
    assert!(refused < Duration::from_secs(10), "a hostile document took {refused:?}");
    assert!(highest - before < 1 << 30, "memory grew by {} MiB", (highest - before) >> 20);
}

/// Books one slot after the other, with nobody refused, and says how long each took.
async fn book(clinic: &Clinic, client: &Client, from: i64, most: i64, go_on: impl Fn() -> bool) -> Vec<Duration> {
    let first: DateTime<chrono::FixedOffset> = "2026-07-14T08:00:00-04:00".parse().unwrap();
    let mut took = Vec::new();
    for slot in from..from + most {
        if !go_on() {
            break;
        }
        let (day, half_hour) = (slot / 40, slot % 40);
        let start = first + TimeDelta::days(day) + TimeDelta::minutes(30 * (half_hour / 2));
        let professional = clinic.professionals[usize::try_from(half_hour % 2).unwrap()];
        let input = clinic.input(professional, &start.to_rfc3339());
        let asked = Instant::now();
        let answer = client.send(BOOK, json!({ "input": input })).await;
        took.push(asked.elapsed());
        let payload = &answer["data"]["bookAppointment"];
        assert!(payload["appointment"]["id"].is_string(), "a booking was refused: {answer:#}");
    }
    took
}

fn told(took: &[Duration]) -> String {
    let mut sorted = took.to_vec();
    sorted.sort();
    let at = |percent: usize| sorted.get(sorted.len() * percent / 100).or(sorted.last()).copied().unwrap_or_default();
    format!("({}): median {:?}, 95 of 100 within {:?}, slowest {:?}", sorted.len(), at(50), at(95), at(100))
}

/// The slowest refusal.
async fn hostile_documents(caller: Caller) -> Duration {
    let aliases = (0..10_000).fold(String::new(), |mut all, n| {
        write!(all, "a{n}:viewer{{permissions}} ").unwrap();
        all
    });
    let bomb = (0..10).fold("{...f0}".to_owned(), |mut all, n| {
        write!(all, "fragment f{n} on Query{{{}}}", format!("...f{}", n + 1).repeat(8)).unwrap();
        all
    }) + "fragment f10 on Query{__typename}";
    let many =
        json!({"input": {"branchId": "x", "idempotencyKey": "x", "items": vec![json!({"treatmentId": "x"}); 8_000]}});
    let huge = json!({"input": "x".repeat(300 * 1024)});
    let hostile = [
        (format!("{{{aliases}}}"), json!({})),
        (format!("{}viewer{}", "{viewer".repeat(200), "}".repeat(200)), json!({})),
        ("{...a} fragment a on Query{...b ...b} fragment b on Query{...a ...a}".to_owned(), json!({})),
        (bomb, json!({})),
        (BOOK.to_owned(), many),
        (BOOK.to_owned(), huge),
    ];
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        for (document, variables) in &hostile {
            let asked = Instant::now();
            let answer = caller.ask(document, variables.clone()).await;
            slowest = slowest.max(asked.elapsed());
            assert!(answer.body.get("errors").is_some(), "{:#}", answer.body);
        }
    }
    slowest
}

/// How many were refused, and the slowest answer.
async fn login_flood(app: &TestApp) -> (usize, Duration) {
    let document = "mutation($email: EmailAddress!) {
        login(email: $email, password: \"guessed\", tenantSlug: \"beta\") { tokens { accessToken } } }";
    let tries = (0..LOGINS).map(|n| async move {
        let caller = Caller::new(app, &app.anonymous(), &format!("198.51.100.{}", n % 20));
        let asked = Instant::now();
        let answer = caller.ask(document, json!({"email": format!("user{n}@beta.test")})).await;
        (answer.code() == "RATE_LIMITED", asked.elapsed())
    });
    let answers = join_all(tries).await;
    let slowest = answers.iter().map(|(_, took)| *took).max().unwrap_or_default();
    (answers.iter().filter(|(refused, _)| *refused).count(), slowest)
}

/// How many of them got an answer although they never sent their body.
async fn slow_bodies(address: SocketAddr) -> usize {
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 200000\r\n\r\n{\"query\":\"";
    let clients = (0..SLOW_BODIES).map(|_| async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        let read = timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer in time");
        read.is_ok() && answer == *b"HTTP/1.1 408"
    });
    join_all(clients).await.into_iter().filter(|refused| *refused).count()
}

/// How many bytes of fifty megabytes were taken before the door was shut.
async fn large_body(address: SocketAddr) -> usize {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head =
        "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut sent = 0;
    while sent < 50 * 1024 * 1024 && stream.write_all(chunk.as_bytes()).await.is_ok() {
        sent += 0x10000;
    }
    assert!(sent < 50 * 1024 * 1024, "all of it was taken");
    sent
}

/// How many sockets of one user were admitted, and how many refused.
async fn sockets(address: SocketAddr, client: &Client) -> (usize, usize) {
    let token = client.token.as_deref().unwrap();
    let gangs = (0..20).map(|_| async move {
        let mut open = Vec::new();
        let mut refused = 0;
        for _ in 0..SOCKETS / 20 {
            match socket(address, token).await {
                Some(socket) => open.push(socket),
                None => refused += 1,
            }
        }
        (open, refused)
    });
    let gangs = join_all(gangs).await;
    (gangs.iter().map(|(open, _)| open.len()).sum(), gangs.iter().map(|(_, refused)| refused).sum())
}

async fn socket(address: SocketAddr, token: &str) -> Option<WebSocketStream<TcpStream>> {
    let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    let stream = TcpStream::connect(address).await.unwrap();
    let mut socket = match client_async(request, stream).await {
        Ok((socket, _)) => socket,
        Err(Error::Http(response)) => {
            assert_eq!(response.status(), 429);
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let init = json!({"type": "connection_init", "payload": {"Authorization": format!("Bearer {token}")}});
    socket.send(Message::text(init.to_string())).await.unwrap();
    match timeout(PATIENCE, socket.next()).await.expect("an answer in time") {
        Some(Ok(Message::Text(text))) => {
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["type"], "connection_ack");
            Some(socket)
        }
        Some(Ok(Message::Close(Some(close)))) => {
            assert_eq!(u16::from(close.code), 1013);
            while let Some(Ok(_)) = socket.next().await {}
            None
        }
        other => panic!("{other:?}"),
    }
}

async fn listen(app: &TestApp) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (router, sockets, stopping) = (app.router.clone(), app.app.sockets.clone(), app.app.shutdown.clone());
    app.app.tasks.spawn(serve(listener, router, sockets, stopping, ServeOptions::default()));
    address
}

/// The most memory that the process had until it was over.
async fn watch_memory(over: Arc<AtomicBool>) -> u64 {
    let mut highest = resident();
    while !over.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        highest = highest.max(resident());
    }
    highest
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024
}
