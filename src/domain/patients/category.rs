//! Headings under which a centre sorts its patients. The last writer wins: a heading is a name and a colour.

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::facts;
use crate::{
    auth::{Actor, Permission, Scope},
    db::{DbError, TenantTx},
    domain::{
        centre::{Patch, check::Check},
        change::{Change, Changes},
        cx::Cx,
        refusal::{Code, Failure, Refusal},
    },
};

/// A heading.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Category {
    /// Which.
    pub id: Uuid,
    /// Shown to people.
    pub name: String,
    /// `#RRGGBB`.
    pub color: Option<String>,
}

/// A heading to create (no id) or to change.
#[derive(Clone, Debug)]
pub struct Input {
    /// Which to change.
    pub id: Option<Uuid>,
    /// Shown to people.
    pub name: String,
    /// `#RRGGBB`; none: as it is; empty: none from now on.
    pub color: Option<String>,
}

/// Creates or changes it.
///
/// # Errors
/// Values that do not fit, a name that is taken, an unknown id, a missing permission, faults of the database.
pub async fn upsert(cx: &Cx, actor: &Actor, input: Input) -> Result<Category, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    let mut check = Check::default();
    let name = check.name("name", &input.name);
    let color = check.patch(input.color.map_or(Patch::Keep, Patch::Set).blank_is_away(), |check, color| {
        check.color("color", &color)
    });
    check.done()?;
    let tx = cx.write(actor).await?;
    let before = match input.id {
        Some(id) => {
            tx.run("SELECT 1 FROM patient_categories WHERE id = $1 FOR UPDATE", [id.into()]).await?;
            Some(by_ids(&tx, vec![id]).await?.pop().ok_or_else(|| Refusal::not_found("id"))?)
        }
        None => None,
    };
    let color = color.over(before.as_ref().and_then(|before| before.color.clone()));
    let after = Category { id: before.as_ref().map_or_else(|| cx.new_id(), |before| before.id), name, color };
    let written = tx
        .run(
            "INSERT INTO patient_categories (id, name, color) VALUES ($1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, color = EXCLUDED.color",
            [after.id.into(), after.name.clone().into(), after.color.clone().into()],
        )
        .await;
    written.map_err(name_is_taken)?;
    let event = if before.is_some() { "patient_category.changed" } else { "patient_category.created" };
    let change = Change {
        before: before.as_ref().map(facts::category),
        after: Some(facts::category(&after)),
        ..Change::event(event, "upsertPatientCategory", "PatientCategory", after.id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(after)
}

fn name_is_taken(error: DbError) -> Failure {
    if error.violates("patient_categories_name_once") {
        return Refusal::new(Code::AlreadyExists, "another category has this name").at("name").into();
    }
    error.into()
}

/// All of them, by name.
///
/// # Errors
/// FORBIDDEN without PATIENT_READ; faults of the database.
pub async fn list(cx: &Cx, actor: &Actor) -> Result<Vec<Category>, Failure> {
    actor.require(Permission::PatientRead, Scope::Anywhere)?;
    let tx = cx.read(actor).await?;
    let found = tx.all("SELECT id, name, color FROM patient_categories ORDER BY name, id", []).await?;
    tx.commit().await?;
    Ok(found)
}

/// Those with these ids, for who may see patients.
///
/// # Errors
/// FORBIDDEN without PATIENT_READ; faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Category>, Failure> {
    actor.require(Permission::PatientRead, Scope::Anywhere)?;
    by_ids(tx, ids).await
}

async fn by_ids(tx: &TenantTx, ids: Vec<Uuid>) -> Result<Vec<Category>, Failure> {
    Ok(tx.all("SELECT id, name, color FROM patient_categories WHERE id = ANY ($1)", [ids.into()]).await?)
}
