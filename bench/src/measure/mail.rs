//! JE-02 and JE-07: many reminders due in one second, until the last is handed over, with bookings beside; then bookings
//! with and without mails in turn.

use std::time::{Duration, Instant};

use futures::future::try_join;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _};

use super::{Bench, booking::Desks, sink::Sink, slots::Slots};
use crate::{
    fail::{Fail, Result},
    fill::Data,
    load::closed_loop,
    report::{Finding, Measurement},
    say,
    stats::{Latencies, median, ratio, round},
};

/// From the due second until the last mail.
const BOUND: f64 = 300.0;
/// Of the booking's p95.
const BOOKING_BOUND: f64 = 1.1;
/// Clients that book one after another: how long somebody waits is asked, not how much the machine can do.
const DESKS: usize = 2;
/// What a worker begins as it is configured by itself.
const MAILS_PER_SECOND: u64 = 100;
/// The pause between two mails that says that no more will come.
const SILENCE: Duration = Duration::from_secs(30);

/// Measures it.
pub async fn run(bench: &Bench<'_>, data: &Data) -> Result<Measurement> {
    let sink = Sink::start().await?;
    let smtp = format!("smtp://{}", sink.address);
    let node = bench.program.serve(&[], &[]).await?;
    let desks = Desks::open(node.address, data).await?;
    let mut slots = Slots::open(data, bench.folder)?;
    let mut number = slots.used();
    let mut next = || {
        number += 1;
        slots.take().and_then(|slot| desks.request(data, slot, number))
    };
    let time = bench.scale.time();
    closed_loop(node.address, DESKS, time / 2, &mut next).await?;

    // Where API and worker share a machine, the worker comes second (docs/operations.md).
    let worker = bench.program.second().serve(&[("SMTP_URL", &smtp)], &["--with-worker"]).await?;
    let (count, due) = put_in(bench, data, bench.scale.reminders).await?;
    say::note(&format!("{count} reminders are due in five seconds"));
    tokio::time::sleep_until(due.into()).await;
    let book = async {
        while sink.read(|taken| taken.copies.len()) < count && due.elapsed() < Duration::from_secs(600) {
            closed_loop(node.address, DESKS, Duration::from_secs(1), &mut next).await?;
        }
        Ok(())
    };
    try_join(book, sink.wait(count, SILENCE)).await?;
    let (first, last, repeated) = sink.read(|taken| {
        let since = |at: Option<Instant>| at.map_or(0.0, |at| at.saturating_duration_since(due).as_secs_f64());
        let repeated: usize = taken.copies.values().map(|copies| copies - 1).sum();
        (since(taken.first), since(taken.last), repeated)
    });

    // In turns: the machine's own moods last longer than a round.
    let (mut quiet, mut busy) = (Latencies::default(), Latencies::default());
    let (mut quiet_p95, mut busy_p95) = (Vec::new(), Vec::new());
    let (window, mut sent) = (time * 2, count);
    let bar = say::bar("booking with and without mails", bench.scale.rounds);
    for _ in 0..bench.scale.rounds {
        let alone = closed_loop(node.address, DESKS, window, &mut next).await?.complete()?.latencies;
        // As many as the worker begins in that time, and a few more.
        let wanted = MAILS_PER_SECOND * (window.as_secs() + 1);
        let (added, due) = put_in(bench, data, wanted.try_into()?).await?;
        sent += added;
        tokio::time::sleep_until(due.into()).await;
        let beside = closed_loop(node.address, DESKS, window, &mut next).await?.complete()?.latencies;
        sink.wait(sent, SILENCE).await?;
        for (all, p95, one) in [(&mut quiet, &mut quiet_p95, alone), (&mut busy, &mut busy_p95, beside)] {
            all.extend(&one);
            p95.push(one.summary().p95_ms);
        }
        bar.inc(1);
    }
    bar.finish();
    worker.stop().await?;
    node.stop().await?;
    slots.close()?;

    let mails = Finding::at_most(
        &format!("{count} reminders due in one second"),
        format!("first after {first:.1} s, {:.0}/s", count as f64 / last.max(0.001)),
        String::new(),
        round(last),
        BOUND,
        " s",
    );
    let (during, before) = (median(&busy_p95), median(&quiet_p95));
    let booking = Finding::at_most(
        "booking while mails go out, two desks",
        format!("p95 {during:.1} ms"),
        format!("p95 {before:.1} ms without"),
        ratio(during, before),
        BOOKING_BOUND,
        "",
    );
    let side = |p95: &[f64], all: &Latencies| json!({"p95_ms": p95, "latency": all.summary()});
    let figures = json!({
        "seconds": round(last), "first": round(first), "repeated": repeated,
        "quiet": side(&quiet_p95, &quiet), "busy": side(&busy_p95, &busy),
    });
    Ok(Measurement { findings: vec![mails, booking], figures })
}

/// Reminders of filled appointments, due in five seconds, with their jobs: as the sweep writes them, but more than two
/// days hold. How many, and when they are due.
async fn put_in(bench: &Bench<'_>, data: &Data, wanted: i64) -> Result<(usize, Instant)> {
    let each = wanted / i64::try_from(data.centres.len()).unwrap_or(1);
    let mut admin = bench.cluster.connect().await?;
    // Confirmations of earlier bookings are not what is measured.
    sqlx::raw_sql("DELETE FROM queue.jobs WHERE kind = 'mail.send'").execute(&mut admin).await?;
    // One second for all, however long it takes to put them in.
    let due = Instant::now() + Duration::from_secs(5);
    let due_at: String =
        sqlx::query_scalar("SELECT (now() + interval '5 seconds')::text").fetch_one(&mut admin).await?;
    let mut count = 0;
    for centre in &data.centres {
        let schema = &centre.schema;
        let sql = format!(
            "WITH wanted AS (
                 SELECT a.id, a.start_at, a.revision, p.email FROM {schema}.appointments a JOIN {schema}.patients p ON p.id = a.patient_id
                 WHERE a.start_at > now() + interval '2 hours' AND a.status = 'BOOKED' ORDER BY a.start_at LIMIT {each}
             ), put AS (
                 INSERT INTO {schema}.email_messages (id, kind, dedup_key, recipient, status, due_at, expires_at, message_id, related_id,
                     revision, created_at, updated_at)
                 SELECT gen_random_uuid(), 'APPOINTMENT_REMINDER', 'bench:' || gen_random_uuid(), email, 'SCHEDULED',
                     '{due_at}', start_at, '<' || gen_random_uuid() || '@bench>', id, revision, now(), now() FROM wanted
                 RETURNING id, due_at
             )
             INSERT INTO queue.jobs (tenant_id, kind, dedup_key, payload, due_at)
             SELECT t.id, 'mail.send', put.id::text, jsonb_build_object('email_id', put.id), put.due_at
             FROM put, catalogue.tenants t WHERE t.slug = '{}'",
            centre.slug
        );
        count += sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await?.rows_affected();
    }
    admin.close().await?;
    let count = usize::try_from(count)?;
    if count == 0 { Err(Fail::new("no appointments to remind of")) } else { Ok((count, due)) }
}
