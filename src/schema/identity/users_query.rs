//! Who may log in, and as what.

use std::sync::Arc;

use async_graphql::{Context, Object};

use super::{
    user::{Role, User, UserConnection},
    users_input::UserFilter,
};
use crate::{
    domain::identity::{list_roles, list_users},
    schema::{
        auth::{P, auth},
        error::ApiError,
        page::PageArguments,
        request::staff,
    },
};

/// Queries of users and roles.
#[derive(Default)]
pub struct UsersQuery;

#[Object]
impl UsersQuery {
    /// The users who work in the branches whose users you administer, by name. Needs `USER_ADMIN`.
    #[graphql(directive = auth::apply(vec![P::UserAdmin]))]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which; absent: all.")] filter: Option<UserFilter>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<UserConnection, ApiError> {
        const LIST: &str = "users";
        let reader = staff(ctx)?;
        let page = PageArguments { first, after, last, before }.open(ctx, reader, LIST)?;
        let filter = filter.unwrap_or_default().open(reader)?;
        let page = list_users::run(&reader.cx, &reader.actor, filter, &page).await?;
        Ok(UserConnection::new(
            reader,
            LIST,
            page,
            |row| (row.name.clone(), row.id),
            |row| User::new(Arc::clone(reader), row),
        ))
    }

    /// The centre's roles, built-in ones and its own, by name. Needs `USER_ADMIN`.
    #[graphql(directive = auth::apply(vec![P::UserAdmin]))]
    async fn roles(&self, ctx: &Context<'_>) -> Result<Vec<Role>, ApiError> {
        let reader = staff(ctx)?;
        let roles = list_roles::run(&reader.cx, &reader.actor).await?;
        Ok(roles.iter().map(|role| Role::new(reader, role)).collect())
    }
}
