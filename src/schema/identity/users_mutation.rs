//! Users and roles, and the links of mails by which passwords are set.

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};

use super::{
    user::{Role, User},
    users_input::{InviteUserInput, RoleInput, UpdateUserInput},
};
use crate::{
    domain::identity::{accept_invite, invite_user, request_password_reset, reset_password, update_user, upsert_role},
    schema::{
        auth::{P, auth},
        error::{ApiError, UserError, payload},
        request::{authenticator, cx, request_id, staff},
        scalar::EmailAddress,
    },
};

/// Answer of `inviteUser`.
#[derive(SimpleObject)]
pub struct InviteUserPayload {
    /// As it is now.
    pub user: Option<User>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `updateUser`.
#[derive(SimpleObject)]
pub struct UpdateUserPayload {
    /// As it is now.
    pub user: Option<User>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `upsertRole`.
#[derive(SimpleObject)]
pub struct UpsertRolePayload {
    /// As it is now.
    pub role: Option<Role>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `acceptInvite`.
#[derive(SimpleObject)]
pub struct AcceptInvitePayload {
    /// Whether the user can log in now.
    pub ok: bool,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `requestPasswordReset`.
#[derive(SimpleObject)]
pub struct RequestPasswordResetPayload {
    /// Whether the request was taken. It says nothing about whether there is such a user.
    pub accepted: bool,
    /// Why it was not taken; empty: it was.
    pub user_errors: Vec<UserError>,
}

/// Answer of `resetPassword`.
#[derive(SimpleObject)]
pub struct ResetPasswordPayload {
    /// Whether the password is set.
    pub ok: bool,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Mutations of users and roles.
#[derive(Default)]
pub struct UsersMutation;

#[Object]
impl UsersMutation {
    /// Invites somebody by mail. Who has not accepted yet, or was disabled, is invited anew with what you say now.
    /// Needs `USER_ADMIN`; nobody gives more than they hold.
    #[graphql(directive = auth::apply(vec![P::UserAdmin]))]
    async fn invite_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whom, and as what.")] input: InviteUserInput,
    ) -> Result<InviteUserPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async { invite_user::run(&reader.cx, &reader.actor, input.open(reader)?).await }.await;
        let (user, user_errors) = payload(result, Some(reader))?;
        Ok(InviteUserPayload { user: user.map(|user| User::new(Arc::clone(reader), user)), user_errors })
    }

    /// Changes a user's name, roles, branches, clock, or whether the user may log in. Open sessions follow within
    /// seconds. Needs `USER_ADMIN`, and for everything that the user may do, before and after, the right to do it
    /// yourself. The centre keeps one active administrator.
    #[graphql(directive = auth::apply(vec![P::UserAdmin]))]
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateUserInput,
    ) -> Result<UpdateUserPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async { update_user::run(&reader.cx, &reader.actor, input.open(reader)?).await }.await;
        let (done, user_errors) = payload(result, Some(reader))?;
        let user = match done {
            Some(done) => {
                for session in done.sessions {
                    authenticator(ctx).forget(reader.actor.tenant.id, session).await;
                }
                Some(User::new(Arc::clone(reader), done.user))
            }
            None => None,
        };
        Ok(UpdateUserPayload { user, user_errors })
    }

    /// Creates or changes a role, for everybody who has it. Needs `USER_ADMIN` in the whole centre, and everything that
    /// the role allows, before and after.
    #[graphql(directive = auth::apply(vec![P::UserAdmin]))]
    async fn upsert_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The role.")] input: RoleInput,
    ) -> Result<UpsertRolePayload, ApiError> {
        let reader = staff(ctx)?;
        let result = async { upsert_role::run(&reader.cx, &reader.actor, input.open(reader)?).await }.await;
        let (role, user_errors) = payload(result, Some(reader))?;
        Ok(UpsertRolePayload { role: role.map(|role| Role::new(reader, &role)), user_errors })
    }

    /// Sets the first password of somebody who was invited, who can log in from then on. Nobody needs to be logged in.
    async fn accept_invite(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The word from the link of the invitation.")] token: String,
        #[graphql(desc = "8 to 128 characters, not easily guessed.")] password: String,
        #[graphql(desc = "Corrects the name that the invitation says, up to 200 characters.")] name: Option<String>,
    ) -> Result<AcceptInvitePayload, ApiError> {
        let done = accept_invite::run(cx(ctx), &token, password, name.as_deref(), &request_id(ctx)).await;
        let (done, user_errors) = payload(done, None)?;
        Ok(AcceptInvitePayload { ok: done.is_some(), user_errors })
    }

    /// Sends a link for a new password, if there is such a user; the answer and its time are the same if not. Nobody
    /// needs to be logged in.
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Mail address of the user.")] email: EmailAddress,
        #[graphql(desc = "The centre's short name.")] tenant_slug: String,
    ) -> Result<RequestPasswordResetPayload, ApiError> {
        let done = request_password_reset::run(cx(ctx), &tenant_slug, &email.0, &request_id(ctx)).await;
        let (done, user_errors) = payload(done, None)?;
        Ok(RequestPasswordResetPayload { accepted: done.is_some(), user_errors })
    }

    /// Sets a new password by the link of a mail, and ends all of the user's sessions. Nobody needs to be logged in.
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The word from the link of the mail.")] token: String,
        #[graphql(desc = "8 to 128 characters, not easily guessed.")] new_password: String,
    ) -> Result<ResetPasswordPayload, ApiError> {
        let done = reset_password::run(cx(ctx), &token, new_password, &request_id(ctx)).await;
        let (done, user_errors) = payload(done, None)?;
        if let Some(done) = &done {
            for session in &done.sessions {
                authenticator(ctx).forget(done.tenant, *session).await;
            }
        }
        Ok(ResetPasswordPayload { ok: done.is_some(), user_errors })
    }
}
