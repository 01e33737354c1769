//! Addresses that get no mail any more. They are written where a relay's refusal is ([`super::delivery`]).

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        cx::Cx,
        page::{Page, PageRequest, Statements, counting},
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

macro_rules! suppressions_page {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT id, email, reason, at FROM suppressions WHERE $1::timestamptz IS NULL OR (at, id) ",
            $beyond,
            " ($1, $2) ORDER BY ",
            $order,
            " LIMIT $3"
        )
    };
}

const LIST: Statements = Statements {
    forwards: suppressions_page!("<", "at DESC, id DESC"),
    backwards: suppressions_page!(">", "at, id"),
    count: counting!(suppressions_page!("<", "at DESC, id DESC")),
};

/// A page of them, latest first. An address belongs to the whole centre, not to one of its branches.
///
/// # Errors
/// When the caller may not see mailings; faults of the database.
pub async fn list(cx: &Cx, actor: &Actor, page: &PageRequest<SuppressionKey>) -> Result<Page<Suppression>, Failure> {
    actor.require(Permission::CrmRead, Scope::Anywhere)?;
    let tx = cx.read(actor).await?;
    let values = |page: &PageRequest<SuppressionKey>| {
        let (at, id) = page.from.unzip();
        [at.into(), id.into(), page.fetch().into()]
    };
    let found = page.read(&tx, LIST, values).await?;
    tx.commit().await?;
    Ok(found)
}

/// Those with these ids, in no order.
///
/// # Errors
/// When the caller may not see mailings; faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Suppression>, Failure> {
    actor.require(Permission::CrmRead, Scope::Anywhere)?;
    Ok(tx.all("SELECT id, email, reason, at FROM suppressions WHERE id = ANY ($1)", [ids.into()]).await?)
}
