//! Who may give a stranger access to what: only who may do there what the token lets its holder do.

use chrono::{DateTime, Utc};

use super::{Purpose, Subject};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        agenda::{
            appointment::{Wanted, load_appointments},
            visibility::Sight,
        },
        refusal::{Failure, Refusal},
    },
};

/// What the purpose needs anywhere at all.
pub(super) fn require(actor: &Actor, purpose: Purpose) -> Result<(), Failure> {
    use Permission as P;
    let permission = match purpose {
        Purpose::AppointmentManage | Purpose::AppointmentConfirm => P::AgendaWrite,
        Purpose::CalendarFeed => return Sight::of(actor, Scope::Anywhere).map(drop),
        Purpose::FileDownload | Purpose::DataAccess => P::RecordRead,
        Purpose::FileUpload => P::RecordWrite,
        Purpose::QuoteView => P::FinanceRead,
        Purpose::Unsubscribe => P::CrmSend,
        Purpose::PasswordReset | Purpose::Invite => P::UserAdmin,
    };
    Ok(actor.require(permission, Scope::Anywhere)?)
}

/// Checks the thing itself. Returns when the token ends by itself, if the thing has an end.
pub(super) async fn thing(
    tx: &TenantTx,
    actor: &Actor,
    purpose: Purpose,
    subject: Option<Subject>,
) -> Result<Option<DateTime<Utc>>, Failure> {
    let unseen = || Failure::from(Refusal::not_found("resourceId"));
    match (purpose, subject) {
        (Purpose::AppointmentManage | Purpose::AppointmentConfirm, Some(Subject::Appointment(id))) => {
            let sight = Sight::of(actor, Scope::Anywhere)?;
            let found = load_appointments(tx, vec![id], &sight, Wanted::default()).await?.pop().ok_or_else(unseen)?;
            actor.require(Permission::AgendaWrite, Scope::Branch(found.branch))?;
            Ok(Some(found.start))
        }
        (Purpose::CalendarFeed, Some(subject @ (Subject::Branch(id) | Subject::Resource(id)))) => {
            let sql = match subject {
                Subject::Branch(_) => "SELECT true FROM branches WHERE id = $1",
                _ => "SELECT true FROM resources WHERE id = $1",
            };
            let there: Option<bool> = tx.scalar(sql, [id.into()]).await?;
            there.filter(|_| shows_calendar(actor, subject)).map(|_| None).ok_or_else(unseen)
        }
        _ => Err(unseen()),
    }
}

/// Whether who calls sees all that a feed of this would show.
pub(super) fn shows_calendar(actor: &Actor, subject: Subject) -> bool {
    match subject {
        Subject::Branch(id) => actor.may(Permission::AgendaRead, Scope::Branch(id)),
        // A professional may work in branches that the caller does not see.
        Subject::Resource(id) => {
            let own = actor.professional == Some(id) && actor.may(Permission::AgendaReadOwn, Scope::Anywhere);
            own || actor.may(Permission::AgendaRead, Scope::Centre)
        }
        Subject::Appointment(_) => false,
    }
}
