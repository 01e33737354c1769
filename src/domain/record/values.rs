//! The values of entries, sealed and opened one by one. Kept as JSON texts: what is signed is signed by the letter.

use std::collections::{BTreeMap, HashMap};

use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    auth::keyring::Place,
    db::TenantTx,
    domain::{fields::Values, refusal::Failure, sealing::TenantKeys},
};

/// Values as they are sealed: JSON texts by the keys of their fields.
pub(super) type Texts = BTreeMap<String, String>;

fn place(entry: Uuid, field: &str) -> Place<'_> {
    Place { table: "record_values", column: "value_sealed", row: entry, field }
}

/// One of an entry's own texts.
pub(super) fn own_place(entry: Uuid, column: &'static str) -> Place<'static> {
    Place { table: "record_entries", column, row: entry, field: "" }
}

/// A sealed text of an entry's own.
pub(super) fn open_text(
    keys: &TenantKeys,
    entry: Uuid,
    column: &'static str,
    sealed: &[u8],
) -> Result<String, Failure> {
    let plain = keys.open(&own_place(entry, column), sealed)?;
    let text = std::str::from_utf8(&plain).map_err(|_| Failure::fault("a sealed text is no text"))?;
    Ok(text.to_owned())
}

/// A value that lies sealed.
#[derive(Debug, FromQueryResult)]
pub(super) struct SealedValue {
    entry_id: Uuid,
    field_key: String,
    value_sealed: Vec<u8>,
}

/// The sealed values of these entries; open them with keys that are read afterwards.
pub(super) async fn sealed(tx: &TenantTx, entries: Vec<Uuid>) -> Result<Vec<SealedValue>, Failure> {
    let sql = "SELECT entry_id, field_key, value_sealed FROM record_values WHERE entry_id = ANY ($1)";
    Ok(tx.all(sql, [entries.into()]).await?)
}

/// The values by their entries.
pub(super) fn opened(keys: &TenantKeys, sealed: Vec<SealedValue>) -> Result<HashMap<Uuid, Texts>, Failure> {
    let mut found: HashMap<Uuid, Texts> = HashMap::new();
    for SealedValue { entry_id, field_key, value_sealed } in sealed {
        let plain = keys.open(&place(entry_id, &field_key), &value_sealed)?;
        let text = std::str::from_utf8(&plain).map_err(|_| Failure::fault("a sealed value is no text"))?;
        found.entry(entry_id).or_default().insert(field_key, text.to_owned());
    }
    Ok(found)
}

/// The values that texts stand for.
pub(super) fn read(texts: &Texts) -> Result<Values, Failure> {
    let read = |(key, text): (&String, &String)| {
        let value = serde_json::from_str(text).map_err(|_| Failure::fault("a sealed value is no JSON"))?;
        Ok((key.clone(), value))
    };
    texts.iter().map(read).collect()
}

/// The texts of values that are there.
pub(super) fn texts(values: &Values) -> Texts {
    values.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), value.to_string())).collect()
}

/// Makes these the values of a draft.
pub(super) async fn write(tx: &TenantTx, keys: &TenantKeys, entry: Uuid, values: &Texts) -> Result<(), Failure> {
    let fields: Vec<String> = values.keys().cloned().collect();
    let sealed = values
        .iter()
        .map(|(field, text)| keys.seal(&place(entry, field), text.as_bytes()))
        .collect::<Result<Vec<_>, _>>()?;
    tx.run(
        "DELETE FROM record_values WHERE entry_id = $1 AND field_key <> ALL ($2)",
        [entry.into(), fields.clone().into()],
    )
    .await?;
    tx.run(
        "INSERT INTO record_values (entry_id, field_key, value_sealed) SELECT $1, x.field, x.sealed
         FROM unnest($2::text[], $3::bytea[]) AS x (field, sealed)
         ON CONFLICT (entry_id, field_key) DO UPDATE SET value_sealed = EXCLUDED.value_sealed",
        [entry.into(), fields.into(), sealed.into()],
    )
    .await?;
    Ok(())
}
