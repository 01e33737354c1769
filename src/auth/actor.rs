//! [`Actor`]: who calls, for which tenant, with which rights.

use std::{net::IpAddr, sync::Arc};

use uuid::Uuid;

use super::{Permission, PermissionSet, alarm};
use crate::db::{Tenant, TenantId};

/// What kind of caller it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// A user of the centre.
    User,
    /// A patient, by a link in a mail.
    Patient,
    /// A program with a key; a booking page has a publishable one.
    ApiKey,
    /// Horae itself: jobs.
    System,
    /// Somebody who runs Horae.
    PlatformOperator,
}

impl ActorKind {
    /// The word in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "USER",
            Self::Patient => "PATIENT",
            Self::ApiKey => "API_KEY",
            Self::System => "SYSTEM",
            Self::PlatformOperator => "PLATFORM_OPERATOR",
        }
    }

    /// The kind that the database's word names; unknown words are the system's.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word {
            "USER" => Self::User,
            "PATIENT" => Self::Patient,
            "API_KEY" => Self::ApiKey,
            "PLATFORM_OPERATOR" => Self::PlatformOperator,
            _ => Self::System,
        }
    }
}

/// Where a permission is needed.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// In the whole centre.
    Centre,
    /// In one branch.
    Branch(Uuid),
    /// In any branch: the rows themselves are narrowed later.
    Anywhere,
}

/// The caller may not do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("permission is missing")]
pub struct Denied(pub Permission);

/// Who calls. Made from a token, a key or a capability, once per request.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The centre that every read and write is in.
    pub tenant: Arc<Tenant>,
    /// What kind of caller.
    pub kind: ActorKind,
    /// User, patient or key; none for the system.
    pub id: Option<Uuid>,
    /// The login that the token belongs to.
    pub session: Option<Uuid>,
    /// How the caller is shown to others.
    pub name: Arc<str>,
    /// What the caller may do …
    pub permissions: PermissionSet,
    /// … and where; none: in every branch.
    pub branches: Option<Arc<[Uuid]>>,
    /// The professional that the user is, for who sees only the own column.
    pub professional: Option<Uuid>,
    /// A booking page's key: may book online, nothing else.
    pub publishable: bool,
    /// A role of the user needs a second factor that this login has not given: may enrol one, nothing else.
    pub mfa_pending: bool,
    /// The request that this is part of; in every log line, event and audit entry.
    pub request_id: Arc<str>,
    /// Where the request came from, if it came from outside.
    pub ip: Option<IpAddr>,
}

impl Actor {
    /// Horae itself, working for a tenant.
    #[must_use]
    pub fn system(tenant: Arc<Tenant>, name: &str, request_id: &str) -> Self {
        Self {
            tenant,
            kind: ActorKind::System,
            id: None,
            session: None,
            name: name.into(),
            permissions: PermissionSet::all(),
            branches: None,
            professional: None,
            publishable: false,
            mfa_pending: false,
            request_id: request_id.into(),
            ip: None,
        }
    }

    /// Refuses unless the caller has the permission there.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn require(&self, permission: Permission, scope: Scope) -> Result<(), Denied> {
        if self.may(permission, scope) {
            return Ok(());
        }
        alarm::permission_denied(permission);
        Err(Denied(permission))
    }

    /// Whether the caller has the permission there.
    #[must_use]
    pub fn may(&self, permission: Permission, scope: Scope) -> bool {
        self.permissions.has(permission)
            && match (scope, &self.branches) {
                (Scope::Anywhere, _) | (_, None) => true,
                (Scope::Branch(branch), Some(branches)) => branches.contains(&branch),
                (Scope::Centre, Some(_)) => false,
            }
    }

    /// What the caller's rights hang on, and end with: the session of a user, the key of a program.
    #[must_use]
    pub fn grant(&self) -> Option<Uuid> {
        self.session.or_else(|| self.id.filter(|_| self.kind == ActorKind::ApiKey))
    }

    /// The name under which this caller's idempotency keys are kept.
    #[must_use]
    pub fn receipt_name(&self) -> String {
        match self.id {
            Some(id) => format!("{}:{id}", self.kind.as_str()),
            None => self.kind.as_str().to_owned(),
        }
    }

    /// Whose data.
    #[must_use]
    pub fn tenant_id(&self) -> TenantId {
        self.tenant.id
    }
}
