//! Who may come near a record: who has the permission, in a centre that keeps records, to a patient that the caller sees.

use uuid::Uuid;

use crate::{
    auth::{Actor, ActorKind, Permission, Scope},
    db::TenantTx,
    domain::{
        patients::query,
        refusal::{Code, Failure, Refusal},
    },
};

/// What a centre says that keeps no clinical records.
pub const NOT_KEPT: &str = "this centre keeps no clinical records; updateTenantProfile switches them on";

/// Refuses who may not read records at all.
///
/// # Errors
/// FORBIDDEN without RECORD_READ.
pub fn require_read(actor: &Actor) -> Result<(), Failure> {
    Ok(actor.require(Permission::RecordRead, Scope::Anywhere)?)
}

/// Refuses in a centre that keeps no clinical records.
pub(super) async fn require_kept(tx: &TenantTx) -> Result<(), Failure> {
    let kept: Option<bool> = tx.scalar("SELECT clinical_record FROM centre_profile", []).await?;
    if kept == Some(true) { Ok(()) } else { Err(Refusal::new(Code::Forbidden, NOT_KEPT).into()) }
}

/// Those of the patients whose record the caller may come near: those that the caller sees.
pub(super) async fn visible(tx: &TenantTx, actor: &Actor, patients: Vec<Uuid>) -> Result<Vec<Uuid>, Failure> {
    let seen = query::visible(tx, actor, patients).await?;
    Ok(seen.iter().map(|patient| patient.id).collect())
}

/// Refuses a patient that the caller does not see.
pub(super) async fn require_visible(tx: &TenantTx, actor: &Actor, patient: Uuid, field: &str) -> Result<(), Failure> {
    if visible(tx, actor, vec![patient]).await?.is_empty() { Err(Refusal::not_found(field).into()) } else { Ok(()) }
}

/// Records are written and signed by people: a program has no name to put under them.
pub(super) fn person(actor: &Actor) -> Result<Uuid, Failure> {
    match (actor.kind, actor.id) {
        (ActorKind::User, Some(id)) => Ok(id),
        _ => Err(Refusal::new(Code::Forbidden, "a clinical record is written by people who are logged in").into()),
    }
}

/// The patients whose entries one patient's record shows: those who turned out to be the same person. They were merged
/// into the one that is kept, and their entries stay with them, because what was signed never changes.
macro_rules! same_person {
    ($patient:literal) => {
        concat!(
            "SELECT coalesce(this.merged_into, this.id) FROM patients this WHERE this.id = ",
            $patient,
            " UNION ALL SELECT other.id FROM patients this JOIN patients other
                  ON other.merged_into = coalesce(this.merged_into, this.id) WHERE this.id = ",
            $patient
        )
    };
}
pub(super) use same_person;
