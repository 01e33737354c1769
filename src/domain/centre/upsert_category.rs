//! Creates or changes a heading under which treatments are listed. The last writer wins: a heading is a name and a
//! place in a list.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, FromQueryResult, QueryFilter};
use uuid::Uuid;

use super::{check::Check, facts, patch::column, query};
use crate::{
    auth::{Actor, Permission, Scope},
    db::{DbError, entity::treatment_categories},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        refusal::{Failure, Refusal},
    },
};

/// A heading.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Category {
    /// Which.
    pub id: Uuid,
    /// Shown to people.
    pub name: String,
    /// Lower comes first.
    pub position: i32,
}

/// A heading to create (no id) or to change.
#[derive(Clone, Debug)]
pub struct Input {
    /// Which to change.
    pub id: Option<Uuid>,
    /// Shown to people.
    pub name: String,
    /// Lower comes first; absent: as it is, or 0.
    pub position: Option<i32>,
}

/// Creates or changes it.
///
/// # Errors
/// Values that do not fit, an unknown id, a missing permission, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Category, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    let mut check = Check::default();
    let name = check.name("name", &input.name);
    if let Some(position) = input.position {
        check.range("position", position, 0..=10_000, "place in the list");
    }
    check.done()?;
    let row =
        treatment_categories::ActiveModel { name: Set(name), position: column(input.position), ..Default::default() };
    let tx = cx.write(actor).await?;
    let mut before = None;
    let (id, event) = match input.id {
        Some(id) => {
            tx.run("SELECT 1 FROM treatment_categories WHERE id = $1 FOR UPDATE", [id.into()]).await?;
            before = query::categories(&tx, vec![id]).await?.pop();
            let updated = treatment_categories::Entity::update_many()
                .set(row)
                .filter(treatment_categories::Column::Id.eq(id))
                .exec(&tx)
                .await
                .map_err(DbError::from)?;
            if updated.rows_affected == 0 {
                return Err(Refusal::not_found("id").into());
            }
            (id, "treatment_category.changed")
        }
        None => {
            let id = cx.new_id();
            let row = treatment_categories::ActiveModel { id: Set(id), ..row };
            treatment_categories::Entity::insert(row).exec_without_returning(&tx).await.map_err(DbError::from)?;
            (id, "treatment_category.created")
        }
    };
    let category = query::categories(&tx, vec![id])
        .await?
        .pop()
        .ok_or_else(|| Failure::fault("the category just written is gone"))?;
    let change = Change {
        before: before.as_ref().map(facts::category),
        after: Some(facts::category(&category)),
        ..Change::event(event, "upsertTreatmentCategory", "TreatmentCategory", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(category)
}
