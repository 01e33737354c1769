//! Loaders of users (the caller's own, and for who administers users those of the same branches) and of what belongs to
//! them.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use uuid::Uuid;

use crate::{
    auth::{ActorKind, Permission, Scope},
    domain::{
        identity::{
            audit,
            capability::{self, Capability},
            keys::{self, ApiKey},
            list_roles,
            session::Session,
            sessions,
            user::{Role, User, is_visible, users},
        },
        refusal::Failure,
    },
    schema::loader::{Batch, SharedFailure, by_id},
};

/// A user by the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserKey(pub Uuid);

impl Loader<UserKey> for Batch {
    type Value = User;
    type Error = SharedFailure;

    async fn load(&self, keys: &[UserKey]) -> Result<HashMap<UserKey, User>, SharedFailure> {
        let administers = self.actor.may(Permission::UserAdmin, Scope::Anywhere);
        let own = |id: Uuid| self.actor.kind == ActorKind::User && self.actor.id == Some(id);
        let ids: Vec<Uuid> = keys.iter().map(|key| key.0).filter(|id| administers || own(*id)).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let tx = self.cx.read(&self.actor).await?;
        let found = users(&tx, ids).await?;
        tx.commit().await.map_err(Failure::from)?;
        let seen = |user: &User| own(user.id) || is_visible(&self.actor, &user.branch_ids);
        Ok(found.into_iter().filter(seen).map(|user| (UserKey(user.id), user)).collect())
    }
}

by_id!(
    /// A role by its id.
    RoleKey => Role, list_roles::visible
);
by_id!(
    /// A session by its id.
    SessionKey => Session, sessions::visible
);
by_id!(
    /// A key of a program by its id.
    ApiKeyKey => ApiKey, keys::list::visible
);
by_id!(
    /// An entry of the audit trail by its id.
    AuditEntryKey => audit::Entry, audit::list::visible
);
by_id!(
    /// A capability token by its id.
    CapabilityKey => Capability, capability::find::visible
);
