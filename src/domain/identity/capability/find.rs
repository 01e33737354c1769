//! Finds tokens by their ids, for who may issue them: the rule of [`super::authorise`], for many at once.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{Capability, Purpose, Subject, authorise::shows_calendar};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{agenda::visibility::Sight, refusal::Failure},
};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    purpose: String,
    resource_id: Uuid,
    max_uses: i32,
    uses: i32,
    expires_at: DateTime<Utc>,
    revoked: bool,
    appointment_branch: Option<Uuid>,
    opens_branch: bool,
    opens_resource: bool,
}

impl Row {
    /// What it opens, if the caller may let somebody open it.
    fn subject(&self, actor: &Actor, purpose: Purpose) -> Option<Subject> {
        let id = self.resource_id;
        match purpose {
            Purpose::AppointmentManage | Purpose::AppointmentConfirm => {
                let branch = self.appointment_branch?;
                actor.may(Permission::AgendaWrite, Scope::Branch(branch)).then_some(Subject::Appointment(id))
            }
            Purpose::CalendarFeed => {
                let of_what = if self.opens_branch {
                    Subject::Branch(id)
                } else if self.opens_resource {
                    Subject::Resource(id)
                } else {
                    return None;
                };
                shows_calendar(actor, of_what).then_some(of_what)
            }
            _ => None,
        }
    }
}

/// The tokens with these ids that the caller may issue, in no order.
///
/// # Errors
/// FORBIDDEN without a permission on the agenda; faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Capability>, Failure> {
    let sight = Sight::of(actor, Scope::Anywhere)?;
    let rows: Vec<Row> = tx
        .all(
            "SELECT t.id, t.purpose, t.resource_id, t.max_uses, t.uses, t.expires_at, t.revoked_at IS NOT NULL AS revoked,
                 (SELECT a.branch_id FROM appointments a WHERE a.id = t.resource_id AND ($2::uuid[] IS NULL OR a.branch_id = ANY ($2))
                     AND ($3::uuid IS NULL OR EXISTS (SELECT 1 FROM occupancies o WHERE o.appointment_id = a.id AND o.resource_id = $3))
                 ) AS appointment_branch,
                 EXISTS (SELECT 1 FROM branches b WHERE b.id = t.resource_id) AS opens_branch,
                 EXISTS (SELECT 1 FROM resources r WHERE r.id = t.resource_id) AS opens_resource
             FROM capability_tokens t WHERE t.id = ANY ($1)",
            [ids.into(), sight.branches_value(), sight.own.into()],
        )
        .await?;
    let token = |row: Row| {
        let purpose = Purpose::parse(&row.purpose)?;
        let subject = row.subject(actor, purpose)?;
        let Row { id, max_uses, uses, expires_at, revoked, .. } = row;
        Some(Capability { id, purpose, subject, max_uses, uses, expires_at, revoked })
    };
    Ok(rows.into_iter().filter_map(token).collect())
}
