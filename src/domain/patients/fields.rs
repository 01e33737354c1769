//! The fields that a centre has defined for its patients, and their values as somebody may see them.

use sea_orm::FromQueryResult;
use serde_json::Value;

use super::facts;
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        centre,
        change::{Change, Changes},
        cx::Cx,
        fields::{DefinitionInput, FieldDefinition, checked_definitions},
        refusal::{Failure, Refusal},
    },
};

#[derive(FromQueryResult)]
struct Row {
    definition: Value,
    active: bool,
}

/// The fields that there are, in their order.
///
/// # Errors
/// Callers who are not staff; faults of the database.
pub async fn list(cx: &Cx, actor: &Actor) -> Result<Vec<FieldDefinition>, Failure> {
    centre::require_staff(actor)?;
    let tx = cx.read(actor).await?;
    let found = active(&tx).await?;
    tx.commit().await?;
    Ok(found)
}

/// The same within a transaction, whoever asks.
///
/// # Errors
/// Faults of the database.
pub async fn active(tx: &TenantTx) -> Result<Vec<FieldDefinition>, Failure> {
    Ok(sorted(all(tx).await?.into_iter().filter(|(_, active)| *active).map(|(field, _)| field).collect()))
}

/// Those of them whose values the caller may see. A sensitive one that says nothing of it is seen with RECORD_READ.
#[must_use]
pub fn seen(fields: &[FieldDefinition], actor: &Actor) -> Vec<FieldDefinition> {
    let open = |field: &FieldDefinition| {
        !field.sensitive || field.visible_to.is_some() || actor.permissions.has(Permission::RecordRead)
    };
    fields.iter().filter(|field| open(field) && field.is_visible(fields, actor.permissions)).cloned().collect()
}

/// Puts these fields into the place of those that there are. One that is left out is gone with its values, until it is
/// there again; its type and whether it is sensitive stay what they were.
///
/// # Errors
/// Definitions that do not fit, a missing permission, faults of the database.
pub async fn set(cx: &Cx, actor: &Actor, inputs: Vec<DefinitionInput>) -> Result<Vec<FieldDefinition>, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    let order: Vec<String> = inputs.iter().map(|input| input.key.clone()).collect();
    let fields = checked_definitions(inputs, "fields")?;
    let tx = cx.write(actor).await?;
    // One set after the other: two at once would mix.
    tx.run("SELECT 1 FROM centre_profile FOR UPDATE", []).await?;
    let known = all(&tx).await?;
    let mut refusals = Vec::new();
    for (at, key) in order.iter().enumerate() {
        let (Some(now), Some((before, _))) =
            (fields.iter().find(|field| field.key == *key), known.iter().find(|(field, _)| field.key == *key))
        else {
            continue;
        };
        if now.kind != before.kind {
            let message = format!("this key is of a field of the type {}; take another key", before.kind.as_str());
            refusals.push(Refusal::invalid(&format!("fields.{at}.type"), message));
        }
        if now.sensitive != before.sensitive {
            let message = "whether a field is sensitive cannot change; take another key";
            refusals.push(Refusal::invalid(&format!("fields.{at}.sensitive"), message));
        }
    }
    if !refusals.is_empty() {
        return Err(refusals.into());
    }
    let written = serde_json::to_value(&fields).map_err(|error| Failure::fault(error.to_string()))?;
    tx.run("UPDATE patient_fields SET active = false WHERE active", []).await?;
    tx.run(
        "INSERT INTO patient_fields (key, definition) SELECT f.definition ->> 'key', f.definition FROM jsonb_array_elements($1) AS f (definition)
         ON CONFLICT (key) DO UPDATE SET definition = EXCLUDED.definition, active = true",
        [written.into()],
    )
    .await?;
    let before = sorted(known.into_iter().filter(|(_, active)| *active).map(|(field, _)| field).collect());
    let change = Change {
        before: Some(facts::fields(&before)),
        after: Some(facts::fields(&fields)),
        ..Change::event("patient_fields.changed", "setPatientFields", "Tenant", actor.tenant.id.0)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(fields)
}

async fn all(tx: &TenantTx) -> Result<Vec<(FieldDefinition, bool)>, Failure> {
    let rows: Vec<Row> = tx.all("SELECT definition, active FROM patient_fields ORDER BY key", []).await?;
    let read = |row: Row| {
        let field = serde_json::from_value(row.definition);
        field.map(|field| (field, row.active)).map_err(|error| Failure::fault(format!("a patient field: {error}")))
    };
    rows.into_iter().map(read).collect()
}

fn sorted(mut fields: Vec<FieldDefinition>) -> Vec<FieldDefinition> {
    fields.sort_by(|one, other| (one.position, &one.key).cmp(&(other.position, &other.key)));
    fields
}
