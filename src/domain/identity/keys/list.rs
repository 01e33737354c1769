//! The keys of a centre that are not revoked, newest first.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{ApiKey, Row, columns};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        cx::Cx,
        page::{Page, PageRequest, Statements, counting},
        refusal::Failure,
    },
};

/// Key of the list's order: `(created, id)`, newest first.
pub type Key = (DateTime<Utc>, Uuid);

macro_rules! page_of_keys {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM api_keys WHERE revoked_at IS NULL AND ($1::timestamptz IS NULL OR (created_at, id) ",
            $beyond,
            " ($1, $2)) ORDER BY ",
            $order,
            " LIMIT $3"
        )
    };
}

const LIST: Statements = Statements {
    forwards: page_of_keys!("<", "created_at DESC, id DESC"),
    backwards: page_of_keys!(">", "created_at, id"),
    count: counting!(page_of_keys!("<", "created_at DESC, id DESC")),
};

/// A page of them.
///
/// # Errors
/// FORBIDDEN; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, page: &PageRequest<Key>) -> Result<Page<ApiKey>, Failure> {
    actor.require(Permission::UserAdmin, Scope::Centre)?;
    let tx = cx.read(actor).await?;
    let values = |page: &PageRequest<Key>| {
        let (at, id) = page.from.unzip();
        [at.into(), id.into(), page.fetch().into()]
    };
    let found: Page<Row> = page.read(&tx, LIST, values).await?;
    tx.commit().await?;
    Ok(found.map(ApiKey::from))
}

/// The keys with these ids, in no order; those that were revoked too.
///
/// # Errors
/// FORBIDDEN; faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<ApiKey>, Failure> {
    actor.require(Permission::UserAdmin, Scope::Centre)?;
    let sql = concat!("SELECT ", columns!(), " FROM api_keys WHERE id = ANY ($1)");
    let rows: Vec<Row> = tx.all(sql, [ids.into()]).await?;
    Ok(rows.into_iter().map(ApiKey::from).collect())
}
