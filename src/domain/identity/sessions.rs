//! The list of a user's sessions: one's own for everybody, others' for who administers users.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::session::Session;
use crate::{
    auth::{Actor, ActorKind, Permission, Scope},
    db::TenantTx,
    domain::{
        cx::Cx,
        page::{Page, PageRequest, Statements, counting},
        refusal::{Failure, Refusal},
    },
};

/// Key of the list's order: `(opened, id)`, latest first.
pub type SessionKey = (DateTime<Utc>, Uuid);

/// The columns of [`Session`]; followed by what comes behind FROM.
macro_rules! session_select {
    ($rest:literal) => {
        concat!("SELECT id, user_id, device, ip, created_at, expires_at, revoked_at FROM sessions ", $rest)
    };
}
pub(super) use session_select;

macro_rules! forwards {
    () => {
        session_select!(
            "WHERE user_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3)) ORDER BY created_at DESC, id DESC LIMIT $4"
        )
    };
}

const LIST: Statements = Statements {
    forwards: forwards!(),
    backwards: session_select!(
        "WHERE user_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3)) ORDER BY created_at, id LIMIT $4"
    ),
    count: counting!(forwards!()),
};

/// The user that the caller is; none for programs.
#[must_use]
pub fn own_user(actor: &Actor) -> Option<Uuid> {
    actor.id.filter(|_| actor.kind == ActorKind::User)
}

/// A page of the sessions of `user`, or of the caller's own; those that are over too.
///
/// # Errors
/// When the caller may not see that user's, or there is no such user: the answer is the same. When a program does not
/// say whose. Faults of the database.
pub async fn list(
    cx: &Cx,
    actor: &Actor,
    user: Option<Uuid>,
    page: &PageRequest<SessionKey>,
) -> Result<Page<Session>, Failure> {
    let own = own_user(actor);
    let user = user.or(own).ok_or_else(|| {
        Refusal::required("userId", "a program has no sessions of its own; say whose you want to see")
    })?;
    if own != Some(user) && !actor.may(Permission::UserAdmin, Scope::Centre) {
        return Err(Refusal::not_found("userId").into());
    }
    let tx = cx.read(actor).await?;
    let known: Option<Uuid> = tx.scalar("SELECT id FROM users WHERE id = $1", [user.into()]).await?;
    if known.is_none() {
        return Err(Refusal::not_found("userId").into());
    }
    let values = |page: &PageRequest<SessionKey>| {
        let (at, id) = page.from.unzip();
        [user.into(), at.into(), id.into(), page.fetch().into()]
    };
    let found = page.read(&tx, LIST, values).await?;
    tx.commit().await?;
    Ok(found)
}

/// The sessions with these ids that the caller may see, in no order: the same as in the lists.
///
/// # Errors
/// Faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Session>, Failure> {
    let all = actor.may(Permission::UserAdmin, Scope::Centre);
    let sql = session_select!("WHERE id = ANY ($1) AND ($2 OR user_id = $3)");
    Ok(tx.all(sql, [ids.into(), all.into(), own_user(actor).into()]).await?)
}
