//! JE-02 and JE-07: many reminders due in one second, until the last is handed over, and bookings meanwhile.

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
    stats::{Latencies, ratio, round},
};

/// From the due second until the last mail.
const BOUND: f64 = 300.0;
/// Of the booking's p95.
const BOOKING_BOUND: f64 = 1.1;
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
    // Two clients at the desk: how long somebody waits, not how much the machine can do.
    closed_loop(node.address, 2, time / 2, &mut next).await?;
    let mut quiet = closed_loop(node.address, 2, time * 2, &mut next).await?.latencies;

    // Where API and worker share a machine, the worker comes second (docs/operations.md).
    let worker = bench.program.second().serve(&[("SMTP_URL", &smtp)], &["--with-worker"]).await?;
    let count = put_in(bench, data).await?;
    say::note(&format!("{count} reminders are due in five seconds"));
    let due = Instant::now() + Duration::from_secs(5);
    tokio::time::sleep_until(due.into()).await;
    let busy = async {
        let mut busy = Latencies::default();
        while sink.read(|taken| taken.copies.len()) < count && due.elapsed() < Duration::from_secs(600) {
            busy.extend(&closed_loop(node.address, 2, Duration::from_secs(1), &mut next).await?.latencies);
        }
        Ok(busy)
    };
    let (busy, ()) = try_join(busy, sink.wait(count, SILENCE)).await?;
    let (first, last, repeated) = sink.read(|taken| {
        let since = |at: Option<Instant>| at.map_or(0.0, |at| at.saturating_duration_since(due).as_secs_f64());
        let repeated: usize = taken.copies.values().map(|copies| copies - 1).sum();
        (since(taken.first), since(taken.last), repeated)
    });
    worker.stop().await?;
    // Before and after, because the machine's own moods last longer than a few seconds.
    quiet.extend(&closed_loop(node.address, 2, time * 2, &mut next).await?.latencies);
    node.stop().await?;
    slots.close()?;

    let (before, during) = (quiet.summary(), busy.summary());
    let mails = Finding::at_most(
        &format!("{count} reminders due in one second"),
        format!("first after {first:.1} s, {:.0}/s", count as f64 / last.max(0.001)),
        String::new(),
        round(last),
        BOUND,
        " s",
    );
    let booking = Finding::at_most(
        "booking while they go out, two desks",
        format!("p95 {:.1} ms", during.p95_ms),
        format!("p95 {:.1} ms without", before.p95_ms),
        ratio(during.p95_ms, before.p95_ms),
        BOOKING_BOUND,
        "",
    );
    let figures =
        json!({"seconds": round(last), "first": round(first), "repeated": repeated, "quiet": before, "busy": during});
    Ok(Measurement { findings: vec![mails, booking], figures })
}

/// Reminders of filled appointments, due in five seconds, with their jobs: as the sweep writes them, but more than two
/// days hold.
async fn put_in(bench: &Bench<'_>, data: &Data) -> Result<usize> {
    let each = bench.scale.reminders / i64::try_from(data.centres.len()).unwrap_or(1);
    let mut admin = bench.cluster.connect().await?;
    // Confirmations of earlier bookings are not what is measured.
    sqlx::raw_sql("DELETE FROM queue.jobs WHERE kind = 'mail.send'").execute(&mut admin).await?;
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
                     now() + interval '5 seconds', start_at, '<' || gen_random_uuid() || '@bench>', id, revision, now(), now() FROM wanted
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
    if count == 0 { Err(Fail::new("no appointments to remind of")) } else { Ok(count) }
}
