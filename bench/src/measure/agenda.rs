//! The day agenda of a branch, over HTTP, beside the same SQL through `pgbench`.

use serde_json::{Value, json};

use super::{Bench, Rounds, rate, spread};
use crate::{
    centre::{Centre, Desk},
    fail::{Fail, Result},
    fill::Data,
    floor::{Pgbench, Recorder, Script, Statement},
    http,
    load::closed_loop,
    report::{Finding, Measurement},
    say,
    stats::ratio,
};

/// What a screen of the desk asks for.
pub const DAY: &str = "query($branch: ID!, $from: LocalDate!, $to: LocalDate!) {
  agenda(branchId: $branch, from: $from, to: $to, groupBy: PROFESSIONAL) {
    cursor
    columns {
      resource { id name color }
      appointments {
        id code status start end localStart
        patient { id givenNames paternalSurname }
        items { treatment { id name } professional { id name } room { id name } }
      }
    }
  }
}";

/// Days of each centre that are asked for.
const DAYS: usize = 1;

/// Variables of [`DAY`].
pub fn variables(centre: &Centre, from: chrono::NaiveDate, to: chrono::NaiveDate) -> Value {
    json!({"branch": centre.branch, "from": from, "to": to})
}

/// How many appointments an agenda shows.
pub fn shown(answer: &Value) -> usize {
    let columns = answer.pointer("/agenda/columns").and_then(Value::as_array);
    let of = |column: &Value| column.get("appointments").and_then(Value::as_array).map_or(0, Vec::len);
    columns.into_iter().flatten().map(of).sum()
}

/// Measures it.
pub async fn run(bench: &Bench<'_>, data: &Data) -> Result<Measurement> {
    let asked = spread(data, DAYS);
    let (scripts, statements, shown) = record(bench, data, &asked).await?;
    let floor = Pgbench::new(&bench.folder.join("agenda"), bench.program.app_url(), &scripts)?;

    let node = bench.program.serve(&[], &[]).await?;
    let mut tokens = Vec::new();
    for centre in &data.centres {
        tokens.push(Desk::open(node.address, &centre.slug).await?.token);
    }
    let requests: Vec<Vec<u8>> = asked
        .iter()
        .filter_map(|(centre, day)| {
            let (one, token) = (data.centres.get(*centre)?, tokens.get(*centre)?);
            Some(http::graphql(Some(token), DAY, &variables(one, *day, *day)))
        })
        .collect();
    let mut turn = 0;
    let mut next = || {
        turn += 1;
        requests.get(turn % requests.len()).cloned()
    };
    let (clients, time) = (bench.clients, bench.scale.time());
    closed_loop(node.address, clients, time / 2, &mut next).await?.complete()?;
    let mut rounds = Rounds::default();
    let bar = say::bar("day agenda", bench.scale.rounds);
    for _ in 0..bench.scale.rounds {
        let ours = closed_loop(node.address, clients, time, &mut next).await?.complete()?;
        rounds.add(&ours, &floor.run(clients, time, 0).await?);
        bar.inc(1);
    }
    bar.finish();
    node.stop().await?;
    let (ours, theirs) = rounds.medians();
    let finding = Finding::at_least(
        &format!("day agenda, {shown} appointments"),
        rate(ours, &rounds.our_latencies),
        rate(theirs, &rounds.floor_latencies),
        ratio(ours, theirs),
        0.5,
    );
    let statements: Vec<&str> = statements.iter().map(|one| one.sql.as_str()).collect();
    let figures = json!({"clients": clients, "rounds": rounds.figures(), "statements": statements});
    Ok(Measurement { findings: vec![finding], figures })
}

/// The statements of each request, as scripts; those of one of them; how many appointments it shows.
async fn record(
    bench: &Bench<'_>,
    data: &Data,
    asked: &[(usize, chrono::NaiveDate)],
) -> Result<(Vec<Script>, Vec<Statement>, usize)> {
    let recorder = Recorder::start(bench.cluster, bench.program).await?;
    let mut admin = bench.cluster.connect().await?;
    let mut scripts = Vec::new();
    let mut last = None;
    let bar = say::bar("recording the agenda's statements", asked.len());
    for (number, (centre, day)) in asked.iter().enumerate() {
        let Some(centre) = data.centres.get(*centre) else { continue };
        let mut desk = Desk::open(recorder.node.address, &centre.slug).await?;
        // Once for what the node then keeps for some seconds: who the caller is.
        desk.call(DAY, &variables(centre, *day, *day)).await?;
        let (answer, statements) = recorder.record(desk.call(DAY, &variables(centre, *day, *day))).await?;
        scripts.push(Script::of(&mut admin, &centre.schema, &number.to_string(), &statements, &[]).await?);
        last = Some((statements, shown(&answer)));
        bar.inc(1);
    }
    bar.finish();
    recorder.stop().await?;
    let (statements, shown) = last.ok_or_else(|| Fail::new("no agenda was recorded"))?;
    Ok((scripts, statements, shown))
}
