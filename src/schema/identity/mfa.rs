//! The second factor.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::{
    mutation::{answer, place},
    types::LoginPayload,
    user::User,
};
use crate::{
    domain::identity::mfa::{complete, disable, enrol},
    schema::{
        error::{ApiError, UserError, payload},
        id::Kind,
        request::{cx, logged_in, request_id, staff},
    },
};

/// Answer of `enrolMfa`. What is in it is shown this once.
#[derive(SimpleObject)]
pub struct EnrolMfaPayload {
    /// Show it as a QR code for an authenticator app.
    pub otpauth_uri: Option<String>,
    /// Ten codes that each open one login without the app. The user has to keep them.
    pub recovery_codes: Option<Vec<String>>,
    /// Give it to `completeMfa` with the app's first code; the factor counts from then on.
    pub mfa_challenge_id: Option<ID>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `disableMfa`.
#[derive(SimpleObject)]
pub struct DisableMfaPayload {
    /// The user, without a second factor.
    pub user: Option<User>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Mutations of second factors.
#[derive(Default)]
pub struct MfaMutation;

#[Object]
impl MfaMutation {
    /// Begins to set up the caller's second factor: an authenticator app and recovery codes. It counts only after
    /// `completeMfa` with the app's first code; begun again, what was shown before is worth nothing.
    async fn enrol_mfa(&self, ctx: &Context<'_>) -> Result<EnrolMfaPayload, ApiError> {
        let reader = logged_in(ctx)?;
        let (enrolment, user_errors) = payload(enrol::run(&reader.cx, &reader.actor).await, Some(reader))?;
        Ok(match enrolment {
            Some(enrolment) => EnrolMfaPayload {
                otpauth_uri: Some(enrolment.uri),
                recovery_codes: Some(enrolment.recovery_codes),
                mfa_challenge_id: Some(ID(enrolment.challenge.id)),
                user_errors,
            },
            None => EnrolMfaPayload { otpauth_uri: None, recovery_codes: None, mfa_challenge_id: None, user_errors },
        })
    }

    /// Answers the challenge of `login` or `enrolMfa` with a code, and opens a session. Nobody needs to be logged in.
    /// A code is good for one use; a challenge dies after five wrong ones or five minutes. Completing an enrolment ends
    /// every session that the user had before.
    async fn complete_mfa(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From `tokens.mfaChallengeId` of a login, or from `enrolMfa`.")] challenge_id: ID,
        #[graphql(desc = "Six digits of the app; for a login also a recovery code.")] code: String,
    ) -> Result<LoginPayload, ApiError> {
        let input = complete::Complete {
            challenge: challenge_id.0,
            code,
            place: place(ctx),
            request_id: request_id(ctx).to_string(),
        };
        answer(ctx, complete::run(cx(ctx), input).await).await
    }

    /// Takes a second factor away, with its recovery codes: the caller's own with a code, somebody else's, say of a lost
    /// telephone, with USER_ADMIN and no fewer permissions than theirs. A wrong code counts: ten in a row, here and in
    /// `completeMfa`, block the app's codes for an hour.
    async fn disable_mfa(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose; the caller's own without it.")] user_id: Option<ID>,
        #[graphql(desc = "A code of the app or a recovery code; required for the caller's own.")] code: Option<String>,
    ) -> Result<DisableMfaPayload, ApiError> {
        let reader = staff(ctx)?;
        let disabled = async {
            let user = reader.ids.decode_opt(Kind::User, user_id.as_ref(), "userId")?;
            disable::run(&reader.cx, &reader.actor, disable::Disable { user, code }).await
        };
        let (user, user_errors) = payload(disabled.await, Some(reader))?;
        Ok(DisableMfaPayload { user: user.map(|user| User::new(reader.clone(), user)), user_errors })
    }
}
