//! What a branch's wall times mean when its zone, or the rules of its zone, have changed.
//!
//! A future appointment is a promise about the wall clock, so its wall time stays and its instant moves; so do blocks
//! and the jobs that follow the wall clock. What has begun is never touched.
//!
//! - A wall time in a gap shifts forward to the first instant behind it, and the appointment's wall time with it: the
//!   pair that people read stays one that exists.
//! - A wall time that exists twice means the first, unless the appointment already stood at the second.
//! - Appointments keep their length in elapsed time. All of a branch mostly shift by the same amount and cannot
//!   collide; around a change of the clock, or where a professional also works in a branch that did not move, they can.
//!   The one that starts earlier keeps the resource, the other is marked overbooked with a reason: nobody's appointment
//!   is lost, and somebody decides.

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;
use serde_json::json;
use uuid::Uuid;

use crate::{
    db::TenantTx,
    domain::{
        cx::Cx,
        identity::capability,
        refusal::Failure,
        time::{LocalResolution, day_start, job_instant, resolve},
    },
};

/// Why an appointment is overbooked that nobody overbooked.
const COLLISION: &str = "the branch's clock changed and it now collides with another appointment";

/// What moved.
#[derive(Clone, Debug, Default)]
pub struct Rezoned {
    /// Appointments whose instant is another now.
    pub appointments: Vec<Uuid>,
    /// Those of them that now collide and were marked overbooked.
    pub overbooked: Vec<Uuid>,
    /// Blocks and extra hours whose instants are others now.
    pub exceptions: Vec<Uuid>,
    /// How many waiting jobs are due at another instant.
    pub jobs: i32,
}

impl Rezoned {
    /// Whether everything is where it was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.appointments.is_empty() && self.exceptions.is_empty() && self.jobs == 0
    }

    /// What an event tells of it.
    #[must_use]
    pub fn event_data(&self) -> serde_json::Value {
        json!({
            "appointments": self.appointments,
            "overbooked": self.overbooked,
            "exceptions": self.exceptions,
            "jobs": self.jobs,
        })
    }
}

#[derive(FromQueryResult)]
struct AppointmentRow {
    id: Uuid,
    start_at: DateTime<Utc>,
    local_start: NaiveDateTime,
}

#[derive(FromQueryResult)]
struct OccupancyRow {
    appointment_id: Uuid,
    resource_id: Uuid,
    unit: i16,
    lower: DateTime<Utc>,
    upper: DateTime<Utc>,
    overbooked: bool,
}

#[derive(FromQueryResult)]
struct ExceptionRow {
    id: Uuid,
    local_start: NaiveDateTime,
    local_end: NaiveDateTime,
    lower: DateTime<Utc>,
    upper: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct MailRow {
    id: Uuid,
    scheduled_local: Option<NaiveDateTime>,
    due_at: DateTime<Utc>,
    related_id: Uuid,
    expires_at: Option<DateTime<Utc>>,
}

struct Shift {
    id: Uuid,
    by: TimeDelta,
    start: DateTime<Utc>,
    local_start: NaiveDateTime,
}

/// Gives everything that lies ahead in a branch the instants that its wall times have in `zone`. Writes no event: who
/// calls knows whether the zone was edited or its rules changed. The caller has the branch from [`lock_branches`], so that
/// no booking by the old zone slips in; the branch's own row is the caller's to update.
///
/// [`lock_branches`]: super::query::lock_branches
///
/// # Errors
/// Faults of the database; being chosen as a deadlock's victim is one, so call it from [`Cx::retrying`].
pub async fn recompute_branch(tx: &TenantTx, cx: &Cx, branch: Uuid, zone: Tz) -> Result<Rezoned, Failure> {
    let now = cx.now();
    let shifts = appointments(tx, branch, zone, now).await?;
    let moved: Vec<&Shift> = shifts.iter().filter(|shift| !shift.by.is_zero()).collect();
    let overbooked = occupancies(tx, &moved).await?;
    let exceptions = exceptions(tx, branch, zone, now).await?;
    let mails = mails(tx, &shifts, zone, now).await?;
    let links: Vec<capability::Moved> = moved
        .iter()
        .map(|shift| capability::Moved { appointment: shift.id, from: shift.start - shift.by, to: shift.start })
        .collect();
    capability::follow(tx, &links).await?;
    let about = mails.into_iter().chain(shifts.iter().map(|shift| shift.id)).chain([branch]).collect();
    let jobs = jobs(tx, about, zone).await?;
    Ok(Rezoned { appointments: moved.iter().map(|shift| shift.id).collect(), overbooked, exceptions, jobs })
}

/// The instant of an appointment's wall time. `at` is where it stood, and decides between two.
fn instant(zone: Tz, local: NaiveDateTime, at: DateTime<Utc>) -> DateTime<Utc> {
    match resolve(zone, local) {
        LocalResolution::Unique(only) => only.to_utc(),
        LocalResolution::Gap { next_valid } => next_valid.to_utc(),
        LocalResolution::Overlap { second, .. } if second == at => second.to_utc(),
        LocalResolution::Overlap { first, .. } => first.to_utc(),
    }
}

async fn appointments(tx: &TenantTx, branch: Uuid, zone: Tz, now: DateTime<Utc>) -> Result<Vec<Shift>, Failure> {
    let rows: Vec<AppointmentRow> = tx
        .all(
            "SELECT id, start_at, local_start FROM appointments WHERE branch_id = $1 AND start_at > $2 ORDER BY id FOR UPDATE",
            [branch.into(), now.into()],
        )
        .await?;
    let shifts: Vec<Shift> = rows
        .into_iter()
        .map(|row| {
            let start = instant(zone, row.local_start, row.start_at);
            Shift { id: row.id, by: start - row.start_at, start, local_start: start.with_timezone(&zone).naive_local() }
        })
        .collect();
    let input: Vec<_> = shifts
        .iter()
        .map(|shift| json!({ "id": shift.id, "start_at": shift.start, "by_s": shift.by.num_seconds(), "local_start": shift.local_start }))
        .collect();
    let input = serde_json::Value::Array(input);
    // The revision goes up with the instant, so that calendars take the new one over the old.
    tx.run(
        "UPDATE appointments a
         SET start_at = x.start_at, end_at = a.end_at + make_interval(secs => x.by_s), local_start = x.local_start, time_zone = $2,
             revision = revision + (x.by_s <> 0)::integer, version = version + 1, updated_at = $3
         FROM jsonb_to_recordset($1) AS x (id uuid, start_at timestamptz, by_s double precision, local_start timestamp)
         WHERE a.id = x.id AND (x.by_s <> 0 OR a.time_zone <> $2)",
        [input.clone().into(), zone.name().into(), now.into()],
    )
    .await?;
    tx.run(
        "UPDATE appointment_items i
         SET start_at = i.start_at + make_interval(secs => x.by_s), end_at = i.end_at + make_interval(secs => x.by_s)
         FROM jsonb_to_recordset($1) AS x (id uuid, by_s double precision)
         WHERE i.appointment_id = x.id AND x.by_s <> 0",
        [input.into()],
    )
    .await?;
    Ok(shifts)
}

/// Takes the occupancies out and puts them in again where they belong now, earliest first. Moved in place they would
/// collide with neighbours that have not moved yet.
async fn occupancies(tx: &TenantTx, moved: &[&Shift]) -> Result<Vec<Uuid>, Failure> {
    if moved.is_empty() {
        return Ok(Vec::new());
    }
    let by: std::collections::HashMap<Uuid, TimeDelta> = moved.iter().map(|shift| (shift.id, shift.by)).collect();
    let ids: Vec<Uuid> = moved.iter().map(|shift| shift.id).collect();
    let rows: Vec<OccupancyRow> = tx
        .all(
            "DELETE FROM occupancies WHERE appointment_id = ANY ($1) AND active
             RETURNING appointment_id, resource_id, unit, lower(during) AS lower, upper(during) AS upper, overbooked",
            [ids.into()],
        )
        .await?;
    let mut input: Vec<(DateTime<Utc>, serde_json::Value)> = rows
        .iter()
        .filter_map(|row| {
            let by = *by.get(&row.appointment_id)?;
            let value = json!({
                "appointment_id": row.appointment_id, "resource_id": row.resource_id, "unit": row.unit,
                "lower": row.lower + by, "upper": row.upper + by, "overbooked": row.overbooked,
            });
            Some((row.lower + by, value))
        })
        .collect();
    input.sort_by_key(|(lower, _)| *lower);
    let input = serde_json::Value::Array(input.into_iter().map(|(_, value)| value).collect());
    tx.run(
        "INSERT INTO occupancies (appointment_id, resource_id, unit, during, overbooked)
         SELECT appointment_id, resource_id, unit, tstzrange(lower, upper), overbooked
         FROM jsonb_to_recordset($1) AS x (appointment_id uuid, resource_id uuid, unit smallint, lower timestamptz, upper timestamptz, overbooked boolean)
         ORDER BY lower, appointment_id
         ON CONFLICT DO NOTHING",
        [input.clone().into()],
    )
    .await?;
    let collided: Vec<Uuid> = tx
        .scalars(
            "INSERT INTO occupancies (appointment_id, resource_id, unit, during, overbooked)
             SELECT appointment_id, resource_id, unit, tstzrange(lower, upper), true
             FROM jsonb_to_recordset($1) AS x (appointment_id uuid, resource_id uuid, unit smallint, lower timestamptz, upper timestamptz)
             WHERE NOT EXISTS (
                 SELECT 1 FROM occupancies o
                 WHERE o.appointment_id = x.appointment_id AND o.resource_id = x.resource_id AND o.unit = x.unit
                     AND o.during = tstzrange(x.lower, x.upper) AND o.active)
             RETURNING appointment_id",
            [input.into()],
        )
        .await?;
    let mut collided = collided;
    collided.sort_unstable();
    collided.dedup();
    if !collided.is_empty() {
        tx.run(
            "UPDATE appointments SET overbooked = true, overbook_reason = coalesce(overbook_reason, $2) WHERE id = ANY ($1)",
            [collided.clone().into(), COLLISION.into()],
        )
        .await?;
    }
    Ok(collided)
}

/// Blocks, holidays, extra hours. One that has begun keeps its beginning.
async fn exceptions(tx: &TenantTx, branch: Uuid, zone: Tz, now: DateTime<Utc>) -> Result<Vec<Uuid>, Failure> {
    let rows: Vec<ExceptionRow> = tx
        .all(
            "SELECT id, local_start, local_end, lower(during) AS lower, upper(during) AS upper
             FROM schedule_exceptions WHERE branch_id = $1 AND upper(during) > $2 ORDER BY id FOR UPDATE",
            [branch.into(), now.into()],
        )
        .await?;
    let mut moved = Vec::new();
    let mut input = Vec::new();
    for row in rows {
        let lower = match row.local_start.time() {
            _ if row.lower <= now => row.lower,
            NaiveTime::MIN => day_start(zone, row.local_start.date()),
            _ => instant(zone, row.local_start, row.lower),
        };
        // One that lies in a gap as a whole has no time left; a second keeps it visible and blocks nothing.
        let upper = last_instant(zone, row.local_end).max(lower + TimeDelta::seconds(1));
        if (lower, upper) != (row.lower, row.upper) {
            moved.push(row.id);
            input.push(json!({ "id": row.id, "lower": lower, "upper": upper }));
        }
    }
    if !moved.is_empty() {
        tx.run(
            "UPDATE schedule_exceptions e SET during = tstzrange(x.lower, x.upper)
             FROM jsonb_to_recordset($1) AS x (id uuid, lower timestamptz, upper timestamptz) WHERE e.id = x.id",
            [serde_json::Value::Array(input).into()],
        )
        .await?;
    }
    Ok(moved)
}

/// The end of a block: both of two hours lie before it, and nothing of a day that begins with it.
fn last_instant(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    if local.time() == NaiveTime::MIN {
        return day_start(zone, local.date());
    }
    match resolve(zone, local) {
        LocalResolution::Unique(at)
        | LocalResolution::Gap { next_valid: at }
        | LocalResolution::Overlap { second: at, .. } => at.to_utc(),
    }
}

/// Mails about the branch's future appointments that have not gone out. Returns all of them, moved or not.
async fn mails(tx: &TenantTx, shifts: &[Shift], zone: Tz, now: DateTime<Utc>) -> Result<Vec<Uuid>, Failure> {
    let by: std::collections::HashMap<Uuid, TimeDelta> = shifts.iter().map(|shift| (shift.id, shift.by)).collect();
    let ids: Vec<Uuid> = by.keys().copied().collect();
    let rows: Vec<MailRow> = tx
        .all(
            "SELECT id, scheduled_local, due_at, related_id, expires_at FROM email_messages
             WHERE related_id = ANY ($1) AND status = 'SCHEDULED' ORDER BY id FOR UPDATE",
            [ids.into()],
        )
        .await?;
    let input: Vec<_> = rows
        .iter()
        .map(|row| {
            let by = by.get(&row.related_id).copied().unwrap_or_default();
            // A mail without a wall time (a confirmation) follows elapsed time and stays.
            let due =
                row.scheduled_local.map_or(Some(row.due_at), |local| job_instant(zone, local.date(), local.time()));
            json!({
                "id": row.id, "due_at": due.unwrap_or(row.due_at), "expires_at": row.expires_at.map(|at| at + by),
                "local": row.scheduled_local.is_some(), "moved": !by.is_zero(),
            })
        })
        .collect();
    // The appointment's revision has gone up with its instant, and these mails speak of it as it is now.
    tx.run(
        "UPDATE email_messages m
         SET due_at = x.due_at, expires_at = x.expires_at, revision = m.revision + x.moved::integer,
             time_zone = CASE WHEN x.local THEN $2 ELSE m.time_zone END, updated_at = $3
         FROM jsonb_to_recordset($1) AS x (id uuid, due_at timestamptz, expires_at timestamptz, local boolean, moved boolean)
         WHERE m.id = x.id",
        [serde_json::Value::Array(input).into(), zone.name().into(), now.into()],
    )
    .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

async fn jobs(tx: &TenantTx, about: Vec<Uuid>, zone: Tz) -> Result<i32, Failure> {
    let waiting = tx.local_jobs_about(about).await?;
    let due: Vec<(i64, DateTime<Utc>)> = waiting
        .iter()
        .map(|job| (job.id, job_instant(zone, job.local_date, job.local_time).unwrap_or(job.due_at)))
        .collect();
    let same: Vec<(i64, DateTime<Utc>)> =
        due.iter().zip(&waiting).filter(|((_, due), job)| *due == job.due_at).map(|(due, _)| *due).collect();
    let other: Vec<(i64, DateTime<Utc>)> =
        due.iter().zip(&waiting).filter(|((_, due), job)| *due != job.due_at).map(|(due, _)| *due).collect();
    // The zone's name is written to both, only the moved ones are counted.
    tx.move_local_jobs(&same, zone.name()).await?;
    Ok(tx.move_local_jobs(&other, zone.name()).await?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_wall_time_keeps_its_words_and_moves_its_instant() {
        let local = "2026-07-15T08:00:00".parse().unwrap();
        let before = at("2026-07-15T12:00:00Z");
        assert_eq!(instant(Tz::America__Punta_Arenas, local, before), at("2026-07-15T11:00:00Z"));
        assert_eq!(instant(Tz::America__Santiago, local, before), before);
    }

    #[test]
    fn a_wall_time_in_a_gap_shifts_forward() {
        let local = "2026-09-06T00:30:00".parse().unwrap();
        assert_eq!(instant(Tz::America__Santiago, local, at("2026-09-06T03:30:00Z")), at("2026-09-06T04:00:00Z"));
    }

    #[test]
    fn of_two_hours_the_one_it_stood_at_stays_otherwise_the_first() {
        let local = "2026-04-04T23:30:00".parse().unwrap();
        let (first, second) = (at("2026-04-05T02:30:00Z"), at("2026-04-05T03:30:00Z"));
        assert_eq!(instant(Tz::America__Santiago, local, first), first);
        assert_eq!(instant(Tz::America__Santiago, local, second), second);
        assert_eq!(instant(Tz::America__Santiago, local, at("2026-04-05T04:30:00Z")), first);
    }
}
