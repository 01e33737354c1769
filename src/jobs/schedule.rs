//! Recurring work: at each tick of a schedule every centre gets a job, once, however many workers see the tick.
//!
//! Ticks are multiples of the interval since 1970. A worker that was away makes the present tick, not the missed ones:
//! sweeps catch up by themselves. A stuck run never holds the next tick up, because each tick has jobs of its own.

use std::collections::HashMap;

use chrono::{DateTime, Duration, TimeDelta, Utc};

use super::runners;
use crate::{
    db::{Db, DbError, TenantId, TenantStatus, Tick},
    domain::{cx::Cx, time::tzdata_version},
};

/// How long a tick is remembered.
const REMEMBERED: Duration = Duration::days(3);

/// How long a job that failed for good can be looked at.
const FAILED_KEPT: Duration = Duration::days(90);

/// Something that every centre needs again and again.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Its name, forever.
    pub name: &'static str,
    /// The job that each centre gets.
    pub kind: &'static str,
    /// How often.
    pub every: TimeDelta,
    /// The jobs of one tick start spread over this time.
    pub spread: TimeDelta,
}

/// How often is looked for centres that do not follow the present zone rules; the release is part of each tick's name.
const TIME_RULES: Schedule = Schedule {
    name: "tzdata",
    kind: runners::APPLY_TIME_RULES,
    every: TimeDelta::minutes(15),
    spread: TimeDelta::zero(),
};

/// Every schedule by which each centre gets a job.
pub const SCHEDULES: &[Schedule] = &[
    Schedule {
        name: "reminders.materialise",
        kind: runners::MATERIALISE_REMINDERS,
        every: TimeDelta::minutes(15),
        spread: TimeDelta::minutes(5),
    },
    Schedule {
        name: "events.prune",
        kind: runners::PRUNE_EVENTS,
        every: TimeDelta::days(1),
        spread: TimeDelta::hours(2),
    },
    Schedule {
        name: "receipts.prune",
        kind: runners::PRUNE_RECEIPTS,
        every: TimeDelta::hours(1),
        spread: TimeDelta::minutes(30),
    },
    Schedule {
        name: "ended.prune",
        kind: runners::PRUNE_ENDED,
        every: TimeDelta::days(1),
        spread: TimeDelta::hours(4),
    },
    Schedule {
        name: "files.sweep",
        kind: runners::SWEEP_FILES,
        every: TimeDelta::minutes(15),
        spread: TimeDelta::minutes(10),
    },
    Schedule {
        name: "files.orphans",
        kind: runners::REMOVE_ORPHANS,
        every: TimeDelta::days(1),
        spread: TimeDelta::hours(6),
    },
];

impl Schedule {
    /// The latest tick at `now`.
    #[must_use]
    pub fn tick(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let every = self.every.num_seconds().max(1);
        let seconds = now.timestamp().div_euclid(every) * every;
        DateTime::from_timestamp(seconds, 0).unwrap_or(now)
    }

    /// When a centre's job of this tick starts: always the same place within the spread.
    fn due(&self, tick: DateTime<Utc>, tenant: TenantId) -> DateTime<Utc> {
        let spread = u64::try_from(self.spread.num_seconds()).unwrap_or_default().max(1);
        let (_, low) = tenant.0.as_u64_pair();
        tick + TimeDelta::seconds(i64::try_from(low % spread).unwrap_or_default())
    }
}

/// The latest ticks a worker has seen, by schedule.
pub(super) type Seen = HashMap<&'static str, DateTime<Utc>>;

/// Enqueues the jobs of the present ticks in one cell, unless this or another worker has. Without `spread` all of them
/// are due at once.
pub(super) async fn enqueue_due(cx: &Cx, cell: &str, spread: bool, seen: &mut Seen) -> Result<(), DbError> {
    enqueue_time_rules(cx, cell, seen).await?;
    let now = cx.now();
    let new: Vec<(&Schedule, DateTime<Utc>)> = SCHEDULES
        .iter()
        .map(|schedule| (schedule, schedule.tick(now)))
        .filter(|(schedule, at)| seen.get(schedule.name) != Some(at))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    let tenants = active_tenants(&cx.db, cell).await?;
    for (schedule, at) in new {
        let due = |tenant| if spread { schedule.due(at, tenant) } else { at };
        let jobs = tenants.iter().map(|tenant| (*tenant, due(*tenant))).collect();
        cx.db.enqueue_tick(cell, &Tick { schedule: schedule.name.into(), at, kind: schedule.kind, jobs }).await?;
        seen.insert(schedule.name, at);
    }
    cx.db.prune_ticks(cell, now - REMEMBERED).await?;
    cx.db.prune_failed_jobs(cell, now - FAILED_KEPT).await
}

/// Makes this binary's zone rules the ones that every centre's future local times are to follow: of several releases,
/// as during a rolling deploy or after a step back, the one that started last decides.
pub(super) async fn adopt_time_rules(cx: &Cx) -> Result<(), DbError> {
    let ours = tzdata_version();
    let known = cx.db.time_rules().await?;
    if known.as_deref() == Some(ours) {
        return Ok(());
    }
    if let Some(theirs) = known {
        tracing::info!(
            tzdata.before = theirs,
            tzdata.now = ours,
            "The zone rules are others; future local times are computed again"
        );
    }
    cx.db.set_time_rules(ours, cx.now()).await
}

/// Gives the centres of a cell that do not follow these rules yet a job that computes their future again: at first all
/// of them, later who was closed or in maintenance then, and whose job failed.
async fn enqueue_time_rules(cx: &Cx, cell: &str, seen: &mut Seen) -> Result<(), DbError> {
    let (ours, at) = (tzdata_version(), TIME_RULES.tick(cx.now()));
    if seen.get(TIME_RULES.name) == Some(&at) {
        return Ok(());
    }
    // Otherwise another release has started since, and the two would undo each other's work.
    if cx.db.time_rules().await?.as_deref() == Some(ours) {
        let behind = cx.db.tenants_behind(cell, ours).await?;
        if !behind.is_empty() {
            let jobs = behind.into_iter().map(|tenant| (tenant, at)).collect();
            let schedule = format!("{} {ours}", TIME_RULES.name).into();
            cx.db.enqueue_tick(cell, &Tick { schedule, at, kind: TIME_RULES.kind, jobs }).await?;
        }
    }
    seen.insert(TIME_RULES.name, at);
    Ok(())
}

async fn active_tenants(db: &Db, cell: &str) -> Result<Vec<TenantId>, DbError> {
    let tenants = db.list_tenants().await?;
    let active = tenants.iter().filter(|tenant| tenant.cell == cell && tenant.status == TenantStatus::Active);
    Ok(active.map(|tenant| tenant.id).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn ticks_are_multiples_of_the_interval() {
        let schedule = SCHEDULES.iter().find(|schedule| schedule.name == "reminders.materialise").unwrap();
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(schedule.tick(at("2026-07-13T12:14:59Z")), at("2026-07-13T12:00:00Z"));
        assert_eq!(schedule.tick(at("2026-07-13T12:15:00Z")), at("2026-07-13T12:15:00Z"));
        let tenant = TenantId(uuid::Uuid::from_u128(u128::MAX));
        let due = schedule.due(at("2026-07-13T12:15:00Z"), tenant);
        assert!(due >= at("2026-07-13T12:15:00Z") && due < at("2026-07-13T12:20:00Z"));
    }

    #[test]
    fn every_schedule_spreads_within_its_interval_and_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = SCHEDULES.iter().map(|schedule| schedule.name).collect();
        assert_eq!(names.len(), SCHEDULES.len());
        assert!(SCHEDULES.iter().all(|schedule| schedule.spread < schedule.every));
    }
}
