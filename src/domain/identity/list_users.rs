//! The centre's users, by name.

use uuid::Uuid;

use super::user::{User, UserRow, UserStatus, user_select};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        centre::list::{ByName, folded, pattern},
        cx::Cx,
        known::{Named, Thing},
        page::{Page, PageRequest, Statements, counting},
        refusal::Failure,
    },
};

/// Which users.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// With this in the name or the mail address, whatever the case and the accents.
    pub text: Option<String>,
    /// In this state.
    pub status: Option<UserStatus>,
    /// With this role.
    pub role: Option<Uuid>,
    /// Who work in this branch, because they work in every branch or in this one.
    pub branch: Option<Uuid>,
}

macro_rules! users_page {
    ($than:literal, $order:literal) => {
        user_select!(
            "WHERE ($1::text IS NULL OR ",
            folded!("u.name"),
            " LIKE $1 OR u.email LIKE $1)
             AND ($2::text IS NULL OR u.status = $2)
             AND ($3::uuid IS NULL OR EXISTS (SELECT 1 FROM user_roles x WHERE x.user_id = u.id AND x.role_id = $3))
             AND ($4::uuid IS NULL OR u.branch_ids = '{}' OR $4 = ANY (u.branch_ids))
             AND ($5::uuid[] IS NULL OR u.branch_ids = '{}' OR u.branch_ids && $5)
             AND ($6::text IS NULL OR (u.name, u.id) ",
            $than,
            " ($6, $7::uuid))
             ORDER BY u.name ",
            $order,
            ", u.id ",
            $order,
            " LIMIT $8"
        )
    };
}

const USERS: Statements = Statements {
    forwards: users_page!(">", "ASC"),
    backwards: users_page!("<", "DESC"),
    count: counting!(users_page!(">", "ASC")),
};

/// The users who work where the caller administers users.
///
/// # Errors
/// A missing permission, a text that is too long, faults of the database.
pub async fn run(
    cx: &Cx,
    actor: &Actor,
    filter: UserFilter,
    page: &PageRequest<ByName>,
) -> Result<Page<User>, Failure> {
    actor.require(Permission::UserAdmin, Scope::Anywhere)?;
    let pattern = pattern(filter.text.as_deref())?;
    let values = |page: &PageRequest<ByName>| {
        let (name, id) = page.from.clone().unzip();
        [
            pattern.clone().into(),
            filter.status.map(UserStatus::as_str).into(),
            filter.role.into(),
            filter.branch.into(),
            actor.branches.as_ref().map(|branches| branches.to_vec()).into(),
            name.into(),
            id.into(),
            page.fetch().into(),
        ]
    };
    let tx = cx.read(actor).await?;
    let found: Page<UserRow> = page.read(&tx, USERS, values).await?;
    // Who works in every branch works in one that is not there.
    if found.rows.is_empty() || filter.branch.is_some() {
        let named = Named::default().one(Thing::Role, filter.role, "filter.roleId").one(
            Thing::Branch,
            filter.branch,
            "filter.branchId",
        );
        named.require(&tx, actor).await?;
    }
    tx.commit().await?;
    found.try_map(User::try_from)
}
