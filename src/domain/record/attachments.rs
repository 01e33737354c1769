//! The files of entries: those that are listed with them, and those that their values name.

use std::collections::{BTreeMap, HashMap};

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{access::same_person, draft::Writing};
use crate::{
    auth::Actor,
    db::TenantTx,
    domain::{
        fields::{Attached, FieldDefinition, Values},
        files::held::{self, open_file},
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
        let mut signed: Vec<_> = held.iter().map(|one| (one.id, hex::encode(&one.sha256))).collect();
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

/// The files that the values of these fields name, each with the keys of the fields that name it.
pub(super) fn named(fields: &[FieldDefinition], values: &Values) -> BTreeMap<Uuid, Vec<String>> {
    let mut named: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
    for field in fields.iter().filter(|field| field.kind.is_attachment()) {
        let words = values.get(&field.key).and_then(|list| list.as_array()).into_iter().flatten();
        for id in words.filter_map(|word| Uuid::parse_str(word.as_str()?).ok()) {
            named.entry(id).or_default().push(field.key.clone());
        }
    }
    named
}

/// Refuses files that are not there, not ready, another person's, or in fields that are not for the writer: listed here,
/// everybody would see them.
pub(super) async fn require(
    tx: &TenantTx,
    actor: &Actor,
    writing: &Writing,
    named: &[Attached],
) -> Result<(), Failure> {
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
        ") AND ",
        open_file!("$3")
    );
    let ids: Vec<Uuid> = wanted.iter().map(|(id, _)| *id).collect();
    let there: Vec<Uuid> = tx.scalars(sql, [writing.patient.into(), ids.into(), held::permissions(actor)]).await?;
    match wanted.iter().find(|(id, _)| !there.contains(id)) {
        Some((_, field)) => Err(Refusal::not_found(field).into()),
        None => Ok(()),
    }
}

/// Makes these the files of a draft.
pub(super) async fn write(
    tx: &TenantTx,
    entry: Uuid,
    listed: &[Uuid],
    named: &BTreeMap<Uuid, Vec<String>>,
) -> Result<(), Failure> {
    let mut ids: Vec<Uuid> = Vec::new();
    for id in listed.iter().chain(named.keys()) {
        if !ids.contains(id) {
            ids.push(*id);
        }
    }
    let is_listed: Vec<bool> = ids.iter().map(|id| listed.contains(id)).collect();
    let (files, keys): (Vec<Uuid>, Vec<String>) =
        named.iter().flat_map(|(id, keys)| keys.iter().map(move |key| (*id, key.clone()))).unzip();
    tx.run("DELETE FROM record_attachments WHERE entry_id = $1", [entry.into()]).await?;
    tx.run(
        "INSERT INTO record_attachments (entry_id, attachment_id, listed, position, field_keys)
         SELECT $1, x.id, x.listed, x.position,
             ARRAY(SELECT n.field FROM unnest($4::uuid[], $5::text[]) AS n (file, field) WHERE n.file = x.id)
         FROM unnest($2::uuid[], $3::boolean[]) WITH ORDINALITY AS x (id, listed, position)",
        [entry.into(), ids.into(), is_listed.into(), files.into(), keys.into()],
    )
    .await?;
    Ok(())
}
