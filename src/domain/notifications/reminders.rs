//! Reminders: at the branch's reminder time of the local day of an appointment.
//!
//! Rows exist for the next 48 hours only and keep the wall time they were computed from, so a change of zone rules
//! moves them. Bookings within that horizon write their own; a sweep writes the rest.

use chrono::{DateTime, Duration, NaiveDate, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    EmailKind,
    content::AppointmentContent,
    put::{About, NewEmail, input_emails, json, put_chosen_emails},
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        centre::{model::Branch, query},
        cx::Cx,
        refusal::Failure,
        time::{ReminderTimes, reminder_due},
    },
};

/// How far ahead reminders are written.
pub const HORIZON: Duration = Duration::hours(48);

/// An early appointment is reminded of on the evening before, so it may start this much after the reminder is due.
const LONGEST_LEAD: Duration = Duration::hours(26);

/// How many appointments one transaction of a sweep looks at.
const BATCH: i64 = 500;

/// The reminder of an appointment, if there is one to write now. `known_at` is when its present time was made known:
/// a reminder that was due before then would repeat what was just said.
pub(super) fn reminder(about: &About<'_>, branch: &Branch, to: &str, known_at: DateTime<Utc>) -> Option<NewEmail> {
    let times = ReminderTimes { on_the_day: branch.reminder_local_time, ..ReminderTimes::default() };
    let due = reminder_due(branch.zone, about.start, times, known_at)?;
    if due.instant > about.cx.now() + HORIZON {
        return None;
    }
    let key = key(about.appointment, due.appointment_date);
    let email = about.email(EmailKind::AppointmentReminder, key, to, due.instant);
    Some(email.at_local(due.date.and_time(due.time), branch.zone))
}

/// The key of the reminder of the day that an appointment is on, whether or not there is one to write.
pub(super) fn key_of_day(about: &About<'_>, branch: &Branch) -> String {
    key(about.appointment, about.start.with_timezone(&branch.zone).date_naive())
}

fn key(appointment: Uuid, date: NaiveDate) -> String {
    format!("remind:{appointment}:{date}")
}

/// Whether the appointment is still on the day of which this reminder was written. One that was sent again by hand is of
/// whatever day there is.
pub(super) fn is_of_its_day(dedup_key: &str, content: &AppointmentContent) -> bool {
    let date = content.start.with_timezone(&content.branch_zone).date_naive();
    !dedup_key.starts_with("remind:") || dedup_key == key(content.appointment, date)
}

#[derive(FromQueryResult)]
struct Upcoming {
    id: Uuid,
    start_at: DateTime<Utc>,
    revision: i32,
    known_at: DateTime<Utc>,
    email: String,
}

/// Writes the reminders that the next 48 hours need and that are not there yet, in batches with a transaction each.
/// Returns how many appointments were looked at.
///
/// # Errors
/// When the actor may not, or the centre is closed; faults of the database.
pub async fn materialise(cx: &Cx, actor: &Actor) -> Result<usize, Failure> {
    actor.require(Permission::AgendaWrite, Scope::Centre)?;
    let tx = cx.read(actor).await?;
    // Also those that take no more bookings: what is booked there still lies ahead.
    let branches: Vec<Uuid> = tx.scalars("SELECT id FROM branches ORDER BY id", []).await?;
    tx.commit().await?;
    let mut seen = 0;
    for id in branches {
        let mut after = (cx.now(), Uuid::nil());
        loop {
            let tx = cx.write(actor).await?;
            // Held, so that its zone and reminder time are those of this batch whoever changes them meanwhile.
            let Some(branch) = query::hold_branch(&tx, id).await? else { break };
            let found = upcoming(cx, &tx, &branch, after, false).await?;
            write(cx, &tx, &branch, &found).await?;
            tx.commit().await?;
            seen += found.len();
            match found.last() {
                Some(last) if i64::try_from(found.len()).is_ok_and(|n| n == BATCH) => after = (last.start_at, last.id),
                _ => break,
            }
        }
    }
    Ok(seen)
}

/// Computes the waiting reminders of a branch again, after its zone, its reminder time or the zone's rules have
/// changed. Call it in the transaction that changes them, after the appointments have got their new instants.
///
/// # Errors
/// Faults of the database.
pub async fn recompute(cx: &Cx, tx: &TenantTx, branch: &Branch) -> Result<(), Failure> {
    // A reminder that is still right is written again below, under the same key and with the same job.
    tx.run(
        "WITH gone AS (
             UPDATE email_messages m SET status = 'CANCELLED', updated_at = $2
             FROM appointments a
             WHERE m.related_id = a.id AND a.branch_id = $1 AND m.kind = 'APPOINTMENT_REMINDER' AND m.status = 'SCHEDULED'
                 AND m.dedup_key LIKE 'remind:%'
             RETURNING m.id
         )
         SELECT queue.cancel('mail.send', array_agg(id::text)) FROM gone",
        [branch.id.into(), cx.now().into()],
    )
    .await?;
    let mut after = (cx.now(), Uuid::nil());
    loop {
        let found = upcoming(cx, tx, branch, after, true).await?;
        write(cx, tx, branch, &found).await?;
        match found.last() {
            Some(last) if i64::try_from(found.len()).is_ok_and(|n| n == BATCH) => after = (last.start_at, last.id),
            _ => return Ok(()),
        }
    }
}

async fn upcoming(
    cx: &Cx,
    tx: &TenantTx,
    branch: &Branch,
    after: (DateTime<Utc>, Uuid),
    again: bool,
) -> Result<Vec<Upcoming>, Failure> {
    Ok(tx
        .all(
            "SELECT a.id, a.start_at, a.revision, coalesce(a.moved_at, a.created_at) AS known_at, coalesce(p.email, a.contact_email) AS email
             FROM appointments a JOIN patients p ON p.id = a.patient_id
             WHERE a.branch_id = $1 AND (a.start_at, a.id) > ($2, $3) AND a.start_at <= $4
                 AND a.status IN ('BOOKED', 'CONFIRMED') AND coalesce(p.email, a.contact_email) IS NOT NULL AND p.status <> 'DECEASED'
                 AND ($5 OR NOT EXISTS (
                     SELECT 1 FROM email_messages m
                     WHERE m.related_id = a.id AND m.kind = 'APPOINTMENT_REMINDER' AND m.revision = a.revision
                         -- One that was sent again by hand does not stand for that of the day.
                         AND m.status <> 'CANCELLED' AND m.dedup_key LIKE 'remind:%'
                         -- Nor does one that was held back, once there is another address.
                         AND NOT (m.status = 'SUPPRESSED' AND m.recipient <> lower(coalesce(p.email, a.contact_email)))))
             ORDER BY a.start_at, a.id LIMIT $6",
            [
                branch.id.into(),
                after.0.into(),
                after.1.into(),
                (cx.now() + HORIZON + LONGEST_LEAD).into(),
                again.into(),
                BATCH.into(),
            ],
        )
        .await?)
}

async fn write(cx: &Cx, tx: &TenantTx, branch: &Branch, found: &[Upcoming]) -> Result<(), Failure> {
    let emails: Vec<NewEmail> = found
        .iter()
        .filter_map(|a| {
            let about = About::new(cx, tx.tenant(), a.id, a.revision, a.start_at);
            reminder(&about, branch, &a.email, a.known_at)
        })
        .collect();
    if emails.is_empty() {
        return Ok(());
    }
    tx.run(
        concat!(
            input_emails!(),
            ", chosen AS (
                 -- One that was changed since it was read, or is being changed now, has its reminder from who changes it, or
                 -- from the next sweep. The first that begin are enqueued first: they share their due time.
                 SELECT i.* FROM input i JOIN appointments a ON a.id = i.related_id
                 WHERE a.revision = i.revision AND a.status IN ('BOOKED', 'CONFIRMED')
                 ORDER BY i.expires_at, i.id FOR SHARE OF a SKIP LOCKED
             )",
            put_chosen_emails!()
        ),
        [json(tx, &emails)?.into(), cx.now().into()],
    )
    .await?;
    Ok(())
}
