//! Writes a draft about a patient, or changes one. Its author writes it; who signs it may be somebody else.

use serde_json::json;
use uuid::Uuid;

pub use super::draft::{OpenAttachment, Writing};
use super::{
    access, draft,
    entry::{self, Row},
    facts,
    model::{Entry, EntryStatus},
    templates, values,
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        centre::check::Check,
        change::{Change, Changes},
        cx::Cx,
        fields::Values,
        refusal::{Code, Failure, Refusal},
        sealing::TenantKeys,
    },
};

/// A draft to begin (no id) or to change.
#[derive(Clone, Debug)]
pub struct Input {
    /// Which to change.
    pub id: Option<Uuid>,
    /// The version that the change is based on.
    pub version: Option<i32>,
    /// What is written.
    pub writing: Writing,
}

/// Begins or changes it.
///
/// # Errors
/// Values that do not fit, a stale version, an entry that is no draft or somebody else's, unknown ids, a missing
/// permission, a centre that keeps no records, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Entry, Failure> {
    actor.require(Permission::RecordWrite, Scope::Anywhere)?;
    let author = access::person(actor)?;
    let mut check = Check::default();
    check.version(input.id, input.version);
    check.done()?;
    let tx = cx.write(actor).await?;
    access::require_kept(&tx).await?;
    let writing = &draft::about_the_kept(&tx, actor, input.writing).await?;
    draft::require_appointment(&tx, writing).await?;
    let (id, before) = match input.id.zip(input.version) {
        Some((id, version)) => (id, Some(change(cx, &tx, actor, (id, version), writing).await?)),
        None => (begin(cx, &tx, actor, author, writing).await?, None),
    };
    let after = entry::one(cx, &tx, actor, id).await?;
    cx.commit(tx, Changes::one(actor, saved("saveRecordEntry", before.as_ref(), &after))).await?;
    Ok(after)
}

/// The change that a saved draft is.
pub(super) fn saved(action: &'static str, before: Option<&Entry>, after: &Entry) -> Change {
    Change {
        data: json!({ "patientId": after.patient }),
        before: before.map(facts::entry),
        after: Some(facts::entry(after)),
        ..Change::event("record.entry_saved", action, "RecordEntry", after.id)
    }
}

async fn begin(cx: &Cx, tx: &TenantTx, actor: &Actor, author: Uuid, writing: &Writing) -> Result<Uuid, Failure> {
    let template = templates::newest(tx, true, vec![writing.template]).await?.pop();
    let template = template.ok_or_else(|| Refusal::not_found("templateId"))?;
    let drafted = draft::merged(actor, &template, Values::new(), writing)?;
    let keys = TenantKeys::to_seal(cx, tx).await?;
    let id = cx.new_id();
    let new =
        draft::NewDraft { id, writing, template_version: template.version, author, amendment: None, at: cx.now() };
    draft::insert(tx, &keys, new).await?;
    draft::write(tx, actor, &keys, id, (writing, &drafted), Vec::new()).await?;
    Ok(id)
}

/// Changes a draft; it as it was before.
async fn change(
    cx: &Cx,
    tx: &TenantTx,
    actor: &Actor,
    (id, version): (Uuid, i32),
    writing: &Writing,
) -> Result<Entry, Failure> {
    let row = entry::locked(tx, id).await?.ok_or_else(|| Refusal::not_found("id"))?;
    may_change(tx, actor, &row, version, writing).await?;
    let template = row.template()?;
    let sealed = values::sealed(tx, vec![id]).await?;
    let keys = TenantKeys::to_seal(cx, tx).await?;
    let texts = values::opened(&keys, sealed)?.remove(&id).unwrap_or_default();
    let after = draft::merged(actor, &template, values::read(&texts)?, writing)?;
    let before = entry::opened(cx, tx, actor, vec![row]).await?.pop();
    let listed = draft::listed(tx, id).await?;
    draft::write(tx, actor, &keys, id, (writing, &after), listed).await?;
    tx.run(
        "UPDATE record_entries SET appointment_id = coalesce($2, appointment_id), version = version + 1, updated_at = $3 WHERE id = $1",
        [id.into(), writing.appointment.into(), cx.now().into()],
    )
    .await?;
    before.ok_or_else(|| Failure::fault("a locked entry is gone"))
}

async fn may_change(tx: &TenantTx, actor: &Actor, row: &Row, version: i32, writing: &Writing) -> Result<(), Failure> {
    if !draft::is_same_person(tx, writing.patient, row.patient_id).await? {
        return Err(Refusal::not_found("id").into());
    }
    let status = EntryStatus::parse(&row.status)?;
    if status != EntryStatus::Draft {
        status.go(EntryStatus::Draft)?;
    }
    if row.version != version {
        return Err(Refusal::version_conflict(row.version).into());
    }
    if actor.id != Some(row.author_id) {
        return Err(Refusal::new(Code::Forbidden, "a draft is changed by who began it").at("id").into());
    }
    draft::require_form(tx, actor, writing, (row.template_id, "an entry keeps the form it was begun in")).await
}
