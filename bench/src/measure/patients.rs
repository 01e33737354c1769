//! Searching patients in a centre with many, over HTTP, beside the same SQL through `pgbench`.

use serde_json::{Value, json};

use super::{Bench, Rounds, rate};
use crate::{
    centre::Desk,
    fail::Result,
    fill::{Data, people},
    floor::{Pgbench, Recorder, Script},
    http,
    load::closed_loop,
    report::{Finding, Measurement},
    say,
    stats::ratio,
};

/// What the list of patients at the desk asks for.
const SEARCH: &str = "query($text: String) {
  patients(filter: {text: $text}, first: 20) {
    nodes { id fileNumber givenNames paternalSurname maternalSurname document { number } email phones category { name } }
    pageInfo { hasNextPage endCursor }
  }
}";

/// What is typed: what it is called, and some of it.
fn cases(patients: i64) -> [(&'static str, Vec<Value>); 4] {
    let some = |text: fn(i64) -> String| {
        (1..=8_i64).map(|part| json!({"text": text(part * patients / 9)})).collect::<Vec<_>>()
    };
    [
        ("a frequent surname", vec![json!({"text": "gonzález"}), json!({"text": "GONZALEZ"})]),
        ("a rare surname", some(people::rare)),
        ("a telephone number", some(people::phone)),
        ("the list's first page", vec![json!({"text": null})]),
    ]
}

/// Measures it.
pub async fn run(bench: &Bench<'_>, data: &Data) -> Result<Measurement> {
    let (centre, patients) = (&data.short, bench.scale.searched);
    people::fill(bench.cluster, centre, patients).await?;
    let mut measurement = Measurement { findings: Vec::new(), figures: json!({}) };
    for (number, (what, asked)) in cases(patients).into_iter().enumerate() {
        let recorder = Recorder::start(bench.cluster, bench.program).await?;
        let mut admin = bench.cluster.connect().await?;
        let (mut scripts, mut sql) = (Vec::new(), Vec::new());
        for (at, variables) in asked.iter().enumerate() {
            let mut desk = Desk::open(recorder.node.address, &centre.slug).await?;
            // Once for what the node then keeps for some seconds: who the caller is.
            desk.call(SEARCH, variables).await?;
            let (_, statements) = recorder.record(desk.call(SEARCH, variables)).await?;
            scripts.push(Script::of(&mut admin, &centre.schema, &at.to_string(), &statements, &[]).await?);
            sql = statements.into_iter().map(|one| one.sql).collect();
        }
        recorder.stop().await?;
        let folder = bench.folder.join(format!("patients-{number}"));
        let floor = Pgbench::new(&folder, bench.program.app_url(), &scripts)?;

        let node = bench.program.serve(&[], &[]).await?;
        let desk = Desk::open(node.address, &centre.slug).await?;
        let requests: Vec<Vec<u8>> =
            asked.iter().map(|variables| http::graphql(Some(&desk.token), SEARCH, variables)).collect();
        let mut turn = 0;
        let mut next = || {
            turn += 1;
            requests.get(turn % requests.len()).cloned()
        };
        let (clients, time) = (bench.clients, bench.scale.time());
        closed_loop(node.address, clients, time / 2, &mut next).await?.complete()?;
        let mut rounds = Rounds::default();
        let bar = say::bar(what, bench.scale.rounds);
        for _ in 0..bench.scale.rounds {
            let ours = closed_loop(node.address, clients, time, &mut next).await?.complete()?;
            rounds.add(&ours, &floor.run(clients, time, 0).await?);
            bar.inc(1);
        }
        bar.finish();
        node.stop().await?;
        let (ours, theirs) = rounds.medians();
        measurement.findings.push(Finding::at_least(
            &format!("{what} among {patients} patients"),
            rate(ours, &rounds.our_latencies),
            rate(theirs, &rounds.floor_latencies),
            ratio(ours, theirs),
            0.3,
        ));
        if let Some(figures) = measurement.figures.as_object_mut() {
            figures.insert(what.to_owned(), json!({"clients": clients, "rounds": rounds.figures(), "statements": sql}));
        }
    }
    Ok(measurement)
}
