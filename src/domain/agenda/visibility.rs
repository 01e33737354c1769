//! Which appointments a caller sees: all of the branches the permission holds in, or only the own column.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    auth::{Actor, Permission, Scope},
    domain::refusal::Failure,
};

/// What a caller sees of the agenda.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Only in these branches; none: in every branch.
    pub branches: Option<Arc<[Uuid]>>,
    /// Only what this professional takes part in; none: everybody's.
    pub own: Option<Uuid>,
}

impl Sight {
    /// What `actor` sees in `scope`.
    ///
    /// # Errors
    /// FORBIDDEN without AGENDA_READ, and without AGENDA_READ_OWN for somebody who has a column of their own.
    pub fn of(actor: &Actor, scope: Scope) -> Result<Self, Failure> {
        let branches = actor.branches.clone();
        if actor.may(Permission::AgendaRead, scope) {
            return Ok(Self { branches, own: None });
        }
        actor.require(Permission::AgendaReadOwn, scope)?;
        // A user who is no professional has no column: the nil id is nobody's, so nothing is found.
        Ok(Self { branches, own: Some(actor.professional.unwrap_or(Uuid::nil())) })
    }

    /// The branches as a parameter of a statement: NULL is every branch.
    #[must_use]
    pub fn branches_value(&self) -> sea_orm::Value {
        self.branches.as_ref().map(|ids| ids.to_vec()).into()
    }

    /// Whether it includes what takes these resources in this branch.
    #[must_use]
    pub fn includes(&self, branch: Uuid, resources: &[Uuid]) -> bool {
        self.branches.as_ref().is_none_or(|ids| ids.contains(&branch))
            && self.own.is_none_or(|own| resources.contains(&own))
    }
}
