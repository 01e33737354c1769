//! Sessions: the list, the end of one, a new password.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use super::{loader::UserKey, user::User};
use crate::{
    domain::{
        identity::{change_password, revoke_session, session, sessions},
        refusal::Failure,
    },
    schema::{
        error::{ApiError, UserError, payload},
        id::Kind,
        page::{PageArguments, connection},
        request::{Reader, staff},
        scalar::Instant,
    },
};

/// Name of the list in its cursors.
const LIST: &str = "sessions";

/// One login of one device.
#[derive(Clone, Debug)]
pub struct Session {
    reader: Arc<Reader>,
    model: session::Session,
}

connection!(SessionConnection, SessionEdge, Session, "sessions");

impl Session {
    /// The API's form of a session.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, model: session::Session) -> Self {
        Self { reader: Arc::clone(reader), model }
    }
}

/// One login of one device.
#[Object]
impl Session {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::Session, self.model.id)
    }

    /// Who logged in.
    async fn user(&self) -> Result<User, ApiError> {
        let found = self.reader.loader.load_one(UserKey(self.model.user_id)).await?;
        let user = found.ok_or_else(|| Failure::fault("a session is of a user who is not there"))?;
        Ok(User::new(Arc::clone(&self.reader), user))
    }

    /// What the device calls itself.
    async fn device(&self) -> Option<&str> {
        self.model.device.as_deref()
    }

    /// The address that the session was opened from, or last refreshed.
    async fn ip(&self) -> Option<&str> {
        self.model.ip.as_deref()
    }

    /// When it was opened.
    async fn created_at(&self) -> Instant {
        Instant::utc(self.model.created_at)
    }

    /// Until when it lives without a refresh.
    async fn expires_at(&self) -> Instant {
        Instant::utc(self.model.expires_at)
    }

    /// When it was ended before its time.
    async fn revoked_at(&self) -> Option<Instant> {
        self.model.revoked_at.map(Instant::utc)
    }
}

/// Answer of `revokeSession`.
#[derive(SimpleObject)]
pub struct RevokeSessionPayload {
    /// The session, which is over.
    pub session: Option<Session>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `changePassword`.
#[derive(SimpleObject)]
pub struct ChangePasswordPayload {
    /// Whether the new password holds now.
    pub ok: bool,
    /// How many other sessions of the caller were ended.
    pub revoked_sessions: i32,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Queries of sessions.
#[derive(Default)]
pub struct SessionQuery;

#[Object]
impl SessionQuery {
    /// Sessions of the caller, latest first, those that are over included. With USER_ADMIN also those of others.
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose; absent: the caller's own.")] user_id: Option<ID>,
        #[graphql(desc = "So many from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes behind this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<SessionConnection, ApiError> {
        let reader = staff(ctx)?;
        let page = PageArguments { first, after, last, before }.open::<sessions::SessionKey>(ctx, reader, LIST)?;
        let user = reader.ids.decode_opt(Kind::User, user_id.as_ref(), "userId")?;
        let found = sessions::list(&reader.cx, &reader.actor, user, &page).await?;
        Ok(SessionConnection::new(
            reader,
            LIST,
            found,
            |session| (session.created_at, session.id),
            |model| Session::new(reader, model),
        ))
    }
}

/// Mutations of sessions besides login and logout.
#[derive(Default)]
pub struct SessionMutation;

#[Object]
impl SessionMutation {
    /// Ends a session of the caller, or with USER_ADMIN anybody's, on every node within seconds: its open sockets are
    /// closed with 4403. Ending it twice changes nothing.
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The session.")] session_id: ID,
    ) -> Result<RevokeSessionPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = match reader.ids.decode(Kind::Session, &session_id, "sessionId") {
            Ok(session) => revoke_session::run(&reader.cx, &reader.actor, session).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (session, user_errors) = payload(result, Some(reader))?;
        let session = session.map(|model| Session::new(reader, model));
        Ok(RevokeSessionPayload { session, user_errors })
    }

    /// Changes the caller's password and ends the caller's other sessions; this one goes on.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The password that holds now.")] current: String,
        #[graphql(desc = "The password that is to hold.")] next: String,
    ) -> Result<ChangePasswordPayload, ApiError> {
        let reader = staff(ctx)?;
        let result = change_password::run(&reader.cx, &reader.actor, current, next).await;
        let (ended, user_errors) = payload(result, Some(reader))?;
        let revoked_sessions = ended.map_or(0, |ended| i32::try_from(ended).unwrap_or(i32::MAX));
        Ok(ChangePasswordPayload { ok: ended.is_some(), revoked_sessions, user_errors })
    }
}
