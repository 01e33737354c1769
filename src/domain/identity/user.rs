//! Users as others see them.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    auth::{Actor, BuiltinRole, PermissionSet},
    db::TenantTx,
    domain::{centre::model::zone, refusal::Failure},
};

/// Whether a user may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the API describes each")]
pub enum UserStatus {
    Invited,
    Active,
    Locked,
    Disabled,
}

impl UserStatus {
    /// The word in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "INVITED",
            Self::Active => "ACTIVE",
            Self::Locked => "LOCKED",
            Self::Disabled => "DISABLED",
        }
    }

    /// Where an administrator can take a user from here. Only the invited person can become active by accepting; a
    /// disabled one comes back by a new invitation.
    #[must_use]
    pub fn allowed(self) -> &'static [Self] {
        match self {
            Self::Invited => &[Self::Disabled],
            Self::Active => &[Self::Locked, Self::Disabled],
            Self::Locked => &[Self::Active, Self::Disabled],
            Self::Disabled => &[],
        }
    }

    pub(super) fn parse(word: &str) -> Result<Self, Failure> {
        Ok(match word {
            "INVITED" => Self::Invited,
            "ACTIVE" => Self::Active,
            "LOCKED" => Self::Locked,
            "DISABLED" => Self::Disabled,
            other => return Err(Failure::fault(format!("unknown user status `{other}`"))),
        })
    }
}

/// A role as its user has it.
#[derive(Clone, Debug)]
pub struct Role {
    /// Which.
    pub id: Uuid,
    /// Shown to people.
    pub name: String,
    /// Which of those that every centre has; none: the centre's own.
    pub builtin: Option<BuiltinRole>,
    /// What it allows.
    pub permissions: PermissionSet,
    /// Whether who has it needs a second factor.
    pub mfa_required: bool,
}

/// Somebody who can log in.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct User {
    pub id: Uuid,
    pub version: i32,
    pub email: String,
    pub name: String,
    pub status: UserStatus,
    pub roles: Vec<Role>,
    /// Empty: every branch.
    pub branch_ids: Vec<Uuid>,
    pub professional: Option<Uuid>,
    pub zone: Option<Tz>,
    pub mfa_enabled: bool,
    pub last_login_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl User {
    /// What all roles together allow.
    #[must_use]
    pub fn permissions(&self) -> PermissionSet {
        self.roles.iter().fold(PermissionSet::default(), |all, role| all.union(role.permissions))
    }
}

#[derive(FromQueryResult)]
pub(super) struct UserRow {
    id: Uuid,
    version: i32,
    email: String,
    name: String,
    status: String,
    branch_ids: Vec<Uuid>,
    professional_id: Option<Uuid>,
    time_zone: Option<String>,
    mfa_enabled: bool,
    last_login_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    roles: serde_json::Value,
}

#[derive(serde::Deserialize, FromQueryResult)]
pub(super) struct RoleRow {
    id: Uuid,
    name: String,
    builtin: Option<String>,
    permissions: Vec<String>,
    mfa_required: bool,
}

impl From<RoleRow> for Role {
    fn from(row: RoleRow) -> Self {
        let builtin = row.builtin.as_deref().and_then(BuiltinRole::parse);
        let own = PermissionSet::of_words(&row.permissions);
        Self {
            id: row.id,
            name: row.name,
            builtin,
            permissions: builtin.map(BuiltinRole::permissions).unwrap_or_default().union(own),
            mfa_required: row.mfa_required,
        }
    }
}

impl TryFrom<UserRow> for User {
    type Error = Failure;

    fn try_from(row: UserRow) -> Result<Self, Failure> {
        let roles: Vec<RoleRow> =
            serde_json::from_value(row.roles).map_err(|error| Failure::fault(format!("roles of a user: {error}")))?;
        Ok(Self {
            status: UserStatus::parse(&row.status)?,
            zone: row.time_zone.as_deref().map(zone).transpose()?,
            roles: roles.into_iter().map(Role::from).collect(),
            id: row.id,
            version: row.version,
            email: row.email,
            name: row.name,
            branch_ids: row.branch_ids,
            professional: row.professional_id,
            mfa_enabled: row.mfa_enabled,
            last_login_at: row.last_login_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

/// Reads users with their roles: one statement, however many there are.
macro_rules! user_select {
    ($($rest:expr),+) => {
        concat!(
            "SELECT u.id, u.version, u.email, u.name, u.status, u.branch_ids, p.id AS professional_id, u.time_zone, u.last_login_at,
                 u.created_at, u.updated_at,
                 EXISTS (SELECT 1 FROM mfa_factors f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL) AS mfa_enabled,
                 coalesce((SELECT jsonb_agg(jsonb_build_object('id', r.id, 'name', r.name, 'builtin', r.builtin,
                         'permissions', to_jsonb(r.permissions), 'mfa_required', r.mfa_required) ORDER BY r.name)
                     FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE ur.user_id = u.id), '[]') AS roles
             FROM users u LEFT JOIN professionals p ON p.user_id = u.id ",
            $($rest),+
        )
    };
}
pub(super) use user_select;

/// The users with these ids, in no order, with their roles: one statement.
///
/// # Errors
/// Faults of the database.
pub async fn users(tx: &TenantTx, ids: Vec<Uuid>) -> Result<Vec<User>, Failure> {
    let rows: Vec<UserRow> = tx.all(user_select!("WHERE u.id = ANY ($1)"), [ids.into()]).await?;
    rows.into_iter().map(User::try_from).collect()
}

/// Waits for whoever else changes how the user gets in: password, factor, sessions, state. Locked before every other
/// row of the user's.
///
/// # Errors
/// Faults of the database.
pub(super) async fn lock(tx: &TenantTx, id: Uuid) -> Result<(), Failure> {
    tx.run("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", [id.into()]).await?;
    Ok(())
}

/// Whether an administrator of users sees one who works in these branches (none: in every branch).
#[must_use]
pub fn is_visible(actor: &Actor, branch_ids: &[Uuid]) -> bool {
    match &actor.branches {
        None => true,
        Some(own) => branch_ids.is_empty() || branch_ids.iter().any(|branch| own.contains(branch)),
    }
}
