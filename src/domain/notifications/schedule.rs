//! What booking, moving and cancelling an appointment mean for its mails. Called inside the transaction that does it.
//!
//! One statement each, whatever the appointment: booking speed is what people feel.

use chrono::{DateTime, Duration, Utc};
use uuid::Uuid;

use super::{
    EmailKind,
    put::{About, NewEmail, input_emails, json, put, put_chosen_emails},
    reminders,
};
use crate::{
    db::TenantTx,
    domain::{centre::model::Branch, cx::Cx, refusal::Failure},
};

/// Changes of one appointment within this time become one mail.
const COALESCING: Duration = Duration::seconds(60);

/// So long before the appointment a confirmation is there, if the branch's delay leaves no more.
const CONFIRMED_BEFORE: Duration = Duration::hours(1);

/// What the mails of an appointment depend on.
#[derive(Clone, Debug)]
pub struct AppointmentTimes {
    /// Which appointment.
    pub id: Uuid,
    /// Its revision, after the change.
    pub revision: i32,
    /// Its start, after the change.
    pub start: DateTime<Utc>,
    /// Its start before it was moved; only a move needs it.
    pub previous_start: Option<DateTime<Utc>>,
    /// Whether a move changed its time alone: who, where and what are as they were.
    pub only_time_changed: bool,
    /// Where the patient's mails go; none: nobody is written to.
    pub patient_email: Option<String>,
    /// Whether the booking is to be confirmed by mail.
    pub send_confirmation: bool,
    /// When it was booked.
    pub booked_at: DateTime<Utc>,
}

/// When a confirmation is due at the latest: an hour before the appointment, or at once.
fn latest_confirmation(start: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
    now.max(start - CONFIRMED_BEFORE)
}

/// A booking: the confirmation and the centre's copies after the branch's delay, earlier where the appointment is near, and
/// the reminder if it falls into the next 48 hours.
///
/// # Errors
/// Faults of the database.
pub async fn on_booked(cx: &Cx, tx: &TenantTx, branch: &Branch, a: &AppointmentTimes) -> Result<(), Failure> {
    let about = About::new(cx, tx.tenant(), a.id, a.revision, a.start);
    let due = latest_confirmation(a.start, a.booked_at).min(a.booked_at + branch.confirmation_delay);
    let mut emails: Vec<NewEmail> = Vec::new();
    if let Some(to) = a.patient_email.as_deref() {
        if a.send_confirmation {
            let key = format!("confirm:{}:{}", a.id, a.revision);
            emails.push(about.email(EmailKind::AppointmentConfirmation, key, to, due));
        }
        emails.extend(reminders::reminder(&about, branch, to, a.booked_at));
    }
    for to in &branch.copy_confirmations_to {
        let key = format!("copy:{}:{}:{}", a.id, a.revision, to.to_lowercase());
        emails.push(about.email(EmailKind::CentreCopy, key, to, due));
    }
    // The same address twice in the branch's settings is one copy.
    emails.sort_by(|one, other| one.dedup_key.cmp(&other.dedup_key));
    emails.dedup_by(|one, other| one.dedup_key == other.dedup_key);
    put(cx, tx, &emails).await
}

/// A move. A confirmation that still waits goes out once with the new data and says enough; otherwise, if `notify`,
/// the patient is told of the move, and several moves in a minute are one mail. Who is about to be told of a move is told
/// of where a quiet one leads, and of nothing once it is back where the patient knows it to be. The reminder follows the
/// new date; one that is late already still goes out after a quiet move within its day, because nothing else tells of it.
///
/// # Errors
/// A fault without `previous_start`; faults of the database.
pub async fn on_rescheduled(
    cx: &Cx,
    tx: &TenantTx,
    branch: &Branch,
    a: &AppointmentTimes,
    notify: bool,
) -> Result<(), Failure> {
    let now = cx.now();
    let about = About::new(cx, tx.tenant(), a.id, a.revision, a.start);
    let mut emails = Vec::new();
    if let Some(to) = a.patient_email.as_deref() {
        emails.extend(reminders::reminder(&about, branch, to, now));
        let previous = a.previous_start.ok_or_else(|| Failure::fault("a move without the time before it"))?;
        // The key says whether the time is all that is new.
        let word = if a.only_time_changed { "resched" } else { "changed" };
        let key = format!("{word}:{}:{}", a.id, a.revision);
        let email = about.email(EmailKind::AppointmentRescheduled, key, to, now + COALESCING);
        emails.push(email.moved_from(previous));
    }
    let keys: Vec<String> = emails.iter().map(|email| email.dedup_key.clone()).collect();
    let kept = (!notify).then(|| reminders::key_of_day(&about, branch));
    tx.run(
        concat!(
            input_emails!(),
            ", moved AS (
                 UPDATE appointments SET moved_at = $2 WHERE id = $3
             ), waiting AS (
                 -- Waiting confirmations and copies take the new data with them, in time for it; waiting reminders of another
                 -- date and mails about an earlier move are overtaken.
                 UPDATE email_messages SET
                     status = CASE WHEN kind IN ('APPOINTMENT_CONFIRMATION', 'CENTRE_COPY') OR dedup_key = $8 THEN status ELSE 'CANCELLED' END,
                     due_at = CASE WHEN kind IN ('APPOINTMENT_CONFIRMATION', 'CENTRE_COPY') THEN least(due_at, $9) ELSE due_at END,
                     revision = $4, expires_at = $5, updated_at = $2
                 WHERE related_id = $3 AND status = 'SCHEDULED' AND dedup_key <> ALL ($6)
                 RETURNING id, kind, status, previous_start, due_at, scheduled_local, time_zone, request_id
             ), known AS (
                 -- The patient still knows the time before the move that no mail has told of yet.
                 SELECT min(previous_start) AS start FROM waiting WHERE kind = 'APPOINTMENT_RESCHEDULED'
             ), chosen AS (
                 SELECT id, i.kind, dedup_key, recipient, scheduled_local, time_zone, due_at, expires_at, message_id, related_id,
                     revision, CASE WHEN i.previous_start IS NOT NULL THEN coalesce(known.start, i.previous_start) END AS previous_start,
                     request_id
                 FROM input i CROSS JOIN known
                 WHERE i.kind <> 'APPOINTMENT_RESCHEDULED'
                     OR (($7 OR known.start IS NOT NULL)
                         AND NOT EXISTS (SELECT 1 FROM waiting WHERE waiting.kind = 'APPOINTMENT_CONFIRMATION')
                         -- Back where the patient knows it to be, and nothing else has changed untold: nothing to tell.
                         AND NOT (coalesce(known.start, i.previous_start) = $5 AND i.dedup_key LIKE 'resched:%' AND NOT EXISTS (
                             SELECT 1 FROM email_messages m
                             WHERE m.related_id = $3 AND m.kind = 'APPOINTMENT_RESCHEDULED'
                                 AND m.dedup_key NOT LIKE 'resched:%' AND m.status IN ('SCHEDULED', 'CANCELLED'))))
             )",
            put_chosen_emails!(
                "(SELECT * FROM put
                  UNION ALL SELECT id, status, due_at, scheduled_local, time_zone, request_id FROM waiting
                  WHERE kind IN ('APPOINTMENT_CONFIRMATION', 'CENTRE_COPY') AND due_at = $9) enqueued"
            ),
            " UNION ALL SELECT queue.cancel('mail.send', array_agg(id::text))::text FROM waiting WHERE status = 'CANCELLED'"
        ),
        [
            json(tx, &emails)?.into(),
            now.into(),
            a.id.into(),
            a.revision.into(),
            a.start.into(),
            keys.into(),
            notify.into(),
            kept.into(),
            latest_confirmation(a.start, now).into(),
        ],
    )
    .await?;
    Ok(())
}

/// A cancellation: what waits is dropped, and the patient is told, unless nothing was ever sent about the appointment:
/// then there is nothing to take back. Who has not been told of a move yet is told of the time that they know. With `asked`, the patient waits to hear of a request, and is told in any case.
///
/// # Errors
/// Faults of the database.
pub async fn on_cancelled(cx: &Cx, tx: &TenantTx, a: &AppointmentTimes, asked: bool) -> Result<(), Failure> {
    let now = cx.now();
    let about = About::new(cx, tx.tenant(), a.id, a.revision, a.start);
    let mut emails = Vec::new();
    if let Some(to) = a.patient_email.as_deref().filter(|_| a.start > now) {
        let key = format!("cancel:{}:{}", a.id, a.revision);
        emails.push(about.email(EmailKind::AppointmentCancelled, key, to, now + COALESCING));
    }
    tx.run(
        concat!(
            input_emails!(),
            ", dropped AS (
                 UPDATE email_messages SET status = 'CANCELLED', updated_at = $2
                 WHERE related_id = $3 AND status = 'SCHEDULED' RETURNING id, kind, previous_start
             ), known AS (
                 SELECT min(previous_start) AS start FROM dropped WHERE kind = 'APPOINTMENT_RESCHEDULED'
             ), chosen AS (
                 SELECT id, i.kind, dedup_key, recipient, scheduled_local, time_zone, due_at, expires_at, message_id, related_id,
                     revision, known.start AS previous_start, request_id
                 FROM input i CROSS JOIN known
                 -- One that this statement saw waiting and yet could not drop is being handed over at this moment.
                 WHERE $4 OR EXISTS (
                     SELECT 1 FROM email_messages m
                     WHERE m.related_id = $3 AND m.kind <> 'CENTRE_COPY' AND m.status IN ('SCHEDULED', 'SENDING', 'SENT', 'DELIVERED')
                         AND m.id NOT IN (SELECT id FROM dropped))
             )",
            put_chosen_emails!(),
            " UNION ALL SELECT queue.cancel('mail.send', array_agg(id::text))::text FROM dropped"
        ),
        [json(tx, &emails)?.into(), now.into(), a.id.into(), asked.into()],
    )
    .await?;
    Ok(())
}
