//! Subscriptions, over real sockets: who may listen hears StreamReady first, and then of what it may see.

use std::net::SocketAddr;

use horae::schema::id::Kind;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    cell::{Cell, Outcome},
    expected,
    rows::{self, Line},
    stage::{About, Caller, Stage},
    verdict::Verdict,
};
use crate::support::socket::Socket;

/// Tells of one job alone, and begins with it.
const JOB: &str = "Subscription.jobProgress";

/// Document and variables of a subscription to what happens in this branch.
fn subscription(stage: &Stage, line: &Line, branch: &Value) -> (&'static str, Value) {
    match line.name.as_str() {
        JOB => {
            let job = stage.id(Kind::BackgroundJob, stage.job);
            ("subscription($job: ID!) { jobProgress(jobId: $job) { __typename } }", json!({ "job": job }))
        }
        "Subscription.agendaChanged" => (
            "subscription($branch: ID!) { agendaChanged(branchId: $branch) {
                __typename ... on AppointmentChanged { appointment { id } } } }",
            json!({ "branch": branch }),
        ),
        "Subscription.bookingReceived" => {
            ("subscription { bookingReceived { __typename ... on BookingReceived { appointment { id } } } }", json!({}))
        }
        other => panic!("{other}: no arm in tests/it/matrix/streams.rs tells how to subscribe"),
    }
}

/// A socket that was subscribed, and what came of it.
struct Ear {
    caller: Caller,
    socket: Socket,
    began: Outcome,
}

impl Ear {
    async fn open(stage: &Stage, address: SocketAddr, line: &Line, caller: &Caller, branch: Uuid) -> Self {
        let token = stage.client(caller).await.token;
        let (mut socket, greeting) = Socket::greet(address, token.as_deref()).await;
        let began = if greeting["type"] == "connection_ack" {
            let (document, variables) = subscription(stage, line, &stage.id(Kind::Branch, branch));
            socket.subscribe("1", document, variables).await;
            let first = if line.name == JOB { "BackgroundJob" } else { "StreamReady" };
            Outcome::of(&socket.hear().await["payload"], line.operation(), Some(first))
        } else {
            closed(&greeting)
        };
        Self { caller: caller.clone(), socket, began }
    }

    /// What the next event is about: an appointment that is shown, or another one.
    async fn hears(&mut self, appointment: &Value) -> Outcome {
        let message = self.socket.hear().await;
        if message["type"] == "next" && message.to_string().contains(&appointment.to_string()) {
            return Outcome::Done;
        }
        Outcome::Other(message.to_string())
    }
}

/// What it means that a socket is closed instead of welcomed.
fn closed(greeting: &Value) -> Outcome {
    match greeting["closed"].as_u64() {
        Some(4_401 | 4_403) => Outcome::Refused("UNAUTHENTICATED".to_owned()),
        _ => Outcome::Other(greeting.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_are_open_to_whom_the_table_says() {
    let Some(lines) = rows::tried(|line| line.parent() == "Subscription") else { return };
    let mut stage = Stage::open().await;
    let address = stage.app().listen().await;
    let mut verdict = Verdict::default();
    for line in &lines {
        let branch = stage.others.branch;
        let mut ears = Vec::new();
        for caller in stage.callers.clone() {
            let mut ear = Ear::open(&stage, address, line, &caller, branch).await;
            if expected(line, &caller) == Cell::OwnOnly
                && ear.began.keeps_others()
                && let Some(own) = &caller.own
            {
                // Not that branch; then the own.
                ear = Ear::open(&stage, address, line, &caller, own.branch).await;
            }
            let begun = if expected(line, &caller) == Cell::OwnOnly { Cell::Allowed } else { expected(line, &caller) };
            verdict.judge(line, &caller, begun, &ear.began);
            if begun == Cell::Allowed && ear.began == Outcome::Done {
                ears.push(ear);
            }
        }
        if line.name == JOB {
            assert_eq!(ears.len(), 5, "who may ask for an import listens");
            continue;
        }
        assert!(ears.len() > 5, "nobody listens");
        // Another's first: who hears of the own first was not told of that.
        stage.turn(About::Others);
        let others = stage.world.booked().await["id"].clone();
        let mut own = Vec::new();
        for caller in stage.callers.clone().iter().filter(|caller| caller.own.is_some()) {
            stage.turn(About::Own(caller));
            own.push((caller.code, stage.world.booked().await["id"].clone()));
        }
        // Who hears everything first, so that everything has been told when silence is judged.
        ears.sort_by_key(|ear| expected(line, &ear.caller) != Cell::Allowed);
        for mut ear in ears {
            let said = expected(line, &ear.caller);
            let mine = own.iter().find(|(code, _)| *code == ear.caller.code);
            match (said, mine) {
                (Cell::Allowed, _) => {
                    let heard = ear.hears(&others).await;
                    verdict.judge(line, &ear.caller, Cell::Allowed, &heard);
                }
                (_, Some((_, mine))) => {
                    let heard = ear.hears(mine).await;
                    verdict.judge_own(line, &ear.caller, Cell::OwnOnly, &heard);
                }
                // Nothing is the own: nothing is heard, whatever happened.
                (_, None) => ear.socket.is_open().await,
            }
        }
    }
    verdict.announce();
}
