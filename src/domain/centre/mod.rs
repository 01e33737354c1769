//! The centre: its profile, branches, people and things, and what it offers.

pub(super) mod check;
mod columns;
pub mod deactivate_resource;
mod facts;
pub mod list;
pub mod model;
pub mod need;
mod patch;
pub mod query;
pub mod rezone;
mod seats;
pub mod update_profile;
pub mod upsert_branch;
pub mod upsert_category;
pub mod upsert_professional;
pub mod upsert_room;
pub mod upsert_treatment;
pub(super) mod window;

pub use patch::Patch;
pub use window::WindowInput;

use crate::{
    auth::{Actor, ActorKind},
    domain::refusal::{Code, Failure, Refusal},
};

/// Reads of the centre are for everybody who works there, whatever the role. Who may do nothing at all, like a patient
/// with an account, does not work there.
pub(in crate::domain) fn require_staff(actor: &Actor) -> Result<(), Failure> {
    if !is_staff(actor) {
        return Err(Refusal::new(Code::Forbidden, "only the centre's staff may list this").into());
    }
    Ok(())
}

/// Whether the caller works there.
#[must_use]
pub fn is_staff(actor: &Actor) -> bool {
    let outsider = actor.kind == ActorKind::User && actor.permissions.is_empty();
    !actor.publishable && actor.kind != ActorKind::Patient && !outsider
}
