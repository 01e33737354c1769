//! Sealing: values that lie in the database encrypted, with keys of the centre's own.
//!
//! [`TenantKeys`] are read in the transaction that needs them, and not kept in memory beyond it: a key that a node
//! remembers would go on sealing after it has been replaced. Reading them is one statement, unwrapping them
//! microseconds.
//!
//! - To write: `TenantKeys::to_seal(cx, &tx)`, then `seal`. While the transaction lasts, no rotation takes the key for
//!   replaced that it seals with.
//! - To read: first the sealed rows, then `TenantKeys::to_open(cx, &tx)`, then `open`. In this order every value's key is
//!   there, however many rotations went on meanwhile.
//! - To search for an exact value: store `hash` beside the sealed value and compare hashes.

pub mod columns;
pub mod reseal;
pub mod rewrap;
pub mod rotate;
pub mod status;

use std::{collections::BTreeMap, time::Duration};

use sea_orm::FromQueryResult;
use zeroize::Zeroizing;

use super::{
    cx::Cx,
    refusal::{Code, Failure, Refusal},
};
use crate::{
    auth::{
        Actor, ActorKind,
        keyring::{KeyName, Place, Purpose, SecretKey, UnwrapError, WrappedKey, sealed_version},
    },
    db::{TenantId, TenantTx},
};

/// What is locked, shared by who seals, and alone by who goes over to a new key.
macro_rules! sealing_lock {
    () => {
        "hashtextextended('horae sealing ' || current_schema()::text, 0)"
    };
}
use sealing_lock;

#[derive(FromQueryResult)]
struct Row {
    purpose: String,
    version: i32,
    master_key: String,
    wrapped: Vec<u8>,
}

/// A key, or why it cannot be had: which matters only if it is needed.
type Held = Result<SecretKey, UnwrapError>;

/// The keys of one centre, for as long as one transaction lasts.
#[derive(Debug)]
pub struct TenantKeys {
    tenant: TenantId,
    data: BTreeMap<i32, Held>,
    index: Option<Held>,
}

impl TenantKeys {
    /// The keys to seal with; the first who asks makes them. Holds off the end of a rotation until the transaction ends.
    ///
    /// # Errors
    /// Faults of the database, a master key that is missing or wrong.
    pub async fn to_seal(cx: &Cx, tx: &TenantTx) -> Result<Self, Failure> {
        // A statement of its own before the keys are read: what is read afterwards is what is true while the lock is held.
        tx.run(concat!("SELECT pg_advisory_xact_lock_shared(", sealing_lock!(), ")"), []).await?;
        let keys = Self::load(cx, tx).await?;
        if keys.index.is_some() && !keys.data.is_empty() {
            return Ok(keys);
        }
        for purpose in [Purpose::Data, Purpose::Index] {
            let name = KeyName { tenant: tx.tenant().id, purpose, version: 1 };
            insert(cx, tx, &name, &SecretKey::random()).await?;
        }
        // Of two who were first at once, one has waited for the other and reads the other's.
        Self::load(cx, tx).await
    }

    /// The keys to open with what was read in this transaction before, and to look for hashes.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn to_open(cx: &Cx, tx: &TenantTx) -> Result<Self, Failure> {
        Self::load(cx, tx).await
    }

    async fn load(cx: &Cx, tx: &TenantTx) -> Result<Self, Failure> {
        let mut keys = Self { tenant: tx.tenant().id, data: BTreeMap::new(), index: None };
        for row in rows(tx).await? {
            let name = name_of(keys.tenant, &row);
            let held = cx.masters.unwrap(&name, &WrappedKey { master: row.master_key, bytes: row.wrapped });
            match name.purpose {
                Purpose::Data => drop(keys.data.insert(name.version, held)),
                Purpose::Index => keys.index = Some(held),
            }
        }
        Ok(keys)
    }

    /// The version that seals; none: the centre has no keys yet.
    #[must_use]
    pub fn newest(&self) -> Option<i32> {
        self.data.last_key_value().map(|(version, _)| *version)
    }

    /// The sealed form of a value that will lie there.
    ///
    /// # Errors
    /// A master key that is missing or wrong; keys that were not read to seal.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, Failure> {
        let (version, held) = self
            .data
            .last_key_value()
            .ok_or_else(|| Failure::fault("the centre's keys were not made before sealing"))?;
        Ok(had(held)?.seal(self.tenant, *version, place, plain))
    }

    /// The value that lies there sealed.
    ///
    /// # Errors
    /// A value that was changed or moved, a key that is missing, a master key that is missing or wrong.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let Place { table, column, row, .. } = place;
        let held = sealed_version(sealed).and_then(|version| self.data.get(&version)).ok_or_else(|| {
            Failure::fault(format!("{table}.{column} of {row} is sealed with a key that this centre does not have"))
        })?;
        had(held)?.open(self.tenant, place, sealed).ok_or_else(|| {
            Failure::fault(format!(
                "{table}.{column} of {row} does not open: it was changed, or is not where it was put"
            ))
        })
    }

    /// The keyed hash of a value, the same for ever for the same use and value, to find it by. Write the value in one way
    /// only: trimmed, in one case, without separators. None: the centre has no keys yet, so nothing of it can be found.
    ///
    /// # Errors
    /// A master key that is missing or wrong.
    pub fn hash(&self, usage: &[&str], value: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        self.index.as_ref().map(|held| Ok(had(held)?.hash(usage, value))).transpose()
    }
}

async fn rows(tx: &TenantTx) -> Result<Vec<Row>, Failure> {
    let sql = "SELECT purpose, version, master_key, wrapped FROM tenant_keys ORDER BY purpose, version";
    Ok(tx.all(sql, []).await?)
}

fn name_of(tenant: TenantId, row: &Row) -> KeyName {
    let purpose = if row.purpose == Purpose::Index.as_str() { Purpose::Index } else { Purpose::Data };
    KeyName { tenant, purpose, version: row.version }
}

/// Keys are the platform's business: no user of a centre changes them, whatever the user's permissions.
fn require_platform(actor: &Actor) -> Result<(), Failure> {
    match actor.kind {
        ActorKind::System | ActorKind::PlatformOperator => Ok(()),
        ActorKind::User | ActorKind::Patient | ActorKind::ApiKey => {
            Err(Refusal::new(Code::Forbidden, "keys are changed by who runs the server").into())
        }
    }
}

/// Whoever looks at every sealed value of a large centre takes longer than a request may.
async fn take_time(tx: &TenantTx) -> Result<(), Failure> {
    Ok(tx.take_time(Duration::from_secs(30 * 60)).await?)
}

/// Adds a key of the centre, unless it is there.
async fn insert(cx: &Cx, tx: &TenantTx, name: &KeyName, key: &SecretKey) -> Result<u64, Failure> {
    let WrappedKey { master, bytes } = cx.masters.wrap(name, key);
    Ok(tx
        .run(
            "INSERT INTO tenant_keys (purpose, version, master_key, wrapped, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (purpose, version) DO NOTHING",
            [name.purpose.as_str().into(), name.version.into(), master.into(), bytes.into(), cx.now().into()],
        )
        .await?)
}

fn had(held: &Held) -> Result<&SecretKey, Failure> {
    held.as_ref().map_err(|error| Failure::fault(error.to_string()))
}
