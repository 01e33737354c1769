//! Changes a patient. Somebody who comes second with an old version is refused.

use uuid::Uuid;

use super::{
    create::{Attachments, checked, replace_guardians, rewrite},
    facts,
    input::{Draft, PatientInput},
    model::Patient,
    query, values,
};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        refusal::{Failure, Refusal},
    },
};

/// Changes it.
///
/// # Errors
/// Values that do not fit, a stale version, NOT_FOUND, INVALID for one that was merged, a missing permission, faults.
pub async fn run(
    cx: &Cx,
    actor: &Actor,
    id: Uuid,
    version: i32,
    input: PatientInput,
    attachments: &Attachments,
) -> Result<Patient, Failure> {
    actor.require(Permission::PatientWrite, Scope::Anywhere)?;
    cx.retrying(|| attempt(cx, actor, id, version, &input, attachments)).await
}

async fn attempt(
    cx: &Cx,
    actor: &Actor,
    id: Uuid,
    version: i32,
    input: &PatientInput,
    attachments: &Attachments,
) -> Result<Patient, Failure> {
    let tx = cx.write(actor).await?;
    let before = query::lock(&tx, actor, Permission::PatientWrite, id, "id").await?;
    if before.profile.merged_into.is_some() {
        return Err(Refusal::invalid("id", "this patient was merged; change the one in mergedInto").into());
    }
    if before.brief.version != version {
        return Err(Refusal::version_conflict(before.brief.version).into());
    }
    let sealed = values::opened(cx, &tx, vec![id]).await?.remove(&id).unwrap_or_default();
    let was = Draft { sealed, ..Draft::of(&before) };
    let draft = checked(cx, actor, &tx, Some(id), was.clone(), input.clone(), attachments).await?;
    rewrite(cx, &tx, id, &draft).await?;
    values::write(cx, &tx, id, &was.sealed, &draft.sealed).await?;
    if draft.guardians != was.guardians {
        replace_guardians(&tx, id, &draft.guardians).await?;
    }
    let after = query::written(&tx, id).await?;
    let change = Change {
        before: Some(facts::patient(&was).with("version", version)),
        after: Some(facts::patient(&draft).with("version", after.brief.version)),
        ..Change::event("patient.updated", "updatePatient", "Patient", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(after)
}
