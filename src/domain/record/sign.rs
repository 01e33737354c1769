//! Signs a draft: from then on it never changes. If it amends another entry, that one counts as amended from the same
//! moment on.

use chrono::{DateTime, Utc, round::SubsecRound};
use serde_json::json;
use uuid::Uuid;

use super::{
    access, attachments,
    entry::{self, Row},
    facts,
    model::{Entry, EntryStatus},
    values,
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        fields,
        refusal::{Failure, Refusal},
        sealing::TenantKeys,
    },
};

/// Signs it.
///
/// # Errors
/// An entry that is no draft (any more), a stale version, required fields without values, an unknown id, a missing
/// permission, a centre that keeps no records, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid, version: i32) -> Result<Entry, Failure> {
    actor.require(Permission::RecordSign, Scope::Anywhere)?;
    // Nobody signs what they may not read.
    actor.require(Permission::RecordRead, Scope::Anywhere)?;
    let signer = access::person(actor)?;
    let tx = cx.write(actor).await?;
    access::require_kept(&tx).await?;
    let row = lock(&tx, actor, id, version, EntryStatus::Signed).await?;
    let amends = row.amends_id;
    let before = facts::entry(&entry::one(cx, &tx, actor, id).await?);
    // What the database keeps of an instant, because that is what is signed.
    let now = cx.now().trunc_subsecs(6);
    write(cx, &tx, row, signer, now).await?;
    let after = entry::one(cx, &tx, actor, id).await?;
    let mut changes = Changes::one(
        actor,
        Change {
            data: json!({ "patientId": after.patient }),
            before: Some(before),
            after: Some(facts::entry(&after)),
            ..Change::event("record.signed", "signRecordEntry", "RecordEntry", id)
        },
    );
    if let Some(amended) = amends {
        changes.push(amend(cx, &tx, actor, amended).await?);
    }
    cx.commit(tx, changes).await?;
    Ok(after)
}

/// The draft that is to go there, locked. Who does not see its patient does not learn that it is there.
pub(super) async fn lock(
    tx: &TenantTx,
    actor: &Actor,
    id: Uuid,
    version: i32,
    to: EntryStatus,
) -> Result<Row, Failure> {
    let row = entry::locked(tx, id).await?.ok_or_else(|| Refusal::not_found("id"))?;
    access::require_visible(tx, actor, row.patient_id, "id").await?;
    EntryStatus::parse(&row.status)?.go(to)?;
    if row.version == version { Ok(row) } else { Err(Refusal::version_conflict(row.version).into()) }
}

async fn write(cx: &Cx, tx: &TenantTx, row: Row, signer: Uuid, now: DateTime<Utc>) -> Result<(), Failure> {
    let sealed = values::sealed(tx, vec![row.id]).await?;
    let keys = TenantKeys::to_seal(cx, tx).await?;
    let texts = values::opened(&keys, sealed)?.remove(&row.id).unwrap_or_default();
    let (template, values) = (row.template()?, values::read(&texts)?);
    let missing: Vec<Refusal> = fields::missing(&template.fields, &values)
        .map(|field| Refusal::required(&format!("values.{}", field.key), format!("fill in `{}` first", field.label)))
        .collect();
    if !missing.is_empty() {
        return Err(missing.into());
    }
    let reason = row.reason(&keys)?;
    let held = attachments::of(tx, vec![row.id]).await?.remove(&row.id).unwrap_or_default();
    let hash = row.content(reason.as_deref(), &texts, &held, signer, now).hash(&keys)?;
    tx.run(
        "UPDATE record_entries SET status = 'SIGNED', signed_at = $2, signed_by = $3, signature = $4, version = version + 1,
             updated_at = $2 WHERE id = $1 AND status = 'DRAFT'",
        [row.id.into(), now.into(), signer.into(), hash.into()],
    )
    .await?;
    Ok(())
}

/// Marks the entry whose place another one has taken.
async fn amend(cx: &Cx, tx: &TenantTx, actor: &Actor, id: Uuid) -> Result<Change, Failure> {
    let marked = tx
        .run(
            "UPDATE record_entries SET status = 'AMENDED', version = version + 1, updated_at = $2 WHERE id = $1 AND status = 'SIGNED'",
            [id.into(), cx.now().into()],
        )
        .await?;
    if marked != 1 {
        return Err(Failure::fault("an amendment was signed of something that is not signed"));
    }
    let amended = entry::one(cx, tx, actor, id).await?;
    Ok(Change {
        data: json!({ "patientId": amended.patient }),
        before: Some(facts::entry(&amended).with("status", EntryStatus::Signed.as_str())),
        after: Some(facts::entry(&amended)),
        ..Change::event("record.amended", "signRecordEntry", "RecordEntry", id)
    })
}
