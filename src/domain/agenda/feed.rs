//! The agenda of a branch, professional or room as a calendar that others subscribe to, by a capability token. The
//! address gets around (phones, backups, colleagues), so it tells what is done, when and where, and never for whom.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    db::{Sql, Tenant, TenantTx},
    domain::{
        cx::Cx,
        identity::capability::{self, Purpose, Subject, redeem},
        refusal::Failure,
    },
};

/// How far a calendar looks back …
const PAST: TimeDelta = TimeDelta::days(30);
/// … and ahead.
const FUTURE: TimeDelta = TimeDelta::days(180);

/// A calendar as it stands.
#[derive(Clone, Debug)]
pub struct Feed {
    /// Whose agenda it is.
    pub name: String,
    /// When it was read.
    pub read_at: DateTime<Utc>,
    /// What makes ids worldwide unique.
    pub id_domain: Arc<str>,
    /// Its appointments, by start; at most a few thousand.
    pub entries: Vec<Entry>,
}

/// One appointment.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Entry {
    /// The appointment.
    pub id: Uuid,
    /// Goes up when it is moved.
    pub revision: i32,
    /// The short code that is asked for on the telephone.
    pub code: String,
    /// Start.
    pub start_at: DateTime<Utc>,
    /// End.
    pub end_at: DateTime<Utc>,
    /// Name of the branch.
    pub branch: String,
    /// What is done.
    pub treatments: String,
}

macro_rules! entries_where {
    ($of:literal) => {
        concat!(
            "SELECT a.id, a.revision, a.code, a.start_at, a.end_at, b.name AS branch,
                 coalesce((SELECT string_agg(t.name, ', ' ORDER BY i.position) FROM appointment_items i JOIN treatments t ON t.id = i.treatment_id
                     WHERE i.appointment_id = a.id), '') AS treatments
             FROM appointments a JOIN branches b ON b.id = a.branch_id
             WHERE a.start_at >= $2 AND a.start_at < $3 AND a.status NOT IN ('HELD', 'CANCELLED', 'REJECTED', 'EXPIRED') AND ",
            $of,
            " ORDER BY a.start_at, a.id LIMIT 5000"
        )
    };
}

const OF_BRANCH: Sql = entries_where!("a.branch_id = $1");
const OF_RESOURCE: Sql = entries_where!(
    "a.id IN (SELECT o.appointment_id FROM occupancies o WHERE o.resource_id = $1 AND o.active AND o.during && tstzrange($2, $3))"
);

/// Reads the calendar that a token opens, which uses the token once.
///
/// # Errors
/// TOKEN_INVALID, TOKEN_USED, EXPIRED; TENANT_IN_MAINTENANCE, because a use cannot be counted then; faults.
pub async fn run(cx: &Cx, token: &str, request_id: &str) -> Result<Feed, Failure> {
    let tenant = capability::tenant_of(cx, token).await?.ok_or_else(|| capability::invalid(None))?;
    cx.retrying(|| attempt(cx, &tenant, token, request_id)).await
}

async fn attempt(cx: &Cx, tenant: &Arc<Tenant>, token: &str, request_id: &str) -> Result<Feed, Failure> {
    let now = cx.now();
    let tx = cx.write(&capability::holder(tenant, request_id)).await?;
    let taken = capability::take(&tx, token, &[Purpose::CalendarFeed], now).await?;
    let gone = || capability::invalid(Some(tenant.id));
    let subject = redeem::agenda(&tx, taken.resource_id).await?.ok_or_else(gone)?;
    let name = name(&tx, subject).await?.ok_or_else(gone)?;
    let of = match subject {
        Subject::Branch(_) => OF_BRANCH,
        Subject::Resource(_) | Subject::Appointment(_) => OF_RESOURCE,
    };
    let entries = tx.all(of, [subject.id().into(), (now - PAST).into(), (now + FUTURE).into()]).await?;
    tx.commit().await?;
    Ok(Feed { name, read_at: now, id_domain: Arc::clone(&cx.mail_domain), entries })
}

/// Who was deactivated has no calendar any more.
async fn name(tx: &TenantTx, subject: Subject) -> Result<Option<String>, Failure> {
    let sql = match subject {
        Subject::Branch(_) => "SELECT name FROM branches WHERE id = $1 AND active",
        Subject::Resource(_) | Subject::Appointment(_) => "SELECT name FROM resources WHERE id = $1 AND active",
    };
    Ok(tx.scalar(sql, [subject.id().into()]).await?)
}
