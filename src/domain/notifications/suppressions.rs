//! Addresses that get no mail any more. They are written where a relay's refusal is ([`super::delivery`]).

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        cx::Cx,
        page::{Page, PageRequest},
        refusal::Failure,
    },
};

/// An address that gets no mail any more.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Suppression {
    /// Its id.
    pub id: Uuid,
    /// The address, in lower case.
    pub email: String,
    /// Why, as a word.
    pub reason: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// Key of the list's order: `(at, id)`, latest first.
pub type SuppressionKey = (DateTime<Utc>, Uuid);

const SELECT_FORWARDS: &str = "SELECT id, email, reason, at FROM suppressions
     WHERE $1::timestamptz IS NULL OR (at, id) < ($1, $2) ORDER BY at DESC, id DESC LIMIT $3";
const SELECT_BACKWARDS: &str = "SELECT id, email, reason, at FROM suppressions
     WHERE $1::timestamptz IS NULL OR (at, id) > ($1, $2) ORDER BY at, id LIMIT $3";

/// A page of them, latest first. An address belongs to the whole centre, not to one of its branches.
///
/// # Errors
/// When the caller may not see mailings; faults of the database.
pub async fn list(cx: &Cx, actor: &Actor, page: &PageRequest<SuppressionKey>) -> Result<Page<Suppression>, Failure> {
    actor.require(Permission::CrmRead, Scope::Anywhere)?;
    let tx = cx.read(actor).await?;
    let sql = if page.backwards { SELECT_BACKWARDS } else { SELECT_FORWARDS };
    let rows = tx
        .all(sql, [page.from.map(|key| key.0).into(), page.from.map(|key| key.1).into(), page.fetch().into()])
        .await?;
    tx.commit().await?;
    Ok(page.page(rows))
}
