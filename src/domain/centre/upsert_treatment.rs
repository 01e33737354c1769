//! Creates or changes a treatment.

use std::collections::HashMap;

use chrono::TimeDelta;
use rust_decimal::Decimal;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, FromQueryResult, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use super::{
    Patch,
    check::{Check, same_currency},
    facts,
    model::{Requirement, ResourceKind, Treatment},
    patch::column,
    query,
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::{DbError, TenantTx, entity::treatments},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        money::Money,
        refusal::{Failure, Refusal},
    },
};

const MAX_REQUIREMENTS: usize = 10;
const MAX_ANY_OF: usize = 100;

/// An amount as the client wrote it.
#[derive(Clone, Debug)]
pub struct Amount {
    /// In major units.
    pub amount: Decimal,
    /// ISO 4217.
    pub currency: String,
}

/// What is to be paid in advance: a part of the price, or an amount.
#[derive(Clone, Debug)]
pub struct Deposit {
    /// Percent of the price.
    pub percent: Option<Decimal>,
    /// Amount.
    pub fixed: Option<Amount>,
    /// How long before the start it is paid back.
    pub refundable_until: Option<TimeDelta>,
}

/// A treatment to create (no id) or to change. Absent values stay, or take their defaults.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct Input {
    pub id: Option<Uuid>,
    pub version: Option<i32>,
    pub name: String,
    pub category_id: Patch<Uuid>,
    pub duration_minutes: i32,
    pub buffer_before_minutes: Option<i32>,
    pub buffer_after_minutes: Option<i32>,
    pub price: Amount,
    pub tax_rate: Option<Decimal>,
    pub online_bookable: Option<bool>,
    pub requires_approval: Option<bool>,
    pub capacity: Option<i32>,
    pub requirements: Option<Vec<Requirement>>,
    pub deposit: Patch<Deposit>,
    pub active: Option<bool>,
}

struct Checked {
    row: treatments::ActiveModel,
    price: Money,
    deposit: Option<Money>,
}

/// Creates or changes a treatment.
///
/// # Errors
/// Values that do not fit, another currency than the centre's, a stale version, unknown ids, a missing permission,
/// faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Treatment, Failure> {
    actor.require(Permission::ConfigWrite, Scope::Centre)?;
    let Checked { row, price, deposit } = check(&input)?;
    let tx = cx.write(actor).await?;
    let existing = match input.id.zip(input.version) {
        Some((id, version)) => Some(lock(&tx, id, version).await?),
        None => None,
    };
    let currency = query::profile(&tx).await?.currency;
    let mut refusals = Vec::new();
    refusals.extend(same_currency("price", &price, &currency).err());
    refusals.extend(deposit.and_then(|deposit| same_currency("depositPolicy.fixed", &deposit, &currency).err()));
    refusals.extend(kept_deposit(existing.as_ref(), &input.deposit, &price).err());
    references_exist(&tx, &input, &mut refusals).await?;
    if !refusals.is_empty() {
        return Err(refusals.into());
    }
    let id = match &existing {
        Some(before) => {
            update(cx, &tx, before, row).await?;
            before.id
        }
        None => insert(cx, &tx, row).await?,
    };
    if let Some(requirements) = &input.requirements {
        replace_requirements(&tx, id, requirements).await?;
    }
    let after = query::treatments(&tx, vec![id])
        .await?
        .pop()
        .ok_or_else(|| Failure::fault("the treatment just written is gone"))?;
    let event = if existing.is_some() { "treatment.changed" } else { "treatment.created" };
    let change = Change {
        before: existing.as_ref().map(facts::treatment),
        after: Some(facts::treatment(&after)),
        ..Change::event(event, "upsertTreatment", "Treatment", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(after)
}

fn check(input: &Input) -> Result<Checked, Failure> {
    let mut check = Check::default();
    check.version(input.id, input.version);
    let name = check.name("name", &input.name);
    check.range("durationMinutes", input.duration_minutes, 5..=1_440, "minutes");
    for (field, minutes) in
        [("bufferBeforeMinutes", input.buffer_before_minutes), ("bufferAfterMinutes", input.buffer_after_minutes)]
    {
        if let Some(minutes) = minutes {
            check.range(field, minutes, 0..=480, "minutes");
        }
    }
    if let Some(capacity) = input.capacity {
        check.range("capacity", capacity, 1..=500, "how many patients take part at once");
    }
    let tax_rate = input.tax_rate.map(|rate| check.percent("taxRate", rate));
    let price = check.money("price", input.price.amount, &input.price.currency);
    if let Some(requirements) = &input.requirements
        && check.count("requirements", requirements.len(), MAX_REQUIREMENTS)
    {
        for (at, requirement) in requirements.iter().enumerate() {
            check_requirement(&mut check, at, requirement);
        }
    }
    let deposit = check.patch(input.deposit.clone(), |check, deposit| check_deposit(check, &deposit, price.as_ref()));
    check.done()?;
    let price = price.ok_or_else(|| Failure::fault("a price was refused without a refusal"))?;
    let row = treatments::ActiveModel {
        name: Set(name),
        category_id: input.category_id.column(),
        duration_minutes: Set(input.duration_minutes),
        buffer_before_minutes: column(input.buffer_before_minutes),
        buffer_after_minutes: column(input.buffer_after_minutes),
        price_minor: Set(price.minor),
        currency: Set(price.currency.clone()),
        tax_rate: column(tax_rate),
        online_bookable: column(input.online_bookable),
        requires_approval: column(input.requires_approval),
        capacity: column(input.capacity),
        active: column(input.active),
        ..Default::default()
    };
    Ok(match deposit {
        Patch::Keep => Checked { row, price, deposit: None },
        Patch::Clear => Checked { row: with_deposit(row, CheckedDeposit::default()), price, deposit: None },
        Patch::Set(deposit) => {
            let fixed = deposit.fixed.clone();
            Checked { row: with_deposit(row, deposit), price, deposit: fixed }
        }
    })
}

#[derive(Default)]
struct CheckedDeposit {
    percent: Option<String>,
    fixed: Option<Money>,
    refundable_until_s: Option<i32>,
}

fn with_deposit(row: treatments::ActiveModel, deposit: CheckedDeposit) -> treatments::ActiveModel {
    treatments::ActiveModel {
        deposit_percent: Set(deposit.percent),
        deposit_fixed_minor: Set(deposit.fixed.map(|money| money.minor)),
        deposit_refundable_until_s: Set(deposit.refundable_until_s),
        ..row
    }
}

fn check_deposit(check: &mut Check, deposit: &Deposit, price: Option<&Money>) -> CheckedDeposit {
    match (&deposit.percent, &deposit.fixed) {
        (None, None) => {
            check.add(Refusal::required("depositPolicy.percent", "give a percentage of the price, or a fixed amount"))
        }
        (Some(_), Some(_)) => check
            .add(Refusal::invalid("depositPolicy.fixed", "give a percentage of the price or a fixed amount, not both")),
        _ => {}
    }
    let percent = deposit.percent.map(|percent| check.percent("depositPolicy.percent", percent));
    let fixed =
        deposit.fixed.as_ref().and_then(|fixed| check.money("depositPolicy.fixed", fixed.amount, &fixed.currency));
    if let (Some(fixed), Some(price)) = (&fixed, price)
        && fixed.currency == price.currency
        && fixed.minor > price.minor
    {
        check.add(Refusal::invalid("depositPolicy.fixed.amount", "a deposit cannot be more than the price"));
    }
    let refundable_until_s =
        deposit.refundable_until.map(|until| check.seconds("depositPolicy.refundableUntil", until, 0..=365 * 86_400));
    CheckedDeposit { percent, fixed, refundable_until_s }
}

/// A deposit that stays must not be more than the price that comes.
fn kept_deposit(before: Option<&Treatment>, deposit: &Patch<Deposit>, price: &Money) -> Result<(), Refusal> {
    let Patch::Keep = deposit else { return Ok(()) };
    let kept = before.and_then(|before| before.deposit_fixed.as_ref());
    if kept.is_some_and(|kept| kept.currency == price.currency && kept.minor > price.minor) {
        let message = "the deposit would be more than the price; give the deposit too";
        return Err(Refusal::invalid("price.amount", message));
    }
    Ok(())
}

fn check_requirement(check: &mut Check, at: usize, requirement: &Requirement) {
    check.range(&format!("requirements.{at}.quantity"), requirement.quantity, 1..=20, "how many of this kind");
    let field = format!("requirements.{at}.anyOf");
    check.count(&field, requirement.any_of.len(), MAX_ANY_OF);
    let enough =
        usize::try_from(requirement.quantity).is_ok_and(|quantity| distinct(&requirement.any_of).len() >= quantity);
    if !requirement.any_of.is_empty() && !enough {
        check.add(Refusal::invalid(
            &field,
            format!("name at least as many different ones as are needed ({})", requirement.quantity),
        ));
    }
}

fn distinct(ids: &[Uuid]) -> Vec<Uuid> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[derive(FromQueryResult)]
struct KindRow {
    id: Uuid,
    kind: String,
}

/// The category exists, and so does every resource that a requirement names, in the requirement's kind.
async fn references_exist(tx: &TenantTx, input: &Input, refusals: &mut Vec<Refusal>) -> Result<(), Failure> {
    if let Patch::Set(category) = input.category_id {
        let known: Option<i32> =
            tx.scalar("SELECT 1 FROM treatment_categories WHERE id = $1", [category.into()]).await?;
        if known.is_none() {
            refusals.push(Refusal::not_found("categoryId"));
        }
    }
    let requirements = input.requirements.as_deref().unwrap_or_default();
    let named: Vec<Uuid> = requirements.iter().flat_map(|requirement| requirement.any_of.iter().copied()).collect();
    let rows: Vec<KindRow> = tx.all("SELECT id, kind FROM resources WHERE id = ANY ($1)", [named.into()]).await?;
    let mut kinds = HashMap::new();
    for row in rows {
        kinds.insert(row.id, ResourceKind::parse(&row.kind)?);
    }
    for (at, requirement) in requirements.iter().enumerate() {
        for (n, id) in requirement.any_of.iter().enumerate() {
            let field = format!("requirements.{at}.anyOf.{n}");
            match kinds.get(id) {
                None => refusals.push(Refusal::not_found(&field)),
                Some(kind) if *kind != requirement.kind => {
                    let message =
                        format!("this is a {}, the requirement wants a {}", kind.as_str(), requirement.kind.as_str());
                    refusals.push(Refusal::invalid(&field, message));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

async fn lock(tx: &TenantTx, id: Uuid, version: i32) -> Result<Treatment, Failure> {
    tx.run("SELECT 1 FROM treatments WHERE id = $1 FOR UPDATE", [id.into()]).await?;
    let before = query::treatments(tx, vec![id]).await?.pop().ok_or_else(|| Refusal::not_found("id"))?;
    if before.version == version { Ok(before) } else { Err(Refusal::version_conflict(before.version).into()) }
}

async fn update(cx: &Cx, tx: &TenantTx, before: &Treatment, row: treatments::ActiveModel) -> Result<(), Failure> {
    let updated = treatments::Entity::update_many()
        .set(treatments::ActiveModel { updated_at: Set(cx.now()), ..row })
        .col_expr(treatments::Column::Version, Expr::col(treatments::Column::Version).add(1))
        .filter(treatments::Column::Id.eq(before.id))
        .filter(treatments::Column::Version.eq(before.version))
        .exec(tx)
        .await
        .map_err(DbError::from)?;
    if updated.rows_affected == 1 { Ok(()) } else { Err(Failure::fault("a locked treatment changed its version")) }
}

async fn insert(cx: &Cx, tx: &TenantTx, row: treatments::ActiveModel) -> Result<Uuid, Failure> {
    let id = cx.new_id();
    let row = treatments::ActiveModel { id: Set(id), created_at: Set(cx.now()), updated_at: Set(cx.now()), ..row };
    treatments::Entity::insert(row).exec_without_returning(tx).await.map_err(DbError::from)?;
    Ok(id)
}

async fn replace_requirements(tx: &TenantTx, treatment: Uuid, requirements: &[Requirement]) -> Result<(), Failure> {
    tx.run("DELETE FROM treatment_requirements WHERE treatment_id = $1", [treatment.into()]).await?;
    for (position, requirement) in (0_i16..).zip(requirements) {
        tx.run(
            "INSERT INTO treatment_requirements (treatment_id, position, kind, quantity, any_of) VALUES ($1, $2, $3, $4, $5)",
            [
                treatment.into(),
                position.into(),
                requirement.kind.as_str().into(),
                requirement.quantity.into(),
                distinct(&requirement.any_of).into(),
            ],
        )
        .await?;
    }
    Ok(())
}
