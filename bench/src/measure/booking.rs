//! Bookings by the desk's token, beside the same SQL through `pgbench`.

use chrono::{NaiveTime, TimeDelta};
use serde_json::json;

use super::{
    Bench, Rounds, agenda, rate,
    slots::{BOOK, Slot, Slots, patients},
};
use crate::{
    centre::Desk,
    fail::{Fail, Result},
    fill::Data,
    floor::{Pgbench, Recorder, Script, Statement, Varied, new_words},
    http,
    load::closed_loop,
    report::{Finding, Measurement},
    say,
    stats::ratio,
};

/// The floor's bookings lie so many days behind the slots that are booked for real.
const BEHIND: i64 = 400;

/// Of each centre: the desk's token and some patients.
pub struct Desks {
    /// One per centre.
    pub tokens: Vec<String>,
    /// Some per centre.
    pub patients: Vec<Vec<String>>,
}

impl Desks {
    /// Logs in everywhere.
    pub async fn open(address: std::net::SocketAddr, data: &Data) -> Result<Self> {
        let mut desks = Self { tokens: Vec::new(), patients: Vec::new() };
        for centre in &data.centres {
            let mut desk = Desk::open(address, &centre.slug).await?;
            let day = data.full_day(0);
            desks.patients.push(patients(&desk.call(agenda::DAY, &agenda::variables(centre, day, day)).await?)?);
            desks.tokens.push(desk.token);
        }
        Ok(desks)
    }

    /// The request that books this slot.
    pub fn request(&self, data: &Data, slot: Slot, number: usize) -> Option<Vec<u8>> {
        let (centre, token) = (data.centres.get(slot.centre)?, self.tokens.get(slot.centre)?);
        let patients = self.patients.get(slot.centre)?;
        let patient = patients.get(number % patients.len())?;
        Some(http::graphql(Some(token), BOOK, &slot.variables(centre, patient)))
    }
}

/// Measures it.
pub async fn run(bench: &Bench<'_>, data: &mut Data) -> Result<Measurement> {
    let mut slots = Slots::open(data, bench.folder)?;
    let (scripts, statements) = record(bench, data, &mut slots).await?;
    let floor = Pgbench::new(&bench.folder.join("booking"), bench.program.app_url(), &scripts)?;
    let node = bench.program.serve(&[], &[]).await?;
    let desks = Desks::open(node.address, data).await?;
    let mut next = || slots.take().and_then(|slot| desks.request(data, slot, slots.used()));
    let (clients, time) = (bench.clients, bench.scale.time());
    let mut floor_runs = data.floor_runs;
    let mut rounds = Rounds::default();
    let bar = say::bar("booking", bench.scale.rounds);
    closed_loop(node.address, clients, time / 2, &mut next).await?;
    for _ in 0..bench.scale.rounds {
        let ours = closed_loop(node.address, clients, time, &mut next).await?;
        if let Some(complaint) = &ours.complaint {
            say::note(&format!("a booking was refused: {complaint}"));
        }
        floor_runs += 1;
        rounds.add(&ours, &floor.run(clients, time, floor_runs).await?);
        bar.inc(1);
    }
    bar.finish();
    node.stop().await?;
    slots.close()?;
    data.floor_runs = floor_runs;
    data.save(bench.folder)?;
    let (ours, theirs) = rounds.medians();
    let finding = Finding::at_least(
        "booking",
        rate(ours, &rounds.our_latencies),
        rate(theirs, &rounds.floor_latencies),
        ratio(ours, theirs),
        0.4,
    );
    let statements: Vec<&str> = statements.iter().map(|one| one.sql.as_str()).collect();
    let figures = json!({"clients": clients, "rounds": rounds.figures(), "statements": statements});
    Ok(Measurement { findings: vec![finding], figures })
}

/// The statements of a booking in each centre, as scripts that book another time in each transaction.
async fn record(bench: &Bench<'_>, data: &Data, slots: &mut Slots) -> Result<(Vec<Script>, Vec<Statement>)> {
    let recorder = Recorder::start(bench.cluster, bench.program).await?;
    let desks = Desks::open(recorder.node.address, data).await?;
    let mut admin = bench.cluster.connect().await?;
    let (mut scripts, mut last) = (Vec::new(), Vec::new());
    let bar = say::bar("recording a booking's statements", data.centres.len());
    for (number, centre) in data.centres.iter().enumerate() {
        let mut seen: Vec<(Slot, Vec<Statement>)> = Vec::new();
        let patient = desks.patients.get(number).and_then(|patients| patients.first());
        let patient = patient.ok_or_else(|| Fail::new("a centre without patients"))?;
        // The first shows what is new in every booking, the second what it then takes.
        while seen.len() < 2 {
            let slot = slots.take().ok_or_else(|| Fail::new("no free slots are left; fill anew"))?;
            if slot.centre != number {
                continue;
            }
            let mut desk = Desk::open(recorder.node.address, &centre.slug).await?;
            desk.call(agenda::DAY, &agenda::variables(centre, slot.day, slot.day)).await?;
            let variables = slot.variables(centre, patient);
            seen.push((slot, recorder.record(desk.call(BOOK, &variables)).await?.1));
        }
        if let [(_, first), (slot, second)] = seen.as_slice() {
            let varied = varied(*slot, first, second);
            scripts.push(Script::of(&mut admin, &centre.schema, &number.to_string(), second, &varied).await?);
            last = second.clone();
        }
        bar.inc(1);
    }
    bar.finish();
    recorder.stop().await?;
    Ok((scripts, last))
}

/// Ids of this booking alone, and the times of its slot in every way they are written.
fn varied(slot: Slot, first: &[Statement], second: &[Statement]) -> Vec<Varied> {
    let mut varied: Vec<Varied> = new_words(first, second).iter().map(|word| Varied::id(word)).collect();
    let minutes = TimeDelta::minutes(i64::try_from(slot.minute).unwrap_or_default());
    let local = slot.day.and_time(NaiveTime::MIN) + minutes;
    for at in [local, local + TimeDelta::minutes(30)] {
        let utc = at + TimeDelta::hours(5);
        for (time, ours, theirs) in [
            (utc, "%Y-%m-%d %H:%M:%S+00", "f_instant"),
            (utc, "%Y-%m-%dT%H:%M:%SZ", "f_json"),
            (at, "%Y-%m-%d %H:%M:%S", "f_wall"),
        ] {
            let start = (time + TimeDelta::days(BEHIND)).format("%Y-%m-%d %H:%M:%S").to_string();
            varied.push(Varied::time(&time.format(ours).to_string(), theirs, &start, 30));
        }
    }
    varied
}
