//! Goes over to a centre's newest key: every value that is sealed with an older one is opened and sealed anew, batch by
//! batch, while the centre works on.
//!
//! What is done is seen on the values themselves, so that whoever goes on, after a stop at any point, does the rest. A
//! value that somebody changes meanwhile keeps the change: it is replaced only where it is still what was read.

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    TenantKeys,
    columns::{COLUMNS, SealedColumn},
    status,
};
use crate::{
    auth::{Actor, keyring::Place},
    db::Reseal,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::Failure,
    },
};

/// Values of one statement.
const BATCH: i64 = 500;
/// Rounds over everything. The second finds what changed hands during the first; more are for bad luck.
const ROUNDS: usize = 5;

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    field: String,
    sealed: Vec<u8>,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Values sealed anew.
    pub resealed: u64,
    /// What does not open with any key: where the first of them is.
    pub broken: Option<String>,
    /// Whether it was stopped before it was through: the old keys are needed until somebody does the rest.
    pub stopped: bool,
}

/// Goes over everything. `stopped` is asked before each batch.
///
/// # Errors
/// Faults of the database, master keys that are missing or wrong, values that do not open (everything else is done then).
pub async fn run(cx: &Cx, actor: &Actor, stopped: impl Fn() -> bool + Send) -> Result<Done, Failure> {
    super::require_platform(actor)?;
    let newest = newest(cx, actor).await?;
    wait_for_older_sealers(cx, actor).await?;
    let mut done = Done::default();
    for _ in 0..ROUNDS {
        for column in COLUMNS {
            let mut behind = (Uuid::nil(), String::new());
            loop {
                if stopped() {
                    return Ok(Done { stopped: true, ..done });
                }
                let Some(last) = batch(cx, actor, column, newest, &behind, &mut done).await? else { break };
                behind = last;
            }
        }
        let tx = cx.read(actor).await?;
        super::take_time(&tx).await?;
        let (older, _) = status::count(&tx, newest).await?;
        tx.commit().await?;
        if older == 0 {
            retire(cx, actor, newest).await?;
            return Ok(done);
        }
        if done.broken.is_some() {
            break;
        }
    }
    let what = done.broken.unwrap_or_else(|| "values went on changing hands".to_owned());
    Err(Failure::fault(format!("{} values were sealed anew, and not all: {what}", done.resealed)))
}

/// The version that seals now; 0: the centre has no keys yet.
async fn newest(cx: &Cx, actor: &Actor) -> Result<i32, Failure> {
    let tx = cx.read(actor).await?;
    let keys = TenantKeys::to_open(cx, &tx).await?;
    tx.commit().await?;
    Ok(keys.newest().unwrap_or_default())
}

/// Waits for the transactions that may still seal with an older key; whoever begins now sees the newest.
async fn wait_for_older_sealers(cx: &Cx, actor: &Actor) -> Result<(), Failure> {
    let tx = cx.write(actor).await?;
    tx.run(concat!("SELECT pg_advisory_xact_lock(", super::sealing_lock!(), ")"), []).await?;
    Ok(tx.commit().await?)
}

/// Seals the next values of a column anew; the last of them, or none when there is none left.
async fn batch(
    cx: &Cx,
    actor: &Actor,
    column: &SealedColumn,
    newest: i32,
    behind: &(Uuid, String),
    done: &mut Done,
) -> Result<Option<(Uuid, String)>, Failure> {
    let tx = cx.read(actor).await?;
    super::take_time(&tx).await?;
    let values = [newest.into(), behind.0.into(), behind.1.as_str().into(), BATCH.into()];
    let rows: Vec<Row> = tx.all(column.older, values).await?;
    let keys = TenantKeys::to_open(cx, &tx).await?;
    tx.commit().await?;
    let Some(last) = rows.last().map(|row| (row.id, row.field.clone())) else { return Ok(None) };
    let mut reseal = Reseal::new(column.table, column.column, column.row, column.field);
    for Row { id, field, sealed } in rows {
        let place = Place { table: column.table, column: column.column, row: id, field: &field };
        match keys.open(&place, &sealed) {
            Ok(plain) => {
                let anew = keys.seal(&place, &plain)?;
                reseal.push(id, field, sealed, anew);
            }
            Err(Failure::Fault(fault)) => drop(done.broken.get_or_insert_with(|| fault.to_string())),
            Err(refused) => return Err(refused),
        }
    }
    done.resealed += cx.db.reseal(&actor.tenant, reseal).await?;
    Ok(Some(last))
}

async fn retire(cx: &Cx, actor: &Actor, newest: i32) -> Result<(), Failure> {
    if cx.db.retire_keys(&actor.tenant, newest - 1, cx.now()).await? == 0 {
        return Ok(());
    }
    let tx = cx.write(actor).await?;
    let change = Change {
        after: Some(facts!({ "dataKey": newest })),
        ..Change::audited("retireKeys", "Tenant", actor.tenant.id.0)
    };
    cx.commit(tx, Changes::one(actor, change)).await
}
