//! Mails to be written: the rows, and the jobs that will send them, in one statement.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{EmailKind, calendar_domain, message_id};
use crate::{
    db::{Tenant, TenantTx},
    domain::{cx::Cx, refusal::Failure},
};

/// One mail, as JSON for the statement.
#[derive(Debug, Serialize)]
pub(super) struct NewEmail {
    id: Uuid,
    kind: &'static str,
    pub(super) dedup_key: String,
    recipient: String,
    scheduled_local: Option<NaiveDateTime>,
    time_zone: Option<&'static str>,
    due_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    message_id: String,
    related_id: Uuid,
    revision: i32,
    previous_start: Option<DateTime<Utc>>,
}

/// What the mails of one appointment have in common.
pub(super) struct About<'a> {
    pub cx: &'a Cx,
    pub domain: String,
    pub appointment: Uuid,
    pub revision: i32,
    /// Nothing about an appointment is sent once it has started.
    pub start: DateTime<Utc>,
}

impl<'a> About<'a> {
    pub(super) fn new(cx: &'a Cx, tenant: &Tenant, appointment: Uuid, revision: i32, start: DateTime<Utc>) -> Self {
        Self { cx, domain: calendar_domain(cx, tenant), appointment, revision, start }
    }

    pub(super) fn email(&self, kind: EmailKind, dedup_key: String, recipient: &str, due_at: DateTime<Utc>) -> NewEmail {
        NewEmail {
            id: self.cx.new_id(),
            kind: kind.as_str(),
            message_id: message_id(&dedup_key, &self.domain),
            dedup_key,
            recipient: recipient.trim().to_lowercase(),
            scheduled_local: None,
            time_zone: None,
            due_at,
            expires_at: self.start,
            related_id: self.appointment,
            revision: self.revision,
            previous_start: None,
        }
    }
}

impl NewEmail {
    /// Its row.
    pub(super) fn id(&self) -> Uuid {
        self.id
    }

    /// A mail about a user's account, at once.
    pub(super) fn about_account(
        kind: EmailKind,
        id: Uuid,
        user: Uuid,
        recipient: &str,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        domain: &str,
    ) -> Self {
        let dedup_key = format!("account:{}:{id}", kind.as_str().to_lowercase());
        Self {
            id,
            kind: kind.as_str(),
            message_id: message_id(&dedup_key, domain),
            dedup_key,
            recipient: recipient.trim().to_lowercase(),
            scheduled_local: None,
            time_zone: None,
            due_at: now,
            expires_at,
            related_id: user,
            revision: 0,
            previous_start: None,
        }
    }

    /// The wall time that the due instant was computed from.
    pub(super) fn at_local(mut self, local: NaiveDateTime, zone: chrono_tz::Tz) -> Self {
        self.scheduled_local = Some(local);
        self.time_zone = Some(zone.name());
        self
    }

    /// When the appointment was before a move.
    pub(super) fn moved_from(mut self, previous: DateTime<Utc>) -> Self {
        self.previous_start = Some(previous);
        self
    }
}

/// As the statements take them, with the request that causes them.
pub(super) fn json(tx: &TenantTx, emails: &[NewEmail]) -> Result<serde_json::Value, Failure> {
    #[derive(Serialize)]
    struct Caused<'a> {
        #[serde(flatten)]
        email: &'a NewEmail,
        request_id: Option<&'a str>,
    }
    let request_id = tx.cause();
    let emails: Vec<Caused<'_>> = emails.iter().map(|email| Caused { email, request_id }).collect();
    serde_json::to_value(emails).map_err(|error| Failure::fault(error.to_string()))
}

/// Reads mails from `$1` as the relation `input`.
macro_rules! input_emails {
    () => {
        "WITH input AS (
             SELECT * FROM jsonb_to_recordset($1) AS x (
                 id uuid, kind text, dedup_key text, recipient text, scheduled_local timestamp, time_zone text, due_at timestamptz,
                 expires_at timestamptz, message_id text, related_id uuid, revision integer, previous_start timestamptz,
                 request_id text)
         )"
    };
}
pub(super) use input_emails;

/// Writes the mails of the relation `chosen` and enqueues their jobs, or those of another relation like `put`. `$2` is the
/// present.
///
/// A key that exists already and has not been sent is scheduled anew (an appointment that moved away and back, an address
/// that was corrected); one that was sent, or is just being sent, stays as it is.
macro_rules! put_chosen_emails {
    () => {
        put_chosen_emails!("put")
    };
    ($enqueued:literal) => {
        concat!(
            ", put AS (
             INSERT INTO email_messages AS m (id, kind, dedup_key, recipient, status, scheduled_local, time_zone, due_at,
                 expires_at, message_id, related_id, revision, previous_start, request_id, created_at, updated_at)
             SELECT id, kind, dedup_key, recipient,
                 CASE WHEN EXISTS (SELECT 1 FROM suppressions s WHERE s.email = recipient) THEN 'SUPPRESSED' ELSE 'SCHEDULED' END,
                 scheduled_local, time_zone, due_at, expires_at, message_id, related_id, revision, previous_start,
                 request_id, $2, $2
             FROM chosen
             ON CONFLICT (dedup_key) DO UPDATE
                 SET recipient = EXCLUDED.recipient, status = EXCLUDED.status, scheduled_local = EXCLUDED.scheduled_local,
                     time_zone = EXCLUDED.time_zone, due_at = EXCLUDED.due_at, expires_at = EXCLUDED.expires_at,
                     revision = EXCLUDED.revision, request_id = EXCLUDED.request_id, updated_at = EXCLUDED.updated_at
                 WHERE m.status IN ('SCHEDULED', 'CANCELLED', 'EXPIRED', 'SUPPRESSED')
                     AND (m.status, m.due_at, m.expires_at, m.revision, m.recipient)
                         IS DISTINCT FROM (EXCLUDED.status, EXCLUDED.due_at, EXCLUDED.expires_at, EXCLUDED.revision, EXCLUDED.recipient)
             RETURNING m.id, m.status, m.due_at, m.scheduled_local, m.time_zone, m.request_id
         )
         SELECT queue.enqueue('mail.send', id::text, jsonb_build_object('email_id', id)
             || CASE WHEN request_id IS NULL THEN '{}' ELSE jsonb_build_object('cause', jsonb_build_object('request_id', request_id)) END,
             due_at, 0::smallint, time_zone, scheduled_local::date, scheduled_local::time)::text
         FROM ",
            $enqueued,
            " WHERE status = 'SCHEDULED'"
        )
    };
}
pub(super) use put_chosen_emails;

/// Writes mails and their jobs.
pub(super) async fn put(cx: &Cx, tx: &TenantTx, emails: &[NewEmail]) -> Result<(), Failure> {
    if emails.is_empty() {
        return Ok(());
    }
    tx.run(
        concat!(input_emails!(), ", chosen AS (SELECT * FROM input)", put_chosen_emails!()),
        [json(tx, emails)?.into(), cx.now().into()],
    )
    .await?;
    Ok(())
}
