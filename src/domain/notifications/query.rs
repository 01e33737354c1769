//! Reads of mails.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::model::{EmailKind, EmailMessage, EmailRow, EmailStatus};
use crate::{
    auth::{Actor, Denied, Permission, Scope},
    db::TenantTx,
    domain::{
        cx::Cx,
        known::{Named, Thing},
        page::{Page, PageRequest},
        refusal::{Failure, Refusal},
    },
};

/// Which mails.
#[derive(Clone, Debug, Default)]
pub struct EmailFilter {
    /// Of this kind.
    pub kind: Option<EmailKind>,
    /// In this state.
    pub status: Option<EmailStatus>,
    /// About this appointment.
    pub related_id: Option<Uuid>,
    /// Due in this half-open range.
    pub due: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

/// Key of the list's order: `(due, id)`, latest first.
pub type EmailKey = (DateTime<Utc>, Uuid);

/// Whoever sees the agenda or the mailings sees what was sent.
///
/// # Errors
/// [`Denied`].
pub fn require_read(actor: &Actor) -> Result<(), Denied> {
    if actor.may(Permission::CrmRead, Scope::Anywhere) {
        return Ok(());
    }
    actor.require(Permission::AgendaRead, Scope::Anywhere)
}

/// The caller's branches, as the statements take them; none: every branch.
fn branches(actor: &Actor) -> Option<Vec<Uuid>> {
    actor.branches.as_ref().map(|branches| branches.to_vec())
}

/// A page of mails, latest due first.
///
/// # Errors
/// When the caller may not see mails; a range that ends before it starts; faults of the database.
pub async fn list(
    cx: &Cx,
    actor: &Actor,
    filter: &EmailFilter,
    page: &PageRequest<EmailKey>,
) -> Result<Page<EmailMessage>, Failure> {
    require_read(actor)?;
    if filter.due.is_some_and(|(from, to)| to <= from) {
        return Err(Refusal::invalid("filter.range.to", "a range must end after it starts").into());
    }
    let tx = cx.read(actor).await?;
    let sql = if page.backwards { SELECT_BACKWARDS } else { SELECT_FORWARDS };
    let rows: Vec<EmailRow> = tx
        .all(
            sql,
            [
                filter.kind.map(EmailKind::as_str).into(),
                filter.status.map(EmailStatus::as_str).into(),
                filter.related_id.into(),
                filter.due.map(|range| range.0).into(),
                filter.due.map(|range| range.1).into(),
                branches(actor).into(),
                page.from.map(|key| key.0).into(),
                page.from.map(|key| key.1).into(),
                page.fetch().into(),
                // Whose password was asked for is nobody's business but theirs who administer users.
                actor.may(Permission::UserAdmin, Scope::Centre).into(),
            ],
        )
        .await?;
    if rows.is_empty() {
        Named::default().one(Thing::Appointment, filter.related_id, "filter.relatedId").require(&tx, actor).await?;
    }
    tx.commit().await?;
    let rows = rows.into_iter().map(EmailMessage::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok(page.page(rows))
}

macro_rules! email_select {
    ($rest:literal) => {
        concat!(
            "SELECT m.id, m.kind, m.dedup_key, m.recipient, m.subject, m.status, m.scheduled_local, m.time_zone, m.due_at, m.sent_at,
                 m.message_id, m.attempts, m.last_error, m.related_id
             FROM email_messages m WHERE ",
            $rest
        )
    };
}

macro_rules! list_select {
    ($rest:literal) => {
        concat!(
            email_select!(
                "($1::text IS NULL OR m.kind = $1) AND ($2::text IS NULL OR m.status = $2) AND ($3::uuid IS NULL OR m.related_id = $3)
                     AND ($4::timestamptz IS NULL OR m.due_at >= $4) AND ($5::timestamptz IS NULL OR m.due_at < $5)
                     AND ($6::uuid[] IS NULL OR EXISTS (
                         SELECT 1 FROM appointments a WHERE a.id = m.related_id AND a.branch_id = ANY ($6)))
                     AND ($10 OR m.kind NOT IN ('INVITE', 'PASSWORD_RESET'))"
            ),
            $rest
        )
    };
}

const SELECT_FORWARDS: &str = list_select!(
    " AND ($7::timestamptz IS NULL OR (m.due_at, m.id) < ($7, $8)) ORDER BY m.due_at DESC, m.id DESC LIMIT $9"
);
const SELECT_BACKWARDS: &str =
    list_select!(" AND ($7::timestamptz IS NULL OR (m.due_at, m.id) > ($7, $8)) ORDER BY m.due_at, m.id LIMIT $9");

/// The mails about these appointments that the caller may see, in order of their due time, in one statement.
///
/// # Errors
/// When the caller may not see mails; faults of the database.
pub async fn of_appointments(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<EmailMessage>, Failure> {
    require_read(actor)?;
    let rows: Vec<EmailRow> = tx
        .all(
            email_select!(
                "m.related_id = ANY ($1) AND ($2::uuid[] IS NULL OR EXISTS (
                     SELECT 1 FROM appointments a WHERE a.id = m.related_id AND a.branch_id = ANY ($2)))
                 ORDER BY m.due_at, m.id"
            ),
            [ids.into(), branches(actor).into()],
        )
        .await?;
    rows.into_iter().map(EmailMessage::try_from).collect()
}
