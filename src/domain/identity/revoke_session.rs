//! Ends a session from another place: a lost telephone, a colleague who left a screen open.

use uuid::Uuid;

use super::{
    session::{Session, ended_by},
    sessions::{own_user, session_select},
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::Access,
    domain::{
        change::Changes,
        cx::Cx,
        refusal::{Failure, Refusal},
    },
};

/// Ends a session of the caller's own, or anybody's for who administers users. Repeating it changes nothing.
///
/// # Errors
/// When there is no such session, or none that the caller may see; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, session: Uuid) -> Result<Session, Failure> {
    let everybodys = actor.may(Permission::UserAdmin, Scope::Centre);
    let whose = if everybodys { None } else { Some(own_user(actor).unwrap_or_default()) };
    // Possible in maintenance too, like a logout: it changes nothing of the centre's own.
    let tx = cx.db.begin(&actor.tenant, Access::Write).await?;
    let found: Option<Session> = tx
        .find(
            session_select!("WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2) FOR UPDATE"),
            [session.into(), whose.into()],
        )
        .await?;
    let mut found = found.ok_or_else(|| Refusal::not_found("sessionId"))?;
    let mut changes = Changes::by(actor);
    if found.revoked_at.is_none() {
        let now = cx.now();
        tx.run("UPDATE sessions SET revoked_at = $2 WHERE id = $1", [session.into(), now.into()]).await?;
        found.revoked_at = Some(now);
        changes.push(ended_by("revokeSession", session, now));
    }
    cx.commit(tx, changes).await?;
    Ok(found)
}
