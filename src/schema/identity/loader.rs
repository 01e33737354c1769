//! Loaders of users: the caller's own, and for who administers users those of the same branches.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use uuid::Uuid;

use crate::{
    auth::{ActorKind, Permission, Scope},
    domain::{
        identity::user::{User, is_visible, users},
        refusal::Failure,
    },
    schema::loader::{Batch, SharedFailure},
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
