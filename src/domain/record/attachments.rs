//! The files of entries: those that are listed with them, and those that their values name.

use std::collections::{BTreeSet, HashMap};

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{access::same_person, draft::Writing};
use crate::{
    db::TenantTx,
    domain::{
        fields::{Attached, FieldDefinition, Values},
        refusal::{Failure, Refusal},
    },
};

/// Most files listed with one entry.
const MAX_LISTED: usize = 50;

/// A file of an entry.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Held {
    entry_id: Uuid,
    pub id: Uuid,
    /// Whether it is listed with the entry; otherwise a value names it.
    pub listed: bool,
    sha256: Vec<u8>,
}

impl Held {
    /// What is signed of it: which, and the hash of its bytes.
    pub fn signed(held: &[Self]) -> Vec<(Uuid, String)> {
        let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut signed: Vec<_> = held.iter().map(|one| (one.id, hexadecimal(&one.sha256))).collect();
        signed.sort();
        signed
    }
}

/// The files of these entries, in their order.
pub(super) async fn of(tx: &TenantTx, entries: Vec<Uuid>) -> Result<HashMap<Uuid, Vec<Held>>, Failure> {
    let rows: Vec<Held> = tx
        .all(
            "SELECT r.entry_id, a.id, r.listed, a.sha256 FROM record_attachments r JOIN attachments a ON a.id = r.attachment_id
             WHERE r.entry_id = ANY ($1) ORDER BY r.entry_id, r.position",
            [entries.into()],
        )
        .await?;
    let mut found: HashMap<Uuid, Vec<Held>> = HashMap::new();
    for row in rows {
        found.entry(row.entry_id).or_default().push(row);
    }
    Ok(found)
}

/// The files that the values of these fields name.
pub(super) fn named(fields: &[FieldDefinition], values: &Values) -> BTreeSet<Uuid> {
    let lists = fields.iter().filter(|field| field.kind.is_attachment()).filter_map(|field| values.get(&field.key));
    let words = lists.filter_map(|list| list.as_array()).flatten();
    words.filter_map(|word| Uuid::parse_str(word.as_str()?).ok()).collect()
}

/// Refuses files that are not there, not ready, or another person's.
pub(super) async fn require(tx: &TenantTx, writing: &Writing, named: &[Attached]) -> Result<(), Failure> {
    let listed = writing.attachments.as_deref().unwrap_or_default();
    if listed.len() > MAX_LISTED {
        let message = format!("list at most {MAX_LISTED} files, not {}", listed.len());
        return Err(Refusal::invalid("attachmentIds", message).into());
    }
    let listed = listed.iter().enumerate().map(|(at, id)| (*id, format!("attachmentIds.{at}")));
    let wanted: Vec<(Uuid, String)> = listed.chain(named.iter().map(|one| (one.id, one.path.clone()))).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let sql = concat!(
        "SELECT a.id FROM attachments a WHERE a.id = ANY ($2) AND a.status = 'READY' AND a.patient_id IN (",
        same_person!("$1"),
        ")"
    );
    let ids: Vec<Uuid> = wanted.iter().map(|(id, _)| *id).collect();
    let there: Vec<Uuid> = tx.scalars(sql, [writing.patient.into(), ids.into()]).await?;
    match wanted.iter().find(|(id, _)| !there.contains(id)) {
        Some((_, field)) => Err(Refusal::not_found(field).into()),
        None => Ok(()),
    }
}

/// Makes these the files of a draft.
pub(super) async fn write(tx: &TenantTx, entry: Uuid, listed: &[Uuid], named: &BTreeSet<Uuid>) -> Result<(), Failure> {
    let mut ids: Vec<Uuid> = Vec::new();
    for id in listed.iter().chain(named) {
        if !ids.contains(id) {
            ids.push(*id);
        }
    }
    let is_listed: Vec<bool> = ids.iter().map(|id| listed.contains(id)).collect();
    tx.run("DELETE FROM record_attachments WHERE entry_id = $1", [entry.into()]).await?;
    tx.run(
        "INSERT INTO record_attachments (entry_id, attachment_id, listed, position) SELECT $1, x.id, x.listed, x.position
         FROM unnest($2::uuid[], $3::boolean[]) WITH ORDINALITY AS x (id, listed, position)",
        [entry.into(), ids.into(), is_listed.into()],
    )
    .await?;
    Ok(())
}
