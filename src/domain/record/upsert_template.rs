//! Makes and changes forms of records. A published version never changes: the next change begins a draft of the next.

use uuid::Uuid;

use super::{access, facts, model::Template, templates};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        centre::check::Check,
        change::{Change, Changes},
        cx::Cx,
        fields::{DefinitionInput, checked_definitions},
        refusal::{Failure, Refusal},
    },
};

/// A template to make (no id) or to change. What is given stands in the place of what is there.
#[derive(Clone, Debug)]
pub struct Input {
    /// Which to change.
    pub id: Option<Uuid>,
    /// The version that the change is based on.
    pub version: Option<i32>,
    /// Shown to people.
    pub name: String,
    /// Which specialty uses it.
    pub specialty: Option<String>,
    /// Its fields.
    pub fields: Vec<DefinitionInput>,
    /// Whether entries can be written in it from now on; otherwise it is a draft.
    pub publish: bool,
}

/// Makes or changes it.
///
/// # Errors
/// Values that do not fit, a stale version, an unknown id, a missing permission, a centre that keeps no records, faults
/// of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Template, Failure> {
    actor.require(Permission::RecordTemplate, Scope::Centre)?;
    let mut check = Check::default();
    check.version(input.id, input.version);
    let name = check.name("name", &input.name);
    let specialty = input.specialty.as_deref().map(|text| check.name("specialty", text));
    if input.fields.is_empty() && input.publish {
        check.add(Refusal::required("fields", "a form that is published has a field"));
    }
    check.done()?;
    let fields = checked_definitions(input.fields, "fields")?;
    let tx = cx.write(actor).await?;
    access::require_kept(&tx).await?;
    let before = match input.id.zip(input.version) {
        Some((id, version)) => Some(lock(&tx, id, version).await?),
        None => None,
    };
    let after = Template {
        id: before.as_ref().map_or_else(|| cx.new_id(), |before| before.id),
        version: before.as_ref().map_or(1, |before| before.version + 1),
        name,
        specialty,
        published: input.publish,
        fields,
    };
    write(cx, &tx, before.as_ref(), &after).await?;
    let event = if after.published { "record.template_published" } else { "record.template_saved" };
    let change = Change {
        before: before.as_ref().map(facts::template),
        after: Some(facts::template(&after)),
        ..Change::event(event, "upsertRecordTemplate", "RecordTemplate", after.id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(after)
}

async fn lock(tx: &TenantTx, id: Uuid, version: i32) -> Result<Template, Failure> {
    tx.run("SELECT 1 FROM record_templates WHERE id = $1 FOR UPDATE", [id.into()]).await?;
    let before = templates::newest(tx, false, vec![id]).await?.pop().ok_or_else(|| Refusal::not_found("id"))?;
    if before.version == version {
        Ok(before)
    } else {
        Err(Refusal::version_conflict(before.version).at("version").into())
    }
}

async fn write(cx: &Cx, tx: &TenantTx, before: Option<&Template>, after: &Template) -> Result<(), Failure> {
    tx.run(
        "INSERT INTO record_templates (id, version, created_at, updated_at) VALUES ($1, $2, $3, $3)
         ON CONFLICT (id) DO UPDATE SET version = EXCLUDED.version, updated_at = EXCLUDED.updated_at",
        [after.id.into(), after.version.into(), cx.now().into()],
    )
    .await?;
    // Of a draft nothing is kept: nobody has written in it.
    if let Some(draft) = before.filter(|before| !before.published) {
        tx.run(
            "DELETE FROM record_template_versions WHERE template_id = $1 AND version = $2",
            [draft.id.into(), draft.version.into()],
        )
        .await?;
    }
    let fields = serde_json::to_value(&after.fields).map_err(|error| Failure::fault(error.to_string()))?;
    tx.run(
        "INSERT INTO record_template_versions (template_id, version, name, specialty, fields, published_at) VALUES ($1, $2, $3, $4, $5, $6)",
        [
            after.id.into(),
            after.version.into(),
            after.name.clone().into(),
            after.specialty.clone().into(),
            fields.into(),
            after.published.then(|| cx.now()).into(),
        ],
    )
    .await?;
    Ok(())
}
