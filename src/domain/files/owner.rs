//! Who may add to whose files, and see them: a patient's are part of the record, the centre's own are for who brought
//! them.

use uuid::Uuid;

use super::Owner;
use crate::{
    auth::{Actor, ActorKind, Denied, Permission, Scope},
    db::TenantTx,
    domain::{
        patients::query::seen_by,
        refusal::{Failure, Refusal},
    },
};

/// What adding a file needs anywhere at all.
pub(super) fn require_write(actor: &Actor) -> Result<(), Denied> {
    actor.require(writes_by(actor), Scope::Anywhere)
}

/// By what the caller adds files, if by anything.
fn writes_by(actor: &Actor) -> Permission {
    if actor.may(Permission::PatientWrite, Scope::Anywhere) {
        Permission::PatientWrite
    } else {
        Permission::RecordWrite
    }
}

/// What seeing any file needs: to read records, or to change patients, whose own imports and exports one sees.
pub(super) fn require_own(actor: &Actor) -> Result<(), Denied> {
    if may_own(actor) { Ok(()) } else { actor.require(Permission::RecordRead, Scope::Anywhere) }
}

fn may_own(actor: &Actor) -> bool {
    [Permission::PatientWrite, Permission::RecordRead].iter().any(|one| actor.may(*one, Scope::Anywhere))
}

/// Whether the caller may add to this owner's files: a patient that it sees, or the centre's own.
///
/// # Errors
/// FORBIDDEN; NOT_FOUND at `field`.
pub(super) async fn writable(tx: &TenantTx, actor: &Actor, owner: Owner, field: &str) -> Result<(), Failure> {
    let Owner::Patient(id) = owner else {
        // An import is about patients of every branch.
        return Ok(actor.require(Permission::PatientWrite, Scope::Centre)?);
    };
    let seen = seen_by(tx, actor, writes_by(actor), vec![id]).await?;
    if seen.is_empty() { Err(Refusal::not_found(field).into()) } else { Ok(()) }
}

/// Of these owners of files (patient, and who brought it) those whose files the caller may see.
///
/// # Errors
/// Faults of the database.
pub(super) async fn readable(
    tx: &TenantTx,
    actor: &Actor,
    owners: &[(Option<Uuid>, Option<Uuid>)],
) -> Result<Vec<bool>, Failure> {
    // Jobs read what somebody has brought for them.
    if actor.kind == ActorKind::System {
        return Ok(vec![true; owners.len()]);
    }
    let mut patients: Vec<Uuid> = owners.iter().filter_map(|(patient, _)| *patient).collect();
    patients.sort_unstable();
    patients.dedup();
    let reads = [Permission::RecordRead, Permission::PatientRead].iter().all(|one| actor.may(*one, Scope::Anywhere));
    let seen = if patients.is_empty() || !reads {
        Vec::new()
    } else {
        seen_by(tx, actor, Permission::PatientRead, patients).await?
    };
    let own = |by: Option<Uuid>| by.is_some() && by == actor.id && may_own(actor);
    Ok(owners.iter().map(|(patient, by)| patient.map_or_else(|| own(*by), |id| seen.contains(&id))).collect())
}
