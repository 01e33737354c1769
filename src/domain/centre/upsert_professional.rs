//! Creates or changes a professional.

use std::collections::BTreeSet;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::json;
use uuid::Uuid;

use super::{
    Patch,
    check::Check,
    columns, facts,
    model::{Resource, ResourceKind},
    patch::column,
    query,
    upsert_room::{lock_resource, or_default_color, update_resource},
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::{
        DbError, TenantTx,
        entity::{professionals, resources},
    },
    domain::{
        change::{Change, Changes},
        cx::Cx,
        refusal::{Code, Failure, Refusal},
    },
};

const MAX_SPECIALTIES: usize = 20;
const MAX_SPECIALTY: usize = 100;
const MAX_BIO: usize = 2_000;
/// Most branches or treatments of one professional.
const MAX_LINKS: usize = 500;

/// A professional to create (no id) or to change. Absent values stay, or take their defaults.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct Input {
    pub id: Option<Uuid>,
    pub version: Option<i32>,
    pub name: String,
    pub color: Option<String>,
    pub specialties: Option<Vec<String>>,
    pub branch_ids: Vec<Uuid>,
    pub treatment_ids: Option<Vec<Uuid>>,
    pub accepts_online: Option<bool>,
    pub user_id: Patch<Uuid>,
    pub bio: Patch<String>,
    /// An absolute address, checked by its scalar.
    pub photo_url: Patch<String>,
    /// True brings back who was deactivated.
    pub active: Option<bool>,
}

#[derive(Clone)]
struct Checked {
    resource: resources::ActiveModel,
    professional: professionals::ActiveModel,
}

/// Creates or changes a professional.
///
/// # Errors
/// Values that do not fit, a stale version, unknown ids, a branch left out while somebody is booked there, a user that is
/// another professional already, a missing permission, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Resource, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    let checked = check(&input)?;
    cx.retrying(|| save(cx, actor, &input, &checked)).await
}

async fn save(cx: &Cx, actor: &Actor, input: &Input, checked: &Checked) -> Result<Resource, Failure> {
    let tx = cx.write(actor).await?;
    let existing = match input.id.zip(input.version) {
        Some((id, version)) => Some(lock_resource(&tx, id, version, ResourceKind::Professional).await?),
        None => None,
    };
    links_exist(&tx, input).await?;
    let id = match &existing {
        Some(before) => {
            bookings_allow(cx, &tx, before, input).await?;
            update_resource(cx, &tx, before, checked.resource.clone()).await?;
            update(&tx, before.id, checked.professional.clone()).await?;
            before.id
        }
        None => insert(cx, &tx, checked.clone()).await?,
    };
    link(&tx, id, input).await?;
    let after = query::resources(&tx, vec![id])
        .await?
        .pop()
        .ok_or_else(|| Failure::fault("the professional just written is gone"))?;
    let event = if existing.is_some() { "resource.changed" } else { "resource.created" };
    let change = Change {
        data: json!({ "kind": after.kind.as_str() }),
        before: existing.as_ref().map(facts::resource),
        after: Some(facts::resource(&after)),
        ..Change::event(event, "upsertProfessional", "Professional", id)
    };
    let mut changes = Changes::one(actor, change);
    changes.extend(columns::of_resource(existing.as_ref(), &after, "upsertProfessional"));
    cx.commit(tx, changes).await?;
    Ok(after)
}

fn check(input: &Input) -> Result<Checked, Failure> {
    let mut check = Check::default();
    check.version(input.id, input.version);
    let name = check.name("name", &input.name);
    let color = input.color.as_deref().map(|color| check.color("color", color));
    let specialties = input.specialties.as_deref().map(|specialties| check_specialties(&mut check, specialties));
    let bio = check.patch(input.bio.clone(), |check, bio| check.paragraph("bio", &bio, MAX_BIO));
    if input.branch_ids.is_empty() {
        check.add(Refusal::required("branchIds", "name at least one branch where the professional works"));
    }
    check.count("branchIds", input.branch_ids.len(), MAX_LINKS);
    check.count("treatmentIds", input.treatment_ids.as_ref().map_or(0, Vec::len), MAX_LINKS);
    if input.active == Some(false) {
        check.add(Refusal::invalid(
            "active",
            "deactivateResource does this, because it looks after the appointments too",
        ));
    }
    check.done()?;
    let resource = resources::ActiveModel {
        name: Set(name),
        color: column(color),
        active: column(input.active),
        ..Default::default()
    };
    let professional = professionals::ActiveModel {
        user_id: input.user_id.column(),
        specialties: column(specialties),
        bio: bio.column(),
        photo_url: input.photo_url.clone().column(),
        accepts_online: column(input.accepts_online),
        ..Default::default()
    };
    Ok(Checked { resource, professional })
}

fn check_specialties(check: &mut Check, specialties: &[String]) -> Vec<String> {
    if !check.count("specialties", specialties.len(), MAX_SPECIALTIES) {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let lines =
        specialties.iter().enumerate().map(|(at, text)| check.line(&format!("specialties.{at}"), text, MAX_SPECIALTY));
    lines.filter(|text| seen.insert(text.to_lowercase())).collect()
}

/// Every branch, treatment and user exists in this centre; the refusal names which does not.
async fn links_exist(tx: &TenantTx, input: &Input) -> Result<(), Failure> {
    let branches: Vec<Uuid> =
        tx.scalars("SELECT id FROM branches WHERE id = ANY ($1)", [input.branch_ids.clone().into()]).await?;
    let wanted = input.treatment_ids.clone().unwrap_or_default();
    let treatments: Vec<Uuid> =
        tx.scalars("SELECT id FROM treatments WHERE id = ANY ($1)", [wanted.clone().into()]).await?;
    let mut refusals = Vec::new();
    for (field, wanted, found) in [("branchIds", &input.branch_ids, branches), ("treatmentIds", &wanted, treatments)] {
        let missing = wanted.iter().enumerate().filter(|(_, id)| !found.contains(id));
        refusals.extend(missing.map(|(at, _)| Refusal::not_found(&format!("{field}.{at}"))));
    }
    if let Patch::Set(user) = input.user_id {
        let user: Option<i32> = tx.scalar("SELECT 1 FROM users WHERE id = $1", [user.into()]).await?;
        if user.is_none() {
            refusals.push(Refusal::not_found("userId"));
        }
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals.into()) }
}

/// Nobody leaves a branch where patients are booked with them: those appointments could not even be moved any more.
async fn bookings_allow(cx: &Cx, tx: &TenantTx, before: &Resource, input: &Input) -> Result<(), Failure> {
    let stays = |branch: &&Uuid| input.branch_ids.contains(*branch);
    let left: Vec<Uuid> = before.branches().iter().filter(|branch| !stays(branch)).copied().collect();
    if left.is_empty() {
        return Ok(());
    }
    // No booking comes between the look and the change.
    query::lock_branches(tx, left.clone()).await?;
    let booked: Option<i64> = tx
        .scalar(
            "SELECT count(DISTINCT a.id) FROM occupancies o JOIN appointments a ON a.id = o.appointment_id
             WHERE o.resource_id = $1 AND o.active AND upper(o.during) > $2 AND a.branch_id = ANY ($3)",
            [before.id.into(), cx.now().into(), left.into()],
        )
        .await?;
    match booked {
        None | Some(0) => Ok(()),
        Some(count) => {
            let message =
                format!("{count} appointments are booked in a branch that is left out; move or end them first");
            Err(Refusal::invalid("branchIds", message).into())
        }
    }
}

async fn insert(cx: &Cx, tx: &TenantTx, checked: Checked) -> Result<Uuid, Failure> {
    let id = cx.new_id();
    let resource = resources::ActiveModel {
        id: Set(id),
        kind: Set(ResourceKind::Professional.as_str().to_owned()),
        color: or_default_color(checked.resource.color),
        created_at: Set(cx.now()),
        updated_at: Set(cx.now()),
        ..checked.resource
    };
    resources::Entity::insert(resource).exec_without_returning(tx).await.map_err(DbError::from)?;
    let professional = professionals::ActiveModel { id: Set(id), ..checked.professional };
    professionals::Entity::insert(professional)
        .exec_without_returning(tx)
        .await
        .map_err(|error| taken(error.into()))?;
    Ok(id)
}

async fn update(tx: &TenantTx, id: Uuid, row: professionals::ActiveModel) -> Result<(), Failure> {
    professionals::Entity::update_many()
        .set(row)
        // A statement needs something to set even when everything stays.
        .col_expr(professionals::Column::Id, Expr::val(id))
        .filter(professionals::Column::Id.eq(id))
        .exec(tx)
        .await
        .map_err(|error| taken(error.into()))?;
    Ok(())
}

fn taken(error: DbError) -> Failure {
    if error.violates("professionals_user_id_key") {
        return Refusal::new(Code::AlreadyExists, "this user is another professional already").at("userId").into();
    }
    error.into()
}

async fn link(tx: &TenantTx, id: Uuid, input: &Input) -> Result<(), Failure> {
    tx.run(
        "WITH gone AS (DELETE FROM professional_branches WHERE professional_id = $1 AND branch_id <> ALL ($2))
         INSERT INTO professional_branches (professional_id, branch_id) SELECT DISTINCT $1, unnest($2) ON CONFLICT DO NOTHING",
        [id.into(), input.branch_ids.clone().into()],
    )
    .await?;
    if let Some(treatments) = &input.treatment_ids {
        tx.run(
            "WITH gone AS (DELETE FROM professional_treatments WHERE professional_id = $1 AND treatment_id <> ALL ($2))
             INSERT INTO professional_treatments (professional_id, treatment_id) SELECT DISTINCT $1, unnest($2) ON CONFLICT DO NOTHING",
            [id.into(), treatments.clone().into()],
        )
        .await?;
    }
    Ok(())
}
