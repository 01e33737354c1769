//! `recordTemplates`: the centre's forms, by name.

use sea_orm::FromQueryResult;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{access, model::Template};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        cx::Cx,
        fields::FieldDefinition,
        page::{Page, PageRequest, Statements, counting},
        refusal::Failure,
    },
};

/// Position in the list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Key(pub String, pub Uuid);

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    version: i32,
    name: String,
    specialty: Option<String>,
    fields: serde_json::Value,
    published: bool,
}

impl TryFrom<Row> for Template {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let Row { id, version, name, specialty, fields, published } = row;
        Ok(Self { id, version, name, specialty, published, fields: read_fields(fields)? })
    }
}

/// Fields as they are kept.
pub(super) fn read_fields(json: serde_json::Value) -> Result<Vec<FieldDefinition>, Failure> {
    serde_json::from_value(json)
        .map_err(|error| Failure::fault(format!("fields of a template cannot be read: {error}")))
}

/// The newest version of each template; $1 leaves drafts out.
macro_rules! newest {
    () => {
        "SELECT t.id, v.version, v.name, v.specialty, v.fields, v.published_at IS NOT NULL AS published
         FROM record_templates t, LATERAL (
             SELECT * FROM record_template_versions x WHERE x.template_id = t.id AND (NOT $1 OR x.published_at IS NOT NULL)
             ORDER BY x.version DESC LIMIT 1
         ) v"
    };
}

macro_rules! page {
    ($beyond:literal, $order:literal) => {
        concat!(
            newest!(),
            " WHERE ($2::text IS NULL OR (v.name, t.id) ",
            $beyond,
            " ($2, $3)) ORDER BY ",
            $order,
            " LIMIT $4"
        )
    };
}

const LIST: Statements = Statements {
    forwards: page!(">", "v.name, t.id"),
    backwards: page!("<", "v.name DESC, t.id DESC"),
    count: counting!(page!(">", "v.name, t.id")),
};

/// Refuses who has nothing to do with records.
fn require_any(actor: &Actor) -> Result<(), Failure> {
    let may = |permission| actor.may(permission, Scope::Anywhere);
    if may(Permission::RecordTemplate) || may(Permission::RecordWrite) {
        return Ok(());
    }
    access::require_read(actor)
}

/// Whether drafts are left out: always for who does not make templates.
fn leaves_drafts_out(actor: &Actor, published: Option<bool>) -> bool {
    published == Some(true) || !actor.may(Permission::RecordTemplate, Scope::Centre)
}

/// A page of templates.
///
/// # Errors
/// FORBIDDEN without RECORD_READ, RECORD_WRITE or RECORD_TEMPLATE, and in a centre that keeps no records; faults of the
/// database.
pub async fn run(
    cx: &Cx,
    actor: &Actor,
    published: Option<bool>,
    page: &PageRequest<Key>,
) -> Result<Page<Template>, Failure> {
    require_any(actor)?;
    let bare = leaves_drafts_out(actor, published);
    let values = |page: &PageRequest<Key>| {
        let (name, id) = page.from.clone().map(|Key(name, id)| (name, id)).unzip();
        [bare.into(), name.into(), id.unwrap_or_default().into(), page.fetch().into()]
    };
    let tx = cx.read(actor).await?;
    access::require_kept(&tx).await?;
    let found: Page<Row> = page.read(&tx, LIST, values).await?;
    tx.commit().await?;
    found.try_map(Template::try_from)
}

/// The newest versions of the templates with these ids that the caller may see, in no order.
///
/// # Errors
/// As for the list.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Template>, Failure> {
    require_any(actor)?;
    access::require_kept(tx).await?;
    newest(tx, leaves_drafts_out(actor, None), ids).await
}

/// The newest versions of these templates.
pub(super) async fn newest(tx: &TenantTx, published: bool, ids: Vec<Uuid>) -> Result<Vec<Template>, Failure> {
    let sql = concat!(newest!(), " WHERE t.id = ANY ($2)");
    let rows: Vec<Row> = tx.all(sql, [published.into(), ids.into()]).await?;
    rows.into_iter().map(Template::try_from).collect()
}
