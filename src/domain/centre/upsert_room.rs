//! Creates or changes a room or a piece of equipment: a thing that stands in a branch and can be booked.

use sea_orm::{ActiveValue, ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};
use serde_json::json;
use uuid::Uuid;

use super::{
    check::Check,
    columns, facts,
    model::{Resource, ResourceKind},
    patch::column,
    query,
    seats::{Seat, seat},
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::{DbError, TenantTx, entity::resources},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        refusal::{Failure, Refusal},
    },
};

/// The colour of what was given none.
const DEFAULT_COLOR: &str = "#3A7BD5";
const MAX_CAPACITY: i32 = 200;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A room.
    Room,
    /// A piece of equipment.
    Equipment,
}

impl Thing {
    fn kind(self) -> ResourceKind {
        match self {
            Self::Room => ResourceKind::Room,
            Self::Equipment => ResourceKind::Equipment,
        }
    }

    fn action(self) -> &'static str {
        match self {
            Self::Room => "upsertRoom",
            Self::Equipment => "upsertEquipment",
        }
    }

    fn subject(self) -> &'static str {
        match self {
            Self::Room => "Room",
            Self::Equipment => "Equipment",
        }
    }
}

/// A room or a piece of equipment to create (no id) or to change. Absent values stay, or take their defaults.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct Input {
    pub thing: Thing,
    pub id: Option<Uuid>,
    pub version: Option<i32>,
    pub branch_id: Uuid,
    pub name: String,
    pub color: Option<String>,
    pub capacity: Option<i32>,
    /// True brings back what was deactivated.
    pub active: Option<bool>,
}

/// Creates or changes it.
///
/// # Errors
/// Values that do not fit, a stale version, unknown ids, less capacity than is booked, another branch while it is
/// booked, a missing permission, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Resource, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Anywhere)?;
    if !actor.may(Permission::ConfigWrite, Scope::Branch(input.branch_id)) {
        return Err(Refusal::not_found("branchId").into());
    }
    let row = check(&input)?;
    cx.retrying(|| save(cx, actor, &input, &row)).await
}

async fn save(cx: &Cx, actor: &Actor, input: &Input, row: &resources::ActiveModel) -> Result<Resource, Failure> {
    let tx = cx.write(actor).await?;
    let known: Option<i32> = tx.scalar("SELECT 1 FROM branches WHERE id = $1", [input.branch_id.into()]).await?;
    known.ok_or_else(|| Refusal::not_found("branchId"))?;
    let (existing, id) = match input.id.zip(input.version) {
        Some((id, version)) => {
            let before = lock_resource(&tx, id, version, input.thing.kind()).await?;
            if before.branch_id.is_some_and(|branch| !actor.may(Permission::ConfigWrite, Scope::Branch(branch))) {
                return Err(Refusal::not_found("id").into());
            }
            bookings_allow(cx, &tx, &before, input).await?;
            update_resource(cx, &tx, &before, row.clone()).await?;
            (Some(before), id)
        }
        None => (None, insert(cx, &tx, input.thing.kind(), row.clone()).await?),
    };
    let after = query::resources(&tx, vec![id])
        .await?
        .pop()
        .ok_or_else(|| Failure::fault("the resource just written is gone"))?;
    let event = if existing.is_some() { "resource.changed" } else { "resource.created" };
    let change = Change {
        branch_id: after.branch_id,
        data: json!({ "kind": after.kind.as_str() }),
        before: existing.as_ref().map(facts::resource),
        after: Some(facts::resource(&after)),
        ..Change::event(event, input.thing.action(), input.thing.subject(), id)
    };
    let mut changes = Changes::one(actor, change);
    changes.extend(columns::of_resource(existing.as_ref(), &after, input.thing.action()));
    cx.commit(tx, changes).await?;
    Ok(after)
}

fn check(input: &Input) -> Result<resources::ActiveModel, Failure> {
    let mut check = Check::default();
    check.version(input.id, input.version);
    let name = check.name("name", &input.name);
    let color = input.color.as_deref().map(|color| check.color("color", color));
    if let Some(capacity) = input.capacity {
        check.range("capacity", capacity, 1..=MAX_CAPACITY, "how many appointments it takes at once");
    }
    if input.active == Some(false) {
        check.add(Refusal::invalid(
            "active",
            "deactivateResource does this, because it looks after the appointments too",
        ));
    }
    check.done()?;
    Ok(resources::ActiveModel {
        name: Set(name),
        color: column(color),
        capacity: column(input.capacity),
        branch_id: Set(Some(input.branch_id)),
        active: column(input.active),
        ..Default::default()
    })
}

/// What is booked ahead must still fit afterwards.
async fn bookings_allow(cx: &Cx, tx: &TenantTx, before: &Resource, input: &Input) -> Result<(), Failure> {
    let moves = before.branch_id != Some(input.branch_id);
    let shrinks = input.capacity.is_some_and(|capacity| capacity < before.capacity);
    if !moves && !shrinks {
        return Ok(());
    }
    // Both ends: two rooms that change places would wait for each other.
    query::lock_branches(tx, before.branch_id.into_iter().chain([input.branch_id]).collect()).await?;
    // Without a row there is no booking at all.
    let highest: Option<Option<i16>> = tx
        .scalar(
            "SELECT max(unit) FROM occupancies WHERE resource_id = $1 AND active AND upper(during) > $2",
            [before.id.into(), cx.now().into()],
        )
        .await?;
    let Some(highest) = highest.flatten() else { return Ok(()) };
    let mut refusals = Vec::new();
    if moves {
        refusals
            .push(Refusal::invalid("branchId", "it is booked where it stands; move or end those appointments first"));
    }
    if let Some(capacity) = input.capacity.filter(|capacity| *capacity <= i32::from(highest))
        && !move_up(cx, tx, before.id, capacity).await?
    {
        let message = format!("more than {capacity} appointments are booked at once; move or end some of them first");
        refusals.push(Refusal::invalid("capacity", message));
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals.into()) }
}

/// Puts what is booked in as few units as it needs: those that others have left are taken. Whether `capacity` suffices.
async fn move_up(cx: &Cx, tx: &TenantTx, resource: Uuid, capacity: i32) -> Result<bool, Failure> {
    // Before their occupancies, as whoever ends one of them does.
    tx.run(
        "SELECT 1 FROM appointments WHERE id IN (
             SELECT appointment_id FROM occupancies WHERE resource_id = $1 AND active AND upper(during) > $2)
         ORDER BY id FOR UPDATE",
        [resource.into(), cx.now().into()],
    )
    .await?;
    let taken: Vec<Seat> = tx
        .all(
            "DELETE FROM occupancies WHERE resource_id = $1 AND active AND upper(during) > $2
             RETURNING appointment_id, lower(during) AS lower, upper(during) AS upper, overbooked",
            [resource.into(), cx.now().into()],
        )
        .await?;
    Ok(seat(tx, resource, capacity, taken).await?.is_empty())
}

async fn insert(cx: &Cx, tx: &TenantTx, kind: ResourceKind, row: resources::ActiveModel) -> Result<Uuid, Failure> {
    let id = cx.new_id();
    let row = resources::ActiveModel {
        id: Set(id),
        kind: Set(kind.as_str().to_owned()),
        color: or_default_color(row.color),
        created_at: Set(cx.now()),
        updated_at: Set(cx.now()),
        ..row
    };
    resources::Entity::insert(row).exec_without_returning(tx).await.map_err(DbError::from)?;
    Ok(id)
}

/// The colour of something new.
pub(super) fn or_default_color(color: ActiveValue<String>) -> ActiveValue<String> {
    match color {
        ActiveValue::NotSet => Set(DEFAULT_COLOR.to_owned()),
        chosen => chosen,
    }
}

/// The resource as it is before the change, locked. Another kind's id is no id.
pub(super) async fn lock_resource(
    tx: &TenantTx,
    id: Uuid,
    version: i32,
    kind: ResourceKind,
) -> Result<Resource, Failure> {
    tx.run("SELECT 1 FROM resources WHERE id = $1 FOR NO KEY UPDATE", [id.into()]).await?;
    let before = query::resources(tx, vec![id]).await?.pop().filter(|resource| resource.kind == kind);
    let before = before.ok_or_else(|| Refusal::not_found("id"))?;
    if before.version == version { Ok(before) } else { Err(Refusal::version_conflict(before.version).into()) }
}

/// Writes what is set and raises the version.
pub(super) async fn update_resource(
    cx: &Cx,
    tx: &TenantTx,
    before: &Resource,
    row: resources::ActiveModel,
) -> Result<(), Failure> {
    let updated = resources::Entity::update_many()
        .set(resources::ActiveModel { updated_at: Set(cx.now()), ..row })
        .col_expr(resources::Column::Version, Expr::col(resources::Column::Version).add(1))
        .filter(resources::Column::Id.eq(before.id))
        .filter(resources::Column::Version.eq(before.version))
        .exec(tx)
        .await
        .map_err(DbError::from)?;
    if updated.rows_affected == 1 { Ok(()) } else { Err(Failure::fault("a locked resource changed its version")) }
}
