//! Login, refresh, logout.

use std::sync::Arc;

use async_graphql::{Context, Object};

use super::types::{AuthTokens, LoginPayload, LogoutPayload, Viewer};
use crate::{
    domain::{
        identity::{
            Tokens,
            login::{self, LoggedIn},
            logout, refresh,
            session::Place,
        },
        refusal::Failure,
    },
    schema::{
        error::{ApiError, payload},
        request::{Address, Device, Reader, authenticator, cx, logged_in, request_id},
        scalar::EmailAddress,
    },
};

/// Mutations of sessions.
#[derive(Default)]
pub struct IdentityMutation;

#[Object]
impl IdentityMutation {
    /// Opens a session with mail and password. Nobody needs to be logged in. When the user has a second factor, the
    /// tokens are empty and `tokens.mfaChallengeId` waits for `completeMfa`.
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Mail address of the user.")] email: EmailAddress,
        #[graphql(desc = "Password of the user.")] password: String,
        #[graphql(desc = "The centre's short name.")] tenant_slug: String,
    ) -> Result<LoginPayload, ApiError> {
        let input = login::Login {
            tenant_slug,
            email: email.0,
            password,
            place: place(ctx),
            request_id: request_id(ctx).to_string(),
        };
        match login::run(cx(ctx), input).await {
            Ok(LoggedIn::Challenge(challenge)) => {
                let tokens = Some(AuthTokens::waiting(challenge));
                Ok(LoginPayload { tokens, viewer: None, user_errors: Vec::new() })
            }
            Ok(LoggedIn::Session(tokens)) => answer(ctx, Ok(tokens)).await,
            Err(failure) => answer(ctx, Err(failure)).await,
        }
    }

    /// Exchanges a refresh token for a new pair. The old one is worth nothing afterwards; used again, it ends the
    /// session. Nobody needs to be logged in.
    async fn refresh_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The refresh token of the last login or refresh.")] refresh_token: String,
    ) -> Result<LoginPayload, ApiError> {
        let result = refresh::run(cx(ctx), &refresh_token, &place(ctx), &request_id(ctx)).await;
        answer(ctx, result).await
    }

    /// Ends the caller's session on every node within seconds, open subscriptions included.
    async fn logout(&self, ctx: &Context<'_>) -> Result<LogoutPayload, ApiError> {
        let reader = logged_in(ctx)?;
        let (done, user_errors) = payload(logout::run(&reader.cx, &reader.actor).await, Some(reader))?;
        Ok(LogoutPayload { ok: done.is_some(), user_errors })
    }
}

pub(super) fn place(ctx: &Context<'_>) -> Place {
    Place {
        device: ctx.data_opt::<Device>().map(|device| device.0.clone()),
        address: ctx.data_opt::<Address>().map(|address| address.0),
    }
}

/// The answer to a login, a refresh, a second factor.
pub(super) async fn answer(ctx: &Context<'_>, result: Result<Tokens, Failure>) -> Result<LoginPayload, ApiError> {
    let (tokens, user_errors) = payload(result, None)?;
    let Some(tokens) = tokens else { return Ok(LoginPayload { tokens: None, viewer: None, user_errors }) };
    let who = authenticator(ctx).bearer(&tokens.access, None, &request_id(ctx)).await?;
    let mfa_required = who.as_ref().is_some_and(|who| who.actor.mfa_pending);
    let viewer = who.map(|who| Viewer(Reader::new(cx(ctx), Arc::clone(&who.actor))));
    Ok(LoginPayload { tokens: Some(AuthTokens { mfa_required, ..AuthTokens::from(tokens) }), viewer, user_errors })
}
