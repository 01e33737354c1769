//! AG-08: the week of a centre with a long past, beside that of one with a short past and the same weeks.

use chrono::Days;
use serde_json::json;

use super::{Bench, agenda::shown, agenda::variables};
use crate::{
    centre::{Centre, Desk},
    fail::{Fail, Result},
    fill::Data,
    http,
    load::closed_loop,
    report::{Finding, Measurement},
    say,
    stats::{Latencies, median, ratio},
};

/// A week with appointments, what is blocked and what is free.
const WEEK: &str = "query($branch: ID!, $from: LocalDate!, $to: LocalDate!) {
  agenda(branchId: $branch, from: $from, to: $to, groupBy: PROFESSIONAL) {
    cursor
    columns {
      resource { id name color }
      appointments { id code status start end patient { id givenNames paternalSurname } items { treatment { id name } room { id name } } }
      blocks { id kind reason }
      free { start end }
    }
  }
}";

/// The slower may take so much longer.
const BOUND: f64 = 1.2;

/// Measures it. One connection: it is the latency that a person waits for.
pub async fn run(bench: &Bench<'_>, data: &Data) -> Result<Measurement> {
    let node = bench.program.serve(&[], &[]).await?;
    let mut sides = Vec::new();
    for centre in [&data.long, &data.short] {
        sides.push(requests(node.address, data, centre).await?);
    }
    let [(long, in_long), (short, in_short)] = sides.as_slice() else {
        return Err(Fail::new("two centres are compared"));
    };
    if in_long != in_short || *in_long == 0 {
        return Err(Fail::new(format!("the weeks differ: {in_long} and {in_short} appointments")));
    }
    let time = bench.scale.time();
    let (mut of_long, mut of_short) = (Latencies::default(), Latencies::default());
    let (mut p95_long, mut p95_short) = (Vec::new(), Vec::new());
    let bar = say::bar("week of a long and a short past", bench.scale.rounds);
    for round in 0..=bench.scale.rounds {
        for (requests, all, p95) in [(long, &mut of_long, &mut p95_long), (short, &mut of_short, &mut p95_short)] {
            let mut turn = 0;
            let next = || {
                turn += 1;
                requests.get(turn % requests.len()).cloned()
            };
            let run = closed_loop(node.address, 1, time, next).await?.complete()?;
            // The first round warms caches up.
            if round > 0 {
                all.extend(&run.latencies);
                p95.push(run.latencies.summary().p95_ms);
            }
        }
        bar.inc(u64::from(round > 0));
    }
    bar.finish();
    node.stop().await?;
    let (slow, fast) = (median(&p95_long), median(&p95_short));
    let (past, less) = (bench.scale.long_history, bench.scale.short_history);
    let finding = Finding::at_most(
        &format!("week of {in_long} appointments, {past} past ones against {less}"),
        format!("p95 {slow:.1} ms"),
        format!("p95 {fast:.1} ms"),
        ratio(slow, fast),
        BOUND,
        "",
    );
    let figures = json!({
        "long": {"past": past, "p95_ms": p95_long, "latency": of_long.summary()},
        "short": {"past": less, "p95_ms": p95_short, "latency": of_short.summary()},
    });
    Ok(Measurement { findings: vec![finding], figures })
}

/// Requests for this week and the next, and how many appointments the first shows.
async fn requests(address: std::net::SocketAddr, data: &Data, centre: &Centre) -> Result<(Vec<Vec<u8>>, usize)> {
    let mut desk = Desk::open(address, &centre.slug).await?;
    let weeks = [1_u64, 7].map(|ahead| (data.today + Days::new(ahead), data.today + Days::new(ahead + 6)));
    let mut first = 0;
    let mut requests = Vec::new();
    for (from, to) in weeks {
        let variables = variables(centre, from, to);
        first = first.max(shown(&desk.call(WEEK, &variables).await?));
        requests.push(http::graphql(Some(&desk.token), WEEK, &variables));
    }
    Ok((requests, first))
}
