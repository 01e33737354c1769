//! Begins the entry that will stand in the place of a signed one. It has the form and the values of that one, and what is
//! given besides; the signed one stays as it is, and counts as amended once this one is signed.

use uuid::Uuid;

use super::{
    access,
    draft::{self, Amendment, NewDraft, Writing},
    entry,
    model::{Entry, EntryStatus},
    save, values,
};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        centre::check::Check,
        change::Changes,
        cx::Cx,
        refusal::{Failure, Refusal},
        sealing::TenantKeys,
    },
};

/// Longest reason.
pub(super) const MAX_REASON: usize = 1_000;

/// Begins it.
///
/// # Errors
/// An entry that is not signed or is being amended already, values that do not fit, unknown ids, a missing permission, a
/// centre that keeps no records, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid, writing: Writing, reason: &str) -> Result<Entry, Failure> {
    actor.require(Permission::RecordWrite, Scope::Anywhere)?;
    // The draft takes over what the signed entry says, whoever wrote that.
    actor.require(Permission::RecordRead, Scope::Anywhere)?;
    let author = access::person(actor)?;
    let mut check = Check::default();
    let reason = required_reason(&mut check, reason);
    check.done()?;
    let tx = cx.write(actor).await?;
    access::require_kept(&tx).await?;
    let writing = draft::about_the_kept(&tx, actor, writing).await?;
    draft::require_appointment(&tx, &writing).await?;
    let amended = entry::locked(&tx, id).await?.ok_or_else(|| Refusal::not_found("id"))?;
    if !draft::is_same_person(&tx, writing.patient, amended.patient_id).await? {
        return Err(Refusal::not_found("id").into());
    }
    EntryStatus::parse(&amended.status)?.go(EntryStatus::Amended)?;
    let form = (amended.template_id, "an amendment keeps the form of what it amends");
    draft::require_form(&tx, actor, &writing, form).await?;
    let sealed = values::sealed(&tx, vec![id]).await?;
    let keys = TenantKeys::to_seal(cx, &tx).await?;
    let before = values::opened(&keys, sealed)?.remove(&id).unwrap_or_default();
    let drafted = draft::merged(actor, &amended.template()?, values::read(&before)?, &writing)?;
    // The same visit, unless another one is named.
    let writing = Writing { appointment: writing.appointment.or(amended.appointment_id), ..writing };
    let new = NewDraft {
        id: cx.new_id(),
        writing: &writing,
        template_version: amended.template_version,
        author,
        amendment: Some(Amendment { of: id, reason: &reason }),
        at: cx.now(),
    };
    let draft = new.id;
    draft::insert(&tx, &keys, new).await?;
    let listed = draft::listed(&tx, id).await?;
    draft::write(&tx, actor, &keys, draft, (&writing, &drafted), listed).await?;
    let after = entry::one(cx, &tx, actor, draft).await?;
    cx.commit(tx, Changes::one(actor, save::saved("amendRecordEntry", None, &after))).await?;
    Ok(after)
}

/// A reason that is there.
pub(super) fn required_reason(check: &mut Check, reason: &str) -> String {
    let reason = check.paragraph("reason", reason, MAX_REASON);
    if reason.is_empty() {
        check.add(Refusal::required("reason", "say why"));
    }
    reason
}
