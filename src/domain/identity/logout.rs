//! Logout: ends the session that the access token belongs to.

use super::session::ended_by;
use crate::{
    auth::Actor,
    db::Access,
    domain::{change::Changes, cx::Cx, refusal::Failure},
};

/// Ends the caller's session. Repeating it changes nothing. Returns whether there was one.
///
/// # Errors
/// Faults of the database.
pub async fn run(cx: &Cx, actor: &Actor) -> Result<bool, Failure> {
    let Some(session) = actor.session else { return Ok(false) };
    let tx = cx.db.begin(&actor.tenant, Access::Write).await?;
    let ended = tx
        .run(
            "UPDATE sessions SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
            [session.into(), cx.now().into()],
        )
        .await?;
    let mut changes = Changes::by(actor);
    if ended > 0 {
        changes.push(ended_by("logout", session, cx.now()));
    }
    cx.commit(tx, changes).await?;
    Ok(ended > 0)
}
