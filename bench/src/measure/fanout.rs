//! One booking to many subscribers, beside a bare broadcast of as many bytes; and what a quiet socket costs.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use futures::{SinkExt as _, StreamExt as _, future::try_join_all};
use serde_json::json;
use tokio::{process::Command, time::sleep};
use tokio_tungstenite::tungstenite::Message;

use super::{
    Bench,
    booking::Desks,
    slots::Slots,
    sockets::{Subscribers, connect, subscribe_all},
};
use crate::{
    fail::{Fail, Result},
    fill::Data,
    http::{Connection, is_clean},
    node::{Node, free_address},
    report::{Finding, Measurement},
    say,
    stats::{Latencies, median, ratio, round},
};

/// What a desk's screen shows when it rings.
const WATCH: &str = "subscription { bookingReceived {
  ... on StreamReady { cursor recovered replayCount }
  ... on BookingReceived { cursor channel appointment { id code status start localStart timeZone
    patient { givenNames paternalSurname } items { treatment { name } professional { name } room { name } } } }
  ... on StreamReset { reason resumeAfter }
} }";

const DELIVERY_BOUND: f64 = 3.0;
const MEMORY_BOUND: f64 = 25.0;
/// How often as many sockets more are opened; the first does not count.
const LOTS: usize = 6;
/// Between two broadcasts, so that each begins on a quiet machine.
const PAUSE: Duration = Duration::from_millis(60);

/// Delays of one round: from the answer to the one who caused it, to each subscriber.
#[derive(Clone, Debug, Default)]
struct Delays {
    all: Latencies,
    p99_of_rounds: Vec<f64>,
}

impl Delays {
    fn add(&mut self, round: &Latencies) {
        self.all.extend(round);
        self.p99_of_rounds.push(round.summary().p99_ms);
    }
}

/// Measures it.
pub async fn run(bench: &Bench<'_>, data: &Data) -> Result<Measurement> {
    let count = bench.scale.sockets;
    let node = bench.program.serve(&[], &[]).await?;
    let desks = Desks::open(node.address, data).await?;
    let token = desks.tokens.first().ok_or_else(|| Fail::new("no centre to watch"))?;
    let mut slots = Slots::open(data, bench.folder)?;

    let sockets = subscribe_all(node.address, token, WATCH, count).await?;
    let resident = memory_of_sockets(&node, token, count).await?;
    let added = resident.last().zip(resident.get(1)).map_or(0, |(last, first)| last.saturating_sub(*first));
    let kilobytes = round(added as f64 / 1024.0 / (count * (LOTS - 1)) as f64);
    let mut ours = Subscribers::listen(sockets);

    let mut desk = Connection::open(node.address).await?;
    let mut book = async |subscribers: &mut Subscribers| -> Result<(Latencies, usize)> {
        let request = loop {
            let slot = slots.take().ok_or_else(|| Fail::new("no free slots are left; fill anew"))?;
            if slot.centre == 0 {
                break desks.request(data, slot, slots.used());
            }
        };
        let answer = desk.call(&request.unwrap_or_default()).await?;
        if !is_clean(answer.body) {
            return Err(Fail::new(format!("a booking was refused: {}", String::from_utf8_lossy(answer.body))));
        }
        measure(Instant::now(), subscribers).await
    };
    let (_, length) = book(&mut ours).await?;

    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare", &address.to_string()]).stdin(Stdio::null()).kill_on_drop(true);
    let mut bare = command.spawn()?;
    let mut controller = loop {
        match connect(address, "/", None).await {
            Ok(socket) => break socket,
            Err(_) if bare.try_wait()?.is_none() => sleep(Duration::from_millis(20)).await,
            Err(fail) => return Err(fail),
        }
    };
    let mut bare_sockets = Vec::new();
    while bare_sockets.len() < count {
        let some = 25.min(count - bare_sockets.len());
        bare_sockets.extend(try_join_all((0..some).map(|_| connect(address, "/", None))).await?);
    }
    let mut theirs = Subscribers::listen(bare_sockets);
    let text = format!("!{}", "x".repeat(length.saturating_sub(1)));
    let mut shout = async |subscribers: &mut Subscribers| -> Result<(Latencies, usize)> {
        controller.send(Message::text(text.clone())).await?;
        controller.next().await.ok_or_else(|| Fail::new("the bare server is gone"))??;
        measure(Instant::now(), subscribers).await
    };
    shout(&mut theirs).await?;

    let (mut delays, mut floor) = (Delays::default(), Delays::default());
    let bar = say::bar("fan-out", bench.scale.rounds);
    for _ in 0..bench.scale.rounds {
        let (mut our_round, mut floor_round) = (Latencies::default(), Latencies::default());
        for _ in 0..bench.scale.broadcasts {
            our_round.extend(&book(&mut ours).await?.0);
            sleep(PAUSE).await;
            floor_round.extend(&shout(&mut theirs).await?.0);
            sleep(PAUSE).await;
        }
        delays.add(&our_round);
        floor.add(&floor_round);
        bar.inc(1);
    }
    bar.finish();
    ours.end().await;
    theirs.end().await;
    bare.kill().await?;
    node.stop().await?;
    slots.close()?;

    let (slow, fast) = (median(&delays.p99_of_rounds), median(&floor.p99_of_rounds));
    let (of_ours, of_floor) = (delays.all.summary(), floor.all.summary());
    let delivery = Finding::at_most(
        &format!("one booking to {count} subscribers, {length} bytes each"),
        format!("p50/p99 {:.1}/{slow:.1} ms", of_ours.p50_ms),
        format!("p50/p99 {:.1}/{fast:.1} ms", of_floor.p50_ms),
        ratio(slow, fast),
        DELIVERY_BOUND,
        "",
    );
    let memory = Finding::at_most(
        "memory of a quiet socket",
        format!("{kilobytes:.1} KB"),
        String::new(),
        kilobytes,
        MEMORY_BOUND,
        " KB",
    );
    let figures = json!({
        "horae": {"latency": of_ours, "p99_ms": delays.p99_of_rounds},
        "bare": {"latency": of_floor, "p99_ms": floor.p99_of_rounds},
        "memory": {"resident": resident, "sockets": count},
        "bytes": length,
    });
    Ok(Measurement { findings: vec![delivery, memory], figures })
}

/// Resident memory before as many sockets more are there, and after each time. What counts is what those after the first lot
/// add: the first fill what all share, and lie where logins have been, whose memory the allocator keeps. Of one lot alone it
/// says little, because the allocator takes memory by the megabyte.
async fn memory_of_sockets(node: &Node, token: &str, count: usize) -> Result<Vec<u64>> {
    let (mut memory, mut more) = (vec![settled(node).await?], Vec::new());
    for _ in 0..LOTS {
        more.push(subscribe_all(node.address, token, WATCH, count).await?);
        memory.push(settled(node).await?);
    }
    drop(more);
    sleep(Duration::from_secs(2)).await;
    Ok(memory)
}

/// Resident memory when it has stopped to change: an allocator gives back what is free a while later.
async fn settled(node: &Node) -> Result<u64> {
    let (mut last, mut quiet) = (node.memory().await?, 0);
    while quiet < 6 {
        sleep(Duration::from_millis(500)).await;
        let now = node.memory().await?;
        quiet = if now.abs_diff(last) < 64 * 1024 { quiet + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}

/// Delays behind `answered` until each subscriber has the message. What arrived before the answer took no time.
async fn measure(answered: Instant, subscribers: &mut Subscribers) -> Result<(Latencies, usize)> {
    let (times, length) = subscribers.next().await?;
    let mut delays = Latencies::default();
    times.into_iter().for_each(|at| delays.push(at.saturating_duration_since(answered)));
    Ok((delays, length))
}
