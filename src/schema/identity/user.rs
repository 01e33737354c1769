//! Users and roles.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object, SimpleObject};

use super::types::{Permission, PermissionCode};
use crate::{
    auth::PermissionSet,
    domain::identity::user,
    schema::{
        centre::{
            loader::{BranchKey, ResourceKey},
            types::{Branch, Professional},
        },
        error::ApiError,
        id::Kind,
        page::connection,
        request::Reader,
        scalar::{EmailAddress, Instant, TimeZone},
    },
};

/// Whether a user may log in.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::identity::user::UserStatus")]
pub enum UserStatus {
    /// Has been invited and has not set a password yet.
    Invited,
    /// May.
    Active,
    /// May not, until an administrator lets them in again.
    Locked,
    /// May not any more.
    Disabled,
}

/// What a user may do, under a name.
#[derive(SimpleObject, Clone, Debug)]
pub struct Role {
    /// Opaque identifier.
    #[graphql(owned)]
    pub id: ID,
    /// Shown to people.
    pub name: String,
    /// Whether every centre has it; its permissions cannot be changed then.
    pub builtin: bool,
    /// What it allows.
    pub permissions: Vec<PermissionCode>,
    /// Whether who has it needs a second factor: without one, a session can do nothing but enrol one.
    pub mfa_required: bool,
}

impl Role {
    /// The API's form of a role.
    #[must_use]
    pub fn new(reader: &Reader, role: &user::Role) -> Self {
        Self {
            id: reader.ids.encode(Kind::Role, role.id),
            name: role.name.clone(),
            builtin: role.builtin.is_some(),
            permissions: role.permissions.iter().map(Into::into).collect(),
            mfa_required: role.mfa_required,
        }
    }
}

/// Somebody who can log in.
#[derive(Clone, Debug)]
pub struct User {
    reader: Arc<Reader>,
    model: user::User,
}

impl User {
    /// The API's form of a user.
    #[must_use]
    pub fn new(reader: Arc<Reader>, model: user::User) -> Self {
        Self { reader, model }
    }
}

/// The API's form of permissions that all hold in the same branches; none: in every branch.
pub(super) fn permissions(reader: &Reader, set: PermissionSet, branches: Option<&[uuid::Uuid]>) -> Vec<Permission> {
    let branch_ids: Option<Vec<ID>> =
        branches.map(|ids| ids.iter().map(|id| reader.ids.encode(Kind::Branch, *id)).collect());
    set.iter().map(|code| Permission { code: code.into(), branch_ids: branch_ids.clone() }).collect()
}

/// Somebody who can log in.
#[Object]
impl User {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::User, self.model.id)
    }

    /// Goes up with every change; give it with the next one.
    pub async fn version(&self) -> i32 {
        self.model.version
    }

    /// The name at login.
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.model.email.clone())
    }

    /// Shown to people.
    async fn name(&self) -> String {
        self.model.name.clone()
    }

    /// Whether the user may log in.
    async fn status(&self) -> UserStatus {
        self.model.status.into()
    }

    /// The user's roles, by name.
    async fn roles(&self) -> Vec<Role> {
        self.model.roles.iter().map(|role| Role::new(&self.reader, role)).collect()
    }

    /// What all roles together allow, and where.
    async fn grants(&self) -> Vec<Permission> {
        let branches = (!self.model.branch_ids.is_empty()).then_some(self.model.branch_ids.as_slice());
        permissions(&self.reader, self.model.permissions(), branches)
    }

    /// Where the user works, by name; empty: in every branch.
    async fn branches(&self) -> Result<Vec<Branch>, ApiError> {
        let found = self.reader.loader.load_many(self.model.branch_ids.iter().copied().map(BranchKey)).await?;
        let mut branches: Vec<_> = found.into_values().collect();
        branches.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(branches.into_iter().map(|branch| Branch::new(Arc::clone(&self.reader), branch)).collect())
    }

    /// The professional that the user is.
    async fn professional(&self) -> Option<Result<Professional, ApiError>> {
        match self.reader.loader.load_one(ResourceKey(self.model.professional?)).await {
            Ok(found) => found.map(|model| Ok(Professional::new(Arc::clone(&self.reader), model))),
            Err(failure) => Some(Err(failure.into())),
        }
    }

    /// The clock that the user wants to see, where no branch's matters.
    async fn time_zone(&self) -> Option<TimeZone> {
        self.model.zone.map(TimeZone)
    }

    /// Whether a second factor is asked for at login.
    async fn mfa_enabled(&self) -> bool {
        self.model.mfa_enabled
    }

    /// When the user last logged in.
    async fn last_login_at(&self) -> Option<Instant> {
        self.model.last_login_at.map(Instant::utc)
    }

    /// When the user was created.
    pub async fn created_at(&self) -> Instant {
        Instant::utc(self.model.created_at)
    }

    /// When the user was last changed.
    pub async fn updated_at(&self) -> Instant {
        Instant::utc(self.model.updated_at)
    }
}

connection!(UserConnection, UserEdge, User, "users");
