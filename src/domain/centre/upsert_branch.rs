//! Creates or changes a branch. A change of its zone moves everything that lies ahead, one of its reminder time the
//! reminders that wait.

use chrono::{NaiveTime, TimeDelta};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Patch,
    check::Check,
    columns, facts,
    model::{Address, Branch},
    patch::column,
    query::{self, WindowKind},
    rezone::{Rezoned, recompute_branch},
    window::{self, WindowInput},
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::{DbError, TenantTx, entity::branches},
    domain::{
        change::{Change, Changes},
        contact,
        cx::Cx,
        facts::facts,
        notifications::reminders,
        refusal::{Failure, Refusal},
        time::WeeklyWindow,
    },
};

/// Most addresses that get a copy of every confirmation.
const MAX_COPIES: usize = 10;
const DAY: i32 = 86_400;

/// A branch to create (no id) or to change. Absent values stay, or take their defaults.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct Input {
    pub id: Option<Uuid>,
    pub version: Option<i32>,
    pub name: String,
    pub zone: Tz,
    pub address: Patch<Address>,
    pub phone: Patch<String>,
    pub email: Patch<String>,
    pub active: Option<bool>,
    pub opening_hours: Option<Vec<WindowInput>>,
    pub quiet_hours: Option<Vec<WindowInput>>,
    pub reminder_local_time: Option<NaiveTime>,
    pub birthday_local_time: Option<NaiveTime>,
    pub cash_auto_close_local_time: Patch<NaiveTime>,
    pub cash_auto_open_local_time: Patch<NaiveTime>,
    pub confirmation_delay: Option<TimeDelta>,
    pub copy_confirmations_to: Option<Vec<String>>,
    pub backup_window_start: Option<NaiveTime>,
    pub slot_grid_minutes: Option<i32>,
    pub min_booking_notice: Option<TimeDelta>,
    pub max_booking_advance: Option<TimeDelta>,
    pub min_cancel_notice: Option<TimeDelta>,
    pub hold_ttl: Option<TimeDelta>,
    pub online_booking_enabled: Option<bool>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Output {
    /// As it is now.
    pub branch: Branch,
    /// How many waiting jobs are due at another instant because of a new zone.
    pub rescheduled_jobs: i32,
}

struct Checked {
    row: branches::ActiveModel,
    opening: Option<Vec<WeeklyWindow>>,
    quiet: Option<Vec<WeeklyWindow>>,
}

/// Creates or changes a branch. Run again by itself when another transaction was in the way.
///
/// # Errors
/// Values that do not fit, a stale version, an unknown id, a missing permission, faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Input) -> Result<Output, Failure> {
    actor.require(Permission::ConfigWrite, input.id.map_or(Scope::Centre, |_| Scope::Anywhere))?;
    if let Some(id) = input.id
        && !actor.may(Permission::ConfigWrite, Scope::Branch(id))
    {
        return Err(Refusal::not_found("id").into());
    }
    let id = input.id;
    let (version, zone) = (input.version, input.zone);
    let checked = check(input)?;
    cx.retrying(|| save(cx, actor, id.zip(version), zone, &checked)).await
}

fn check(input: Input) -> Result<Checked, Failure> {
    let mut check = Check::default();
    check.version(input.id, input.version);
    let name = check.name("name", &input.name);
    let address = check.patch(input.address, address);
    let opening = input.opening_hours.map(|windows| window::checked(&mut check, "openingHours", &windows));
    let quiet = input.quiet_hours.map(|windows| window::checked(&mut check, "quietHours", &windows));
    let copies = input.copy_confirmations_to.map(|mut copies| {
        check.count("copyConfirmationsTo", copies.len(), MAX_COPIES);
        copies.sort_unstable();
        copies.dedup();
        copies
    });
    let mut seconds =
        |field: &str, value: Option<TimeDelta>, allowed| value.map(|value| check.seconds(field, value, allowed));
    let confirmation_delay = seconds("confirmationDelay", input.confirmation_delay, 0..=DAY);
    let min_booking_notice = seconds("minBookingNotice", input.min_booking_notice, 0..=365 * DAY);
    let max_booking_advance = seconds("maxBookingAdvance", input.max_booking_advance, 3_600..=1_100 * DAY);
    let min_cancel_notice = seconds("minCancelNotice", input.min_cancel_notice, 0..=365 * DAY);
    let hold_ttl = seconds("holdTtl", input.hold_ttl, 30..=900);
    if let Some(grid) = input.slot_grid_minutes {
        check.range("slotGridMinutes", grid, 5..=240, "minutes between the starts of free slots");
    }
    let phone = check.patch(input.phone, |check, phone| {
        contact::phone(&phone).unwrap_or_else(|| {
            let message = "write the number with its country's code, like +56223456789: it is for everybody";
            check.add(Refusal::invalid("phone", message));
            phone
        })
    });
    check.done()?;
    let row = branches::ActiveModel {
        name: Set(name),
        time_zone: Set(input.zone.name().to_owned()),
        address: address.map(|address| json!(address)).column(),
        phone: phone.column(),
        email: input.email.column(),
        active: column(input.active),
        reminder_local_time: column(input.reminder_local_time),
        birthday_local_time: column(input.birthday_local_time),
        cash_auto_close_local_time: input.cash_auto_close_local_time.column(),
        cash_auto_open_local_time: input.cash_auto_open_local_time.column(),
        confirmation_delay_s: column(confirmation_delay),
        copy_confirmations_to: column(copies),
        backup_window_start: column(input.backup_window_start),
        slot_grid_minutes: column(input.slot_grid_minutes),
        min_booking_notice_s: column(min_booking_notice),
        max_booking_advance_s: column(max_booking_advance),
        min_cancel_notice_s: column(min_cancel_notice),
        hold_ttl_s: column(hold_ttl),
        online_booking_enabled: column(input.online_booking_enabled),
        ..Default::default()
    };
    Ok(Checked { row, opening, quiet })
}

fn address(check: &mut Check, address: Address) -> Address {
    let mut part = |field: &str, text: Option<String>| {
        text.filter(|text| !text.trim().is_empty()).map(|text| check.name(field, &text))
    };
    let (line2, city) = (part("address.line2", address.line2), part("address.city", address.city));
    let (region, postal_code) =
        (part("address.region", address.region), part("address.postalCode", address.postal_code));
    let line1 = check.name("address.line1", &address.line1);
    for (field, value, bound) in
        [("address.latitude", address.latitude, 90), ("address.longitude", address.longitude, 180)]
    {
        if value.is_some_and(|value| value.abs() > Decimal::from(bound) || value.normalize().scale() > 9) {
            check.add(Refusal::invalid(
                field,
                format!("give degrees from -{bound} to {bound} with at most nine decimals"),
            ));
        }
    }
    if address.latitude.is_some() != address.longitude.is_some() {
        let field = if address.latitude.is_some() { "address.longitude" } else { "address.latitude" };
        check.add(Refusal::required(field, "give both latitude and longitude, or neither"));
    }
    Address { line1, line2, city, region, postal_code, ..address }
}

async fn save(
    cx: &Cx,
    actor: &Actor,
    existing: Option<(Uuid, i32)>,
    zone: Tz,
    checked: &Checked,
) -> Result<Output, Failure> {
    let tx = cx.write(actor).await?;
    let (id, rezoned, earlier, change) = match existing {
        Some((id, version)) => {
            let before = lock(&tx, id, version).await?;
            let hours = query::branch_windows(&tx, vec![id]).await?;
            update(cx, &tx, id, version, &checked.row).await?;
            let rezoned =
                if before.zone == zone { Rezoned::default() } else { recompute_branch(&tx, cx, id, zone).await? };
            let change = Change {
                branch_id: Some(id),
                before: Some(facts::branch(&before).and(facts::windows(&hours))),
                ..Change::event("branch.changed", "upsertBranch", "Branch", id)
            };
            let rezoned = Some((before.zone, rezoned)).filter(|(from, _)| *from != zone);
            (id, rezoned, Some((before.reminder_local_time, (before.active, opening(&hours)))), change)
        }
        None => {
            let id = cx.new_id();
            insert(cx, &tx, id, &checked.row).await?;
            let change =
                Change { branch_id: Some(id), ..Change::event("branch.created", "upsertBranch", "Branch", id) };
            (id, None, None, change)
        }
    };
    if let Some(opening) = &checked.opening {
        window::replace(&tx, id, "OPENING", opening).await?;
    }
    if let Some(quiet) = &checked.quiet {
        window::replace(&tx, id, "QUIET", quiet).await?;
    }
    let branch = query::find_branch(&tx, id).await?.ok_or_else(|| Failure::fault("the branch just written is gone"))?;
    if earlier.as_ref().is_some_and(|(reminded_at, _)| *reminded_at != branch.reminder_local_time) {
        reminders::recompute(cx, &tx, &branch).await?;
    }
    let hours = query::branch_windows(&tx, vec![id]).await?;
    let after = facts::branch(&branch).and(facts::windows(&hours));
    let mut changes = Changes::one(actor, Change { after: Some(after), ..change });
    if earlier.is_some_and(|(_, open)| open != (branch.active, opening(&hours))) {
        changes.push(columns::read_again(id, None, "upsertBranch"));
    }
    let mut rescheduled_jobs = 0;
    if let Some((from, rezoned)) = rezoned {
        let mut data = rezoned.event_data();
        if let Value::Object(data) = &mut data {
            data.insert("from".to_owned(), from.name().into());
            data.insert("to".to_owned(), zone.name().into());
        }
        changes.push(Change {
            branch_id: Some(id),
            data,
            before: Some(facts!({ "timeZone": from })),
            after: Some(facts!({ "timeZone": zone })),
            ..Change::event("branch.zone_changed", "upsertBranch", "Branch", id)
        });
        rescheduled_jobs = rezoned.jobs;
    }
    cx.commit(tx, changes).await?;
    Ok(Output { branch, rescheduled_jobs })
}

/// The windows in which a branch is open.
fn opening(hours: &[(Uuid, WindowKind, WeeklyWindow)]) -> Vec<WeeklyWindow> {
    hours.iter().filter(|(_, kind, _)| *kind == WindowKind::Opening).map(|(_, _, window)| window.clone()).collect()
}

/// The branch as it is before the change, locked against bookings that would still go by its old zone.
async fn lock(tx: &TenantTx, id: Uuid, version: i32) -> Result<Branch, Failure> {
    let before = query::lock_branches(tx, vec![id]).await?.pop().ok_or_else(|| Refusal::not_found("id"))?;
    if before.version == version { Ok(before) } else { Err(Refusal::version_conflict(before.version).into()) }
}

async fn update(cx: &Cx, tx: &TenantTx, id: Uuid, version: i32, row: &branches::ActiveModel) -> Result<(), Failure> {
    let updated = branches::Entity::update_many()
        .set(branches::ActiveModel { updated_at: Set(cx.now()), ..row.clone() })
        .col_expr(branches::Column::Version, Expr::col(branches::Column::Version).add(1))
        .filter(branches::Column::Id.eq(id))
        .filter(branches::Column::Version.eq(version))
        .exec(tx)
        .await
        .map_err(DbError::from)?;
    if updated.rows_affected == 1 { Ok(()) } else { Err(Failure::fault("a locked branch changed its version")) }
}

async fn insert(cx: &Cx, tx: &TenantTx, id: Uuid, row: &branches::ActiveModel) -> Result<(), Failure> {
    let row =
        branches::ActiveModel { id: Set(id), created_at: Set(cx.now()), updated_at: Set(cx.now()), ..row.clone() };
    branches::Entity::insert(row).exec_without_returning(tx).await.map_err(DbError::from)?;
    Ok(())
}
