//! What clients say about users and roles.

use async_graphql::{ID, InputObject, MaybeUndefined};

use super::{types::PermissionCode, user::UserStatus};
use crate::{
    domain::{
        centre::Patch,
        identity::{invite_user, list_users, update_user, upsert_role},
        refusal::Failure,
    },
    schema::{
        id::Kind,
        request::Reader,
        scalar::{EmailAddress, TimeZone},
    },
};

/// Which users; what is left out does not narrow.
#[derive(InputObject, Clone, Debug, Default)]
pub struct UserFilter {
    /// With this in the name or the mail address, whatever the case and the accents; up to 200 characters.
    pub text: Option<String>,
    /// In this state.
    pub status: Option<UserStatus>,
    /// With this role.
    pub role_id: Option<ID>,
    /// Who work in this branch, be it because they work in every branch.
    pub branch_id: Option<ID>,
}

impl UserFilter {
    pub(super) fn open(self, reader: &Reader) -> Result<list_users::UserFilter, Failure> {
        let Self { text, status, role_id, branch_id } = self;
        Ok(list_users::UserFilter {
            text,
            status: status.map(Into::into),
            role: reader.ids.decode_opt(Kind::Role, role_id.as_ref(), "filter.roleId")?,
            branch: reader.ids.decode_opt(Kind::Branch, branch_id.as_ref(), "filter.branchId")?,
        })
    }
}

/// Whom to invite, as what.
#[derive(InputObject, Clone, Debug)]
pub struct InviteUserInput {
    /// Where the invitation goes; the name at login.
    pub email: EmailAddress,
    /// Shown to people, up to 200 characters; the invited may correct it.
    pub name: String,
    /// What the user may do: 1 to 20 roles, none of which allows more than you may.
    pub role_ids: Vec<ID>,
    /// Where the user works; absent or empty: in every branch, which only who administers every branch can give.
    pub branch_ids: Option<Vec<ID>>,
}

impl InviteUserInput {
    pub(super) fn open(self, reader: &Reader) -> Result<invite_user::Input, Failure> {
        let Self { email, name, role_ids, branch_ids } = self;
        Ok(invite_user::Input {
            email: email.0,
            name,
            role_ids: reader.ids.decode_all(Kind::Role, &role_ids, "roleIds")?,
            branch_ids: reader.ids.decode_all(Kind::Branch, &branch_ids.unwrap_or_default(), "branchIds")?,
        })
    }
}

/// What to change of a user. An absent value stays.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateUserInput {
    /// Which user.
    pub id: ID,
    /// The version that you read.
    pub version: i32,
    /// Shown to people, up to 200 characters.
    pub name: Option<String>,
    /// All roles of the user, 1 to 20.
    pub role_ids: Option<Vec<ID>>,
    /// Where the user works; empty: in every branch.
    pub branch_ids: Option<Vec<ID>>,
    /// `ACTIVE`, `LOCKED` or `DISABLED`. The last two end the user's sessions; who is disabled comes back by a new
    /// invitation.
    pub status: Option<UserStatus>,
    /// The clock that the user wants to see; null: the branch's or the centre's.
    pub time_zone: MaybeUndefined<TimeZone>,
}

impl UpdateUserInput {
    pub(super) fn open(self, reader: &Reader) -> Result<update_user::Input, Failure> {
        let Self { id, version, name, role_ids, branch_ids, status, time_zone } = self;
        let all =
            |ids: Option<Vec<ID>>, kind, field| ids.map(|ids| reader.ids.decode_all(kind, &ids, field)).transpose();
        Ok(update_user::Input {
            id: reader.ids.decode(Kind::User, &id, "id")?,
            version,
            name,
            role_ids: all(role_ids, Kind::Role, "roleIds")?,
            branch_ids: all(branch_ids, Kind::Branch, "branchIds")?,
            status: status.map(Into::into),
            zone: match time_zone {
                MaybeUndefined::Undefined => Patch::Keep,
                MaybeUndefined::Null => Patch::Clear,
                MaybeUndefined::Value(zone) => Patch::Set(zone.0),
            },
        })
    }
}

/// A role of the centre's own to create (without id) or to change.
#[derive(InputObject, Clone, Debug)]
pub struct RoleInput {
    /// Which to change; of a built-in one only the name and `mfaRequired` can change.
    pub id: Option<ID>,
    /// Shown to people, up to 200 characters; no two roles share one.
    pub name: String,
    /// All that it allows; nothing that you may not do yourself.
    pub permissions: Vec<PermissionCode>,
    /// Whether who has it needs a second factor; absent: as it is, and not for a new role.
    pub mfa_required: Option<bool>,
}

impl RoleInput {
    pub(super) fn open(self, reader: &Reader) -> Result<upsert_role::Input, Failure> {
        let Self { id, name, permissions, mfa_required } = self;
        Ok(upsert_role::Input {
            id: reader.ids.decode_opt(Kind::Role, id.as_ref(), "id")?,
            name,
            permissions: permissions.into_iter().map(crate::auth::Permission::from).collect(),
            mfa_required,
        })
    }
}
