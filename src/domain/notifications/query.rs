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
        page::{Page, PageRequest, Statements, counting},
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
    let values = |page: &PageRequest<EmailKey>| {
        let (at, id) = page.from.unzip();
        [
            filter.kind.map(EmailKind::as_str).into(),
            filter.status.map(EmailStatus::as_str).into(),
            filter.related_id.into(),
            filter.due.map(|range| range.0).into(),
            filter.due.map(|range| range.1).into(),
            branches(actor).into(),
            at.into(),
            id.into(),
            page.fetch().into(),
            sees_accounts(actor).into(),
        ]
    };
    let tx = cx.read(actor).await?;
    let found: Page<EmailRow> = page.read(&tx, LIST, values).await?;
    if found.rows.is_empty() {
        Named::default().one(Thing::Appointment, filter.related_id, "filter.relatedId").require(&tx, actor).await?;
    }
    tx.commit().await?;
    found.try_map(EmailMessage::try_from)
}

/// Whose password was asked for is nobody's business but theirs who administer users.
fn sees_accounts(actor: &Actor) -> bool {
    actor.may(Permission::UserAdmin, Scope::Centre)
}

macro_rules! email_select {
    ($($rest:expr),+) => {
        concat!(
            "SELECT m.id, m.kind, m.dedup_key, m.recipient, m.subject, m.status, m.scheduled_local, m.time_zone, m.due_at, m.sent_at,
                 m.message_id, m.attempts, m.last_error, m.related_id
             FROM email_messages m WHERE ",
            $($rest),+
        )
    };
}

/// Mails about appointments in these branches (null: about anything).
macro_rules! in_branches {
    ($branches:literal) => {
        concat!(
            "(",
            $branches,
            "::uuid[] IS NULL OR EXISTS (SELECT 1 FROM appointments a WHERE a.id = m.related_id AND a.branch_id = ANY (",
            $branches,
            ")))"
        )
    };
}

/// Mails about accounts only when the parameter says so.
macro_rules! accounts_if {
    ($seen:literal) => {
        concat!("(", $seen, " OR m.kind NOT IN ('INVITE', 'PASSWORD_RESET'))")
    };
}

macro_rules! emails_page {
    ($beyond:literal, $order:literal) => {
        email_select!(
            "($1::text IS NULL OR m.kind = $1) AND ($2::text IS NULL OR m.status = $2) AND ($3::uuid IS NULL OR m.related_id = $3)
                 AND ($4::timestamptz IS NULL OR m.due_at >= $4) AND ($5::timestamptz IS NULL OR m.due_at < $5) AND ",
            in_branches!("$6"),
            " AND ",
            accounts_if!("$10"),
            " AND ($7::timestamptz IS NULL OR (m.due_at, m.id) ",
            $beyond,
            " ($7, $8)) ORDER BY ",
            $order,
            " LIMIT $9"
        )
    };
}

const LIST: Statements = Statements {
    forwards: emails_page!("<", "m.due_at DESC, m.id DESC"),
    backwards: emails_page!(">", "m.due_at, m.id"),
    count: counting!(emails_page!("<", "m.due_at DESC, m.id DESC")),
};

/// The mails with these ids that the caller may see, in no order: the same as in the list.
///
/// # Errors
/// When the caller may not see mails; faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<EmailMessage>, Failure> {
    require_read(actor)?;
    let sql = email_select!("m.id = ANY ($1) AND ", in_branches!("$2"), " AND ", accounts_if!("$3"));
    let rows: Vec<EmailRow> = tx.all(sql, [ids.into(), branches(actor).into(), sees_accounts(actor).into()]).await?;
    rows.into_iter().map(EmailMessage::try_from).collect()
}

/// The mails about these appointments that the caller may see, in order of their due time, in one statement.
///
/// # Errors
/// When the caller may not see mails; faults of the database.
pub async fn of_appointments(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<EmailMessage>, Failure> {
    require_read(actor)?;
    let sql = email_select!("m.related_id = ANY ($1) AND ", in_branches!("$2"), " ORDER BY m.due_at, m.id");
    let rows: Vec<EmailRow> = tx.all(sql, [ids.into(), branches(actor).into()]).await?;
    rows.into_iter().map(EmailMessage::try_from).collect()
}

/// One mail, unchecked: the caller has just been allowed to see it.
pub(super) async fn find_unchecked(tx: &TenantTx, id: Uuid) -> Result<Option<EmailMessage>, Failure> {
    let row: Option<EmailRow> = tx.find(email_select!("m.id = $1"), [id.into()]).await?;
    row.map(EmailMessage::try_from).transpose()
}
