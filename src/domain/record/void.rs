//! Gives a draft up. It stays in the record, as what was given up, and why.

use serde_json::json;
use uuid::Uuid;

use super::{
    access, amend, entry, facts,
    model::{Entry, EntryStatus},
    sign, values,
};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        centre::check::Check,
        change::{Change, Changes},
        cx::Cx,
        refusal::{Code, Failure, Refusal},
        sealing::TenantKeys,
    },
};

/// Gives it up: its author does, or who may read records and sign.
///
/// # Errors
/// An entry that is no draft (any more), a stale version, no reason, an unknown id, a missing permission, a centre that
/// keeps no records, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid, version: i32, reason: &str) -> Result<Entry, Failure> {
    actor.require(Permission::RecordWrite, Scope::Anywhere)?;
    let person = access::person(actor)?;
    let mut check = Check::default();
    let reason = amend::required_reason(&mut check, reason);
    check.done()?;
    let tx = cx.write(actor).await?;
    access::require_kept(&tx).await?;
    let row = sign::lock(&tx, actor, id, version, EntryStatus::Voided).await?;
    if row.author_id != person {
        if !actor.may(Permission::RecordSign, Scope::Anywhere) {
            let message = "a draft is given up by who began it, or by who may sign";
            return Err(Refusal::new(Code::Forbidden, message).at("id").into());
        }
        // The answer shows what it says.
        actor.require(Permission::RecordRead, Scope::Anywhere)?;
    }
    let before = facts::entry(&entry::one(cx, &tx, actor, id).await?);
    let keys = TenantKeys::to_seal(cx, &tx).await?;
    let sealed = keys.seal(&values::own_place(id, "void_reason_sealed"), reason.as_bytes())?;
    tx.run(
        "UPDATE record_entries SET status = 'VOIDED', voided_at = $2, voided_by = $3, void_reason_sealed = $4, version = version + 1,
             updated_at = $2 WHERE id = $1 AND status = 'DRAFT'",
        [id.into(), cx.now().into(), person.into(), sealed.into()],
    )
    .await?;
    let after = entry::one(cx, &tx, actor, id).await?;
    let change = Change {
        data: json!({ "patientId": after.patient }),
        before: Some(before),
        after: Some(facts::entry(&after)),
        ..Change::event("record.voided", "voidRecordEntry", "RecordEntry", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(after)
}
