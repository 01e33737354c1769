//! Which keys a centre has, and how far a change of them is.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;

use super::columns::COLUMNS;
use crate::{
    auth::Actor,
    db::{Access, TenantTx},
    domain::{cx::Cx, refusal::Failure},
};

/// A key as it lies in the database; nothing of what it is.
#[derive(Clone, Debug, FromQueryResult)]
pub struct KeyState {
    /// DATA or INDEX.
    pub purpose: String,
    /// Which one, from 1.
    pub version: i32,
    /// The name of the master key that it is wrapped with.
    pub master_key: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Since when no value needs it.
    pub retired_at: Option<DateTime<Utc>>,
}

/// The keys of a centre, and what is sealed with them.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its keys, oldest first.
    pub keys: Vec<KeyState>,
    /// How many values are still sealed with another key than the newest.
    pub older: i64,
    /// How many sealed values there are.
    pub total: i64,
}

impl Status {
    /// The version that seals; 0: there is none yet.
    #[must_use]
    pub fn newest(&self) -> i32 {
        self.data().map(|key| key.version).max().unwrap_or_default()
    }

    /// Whether a change of the key has begun and not ended.
    #[must_use]
    pub fn is_rotating(&self) -> bool {
        let newest = self.newest();
        self.data().any(|key| key.version < newest && key.retired_at.is_none())
    }

    fn data(&self) -> impl Iterator<Item = &KeyState> {
        self.keys.iter().filter(|key| key.purpose == "DATA")
    }
}

/// How it is now, also of a centre that is closed: it may open again. Looks at every sealed value.
///
/// # Errors
/// Faults of the database.
pub async fn run(cx: &Cx, actor: &Actor) -> Result<Status, Failure> {
    let tx = cx.db.begin(&actor.tenant, Access::Read).await?;
    super::take_time(&tx).await?;
    let keys: Vec<KeyState> = tx
        .all(
            "SELECT purpose, version, master_key, created_at, retired_at FROM tenant_keys ORDER BY purpose, version",
            [],
        )
        .await?;
    let mut status = Status { keys, older: 0, total: 0 };
    (status.older, status.total) = count(&tx, status.newest()).await?;
    tx.commit().await?;
    Ok(status)
}

#[derive(FromQueryResult)]
struct Count {
    older: i64,
    total: i64,
}

/// How many values are sealed with older versions than this one, and how many there are.
pub(super) async fn count(tx: &TenantTx, version: i32) -> Result<(i64, i64), Failure> {
    let mut sum = (0, 0);
    for column in COLUMNS {
        let found: Option<Count> = tx.find(column.count, [version.into()]).await?;
        if let Some(Count { older, total }) = found {
            sum = (sum.0 + older, sum.1 + total);
        }
    }
    Ok(sum)
}
