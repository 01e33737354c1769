//! Reads of the centre, by id. Each is one statement for any number of ids.

use chrono::{NaiveDate, NaiveTime, Weekday};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    model::{Branch, BranchRow, CentreProfile, ProfileRow, Resource, ResourceRow, Treatment, TreatmentRow},
    upsert_category::Category,
};
use crate::{
    db::TenantTx,
    domain::{refusal::Failure, time::WeeklyWindow},
};

/// Columns of a resource with what only professionals have; to be followed by WHERE on `r`.
macro_rules! resource_select {
    ($($rest:tt)+) => {
        concat!(
            "SELECT r.id, r.version, r.kind, r.name, r.color, r.capacity, r.active, r.branch_id,
                 p.user_id, p.specialties, p.bio, p.photo_url, p.accepts_online,
                 coalesce((SELECT array_agg(b.branch_id ORDER BY b.branch_id) FROM professional_branches b WHERE b.professional_id = r.id), '{}') AS branch_ids,
                 coalesce((SELECT array_agg(t.treatment_id ORDER BY t.treatment_id) FROM professional_treatments t WHERE t.professional_id = r.id), '{}') AS treatment_ids
             FROM resources r LEFT JOIN professionals p ON p.id = r.id ",
            $($rest)+
        )
    };
}

/// Columns of a treatment with its requirements; to be followed by WHERE on `t`.
macro_rules! treatment_select {
    ($($rest:tt)+) => {
        concat!(
            "SELECT t.id, t.version, t.name, t.category_id, t.duration_minutes, t.buffer_before_minutes, t.buffer_after_minutes,
                 t.price_minor, t.currency, t.tax_rate::text AS tax_rate, t.online_bookable, t.requires_approval, t.capacity,
                 t.deposit_percent::text AS deposit_percent, t.deposit_fixed_minor, t.deposit_refundable_until_s, t.active,
                 coalesce((SELECT jsonb_agg(jsonb_build_object('kind', q.kind, 'quantity', q.quantity, 'any_of', to_jsonb(q.any_of)) ORDER BY q.position)
                     FROM treatment_requirements q WHERE q.treatment_id = t.id), '[]') AS requirements
             FROM treatments t ",
            $($rest)+
        )
    };
}
/// Columns of a branch; to be followed by WHERE on `b`. Named, because a column that a migration adds would otherwise be
/// one more than the statements that are prepared already promise, and PostgreSQL refuses those.
macro_rules! branch_select {
    ($($rest:tt)+) => {
        concat!(
            "SELECT b.id, b.version, b.name, b.time_zone, b.address, b.phone, b.email, b.active, b.reminder_local_time,
                 b.birthday_local_time, b.cash_auto_close_local_time, b.cash_auto_open_local_time, b.confirmation_delay_s,
                 b.copy_confirmations_to, b.backup_window_start, b.slot_grid_minutes, b.min_booking_notice_s,
                 b.max_booking_advance_s, b.min_cancel_notice_s, b.hold_ttl_s, b.online_booking_enabled
             FROM branches b ",
            $($rest)+
        )
    };
}
pub(crate) use {branch_select, resource_select, treatment_select};

/// Who the centre is.
///
/// # Errors
/// Faults of the database.
pub async fn profile(tx: &TenantTx) -> Result<CentreProfile, Failure> {
    let row: Option<ProfileRow> = tx
        .find(
            "SELECT trade_name, legal_name, country, currency, locale, default_time_zone, vertical, operating_mode, logo_url,
                 booking_policies, daily_appointment_quota, clinical_record, version, updated_at FROM centre_profile",
            [],
        )
        .await?;
    row.ok_or_else(|| Failure::fault("the centre has no profile"))?.try_into()
}

/// The branches with these ids, in no order.
///
/// # Errors
/// Faults of the database.
pub async fn branches(tx: &TenantTx, ids: Vec<Uuid>) -> Result<Vec<Branch>, Failure> {
    let rows: Vec<BranchRow> = tx.all(branch_select!("WHERE b.id = ANY ($1)"), [ids.into()]).await?;
    rows.into_iter().map(Branch::try_from).collect()
}

/// One branch.
///
/// # Errors
/// Faults of the database.
pub async fn find_branch(tx: &TenantTx, id: Uuid) -> Result<Option<Branch>, Failure> {
    Ok(branches(tx, vec![id]).await?.pop())
}

/// One branch, for booking in it: until this transaction ends, nobody gets it from [`lock_branches`], and what was read
/// of its zone, working time and resources stays. Any number of bookings hold it together.
///
/// # Errors
/// Faults of the database.
pub async fn hold_branch(tx: &TenantTx, id: Uuid) -> Result<Option<Branch>, Failure> {
    let row: Option<BranchRow> = tx.find(branch_select!("WHERE b.id = $1 FOR KEY SHARE"), [id.into()]).await?;
    row.map(Branch::try_from).transpose()
}

/// The branches with these ids, by id, where nobody books until this transaction ends: for changes of what bookings go by
/// and of what is booked. A booking that had begun is there when this returns; one that begins later goes by the change.
/// Who locks a resource too locks it first, and not against its key: bookings that this waits for refer to it.
///
/// # Errors
/// Faults of the database.
pub async fn lock_branches(tx: &TenantTx, ids: Vec<Uuid>) -> Result<Vec<Branch>, Failure> {
    let rows: Vec<BranchRow> =
        tx.all(branch_select!("WHERE b.id = ANY ($1) ORDER BY b.id FOR UPDATE"), [ids.into()]).await?;
    rows.into_iter().map(Branch::try_from).collect()
}

/// The resources with these ids, in no order.
///
/// # Errors
/// Faults of the database.
pub async fn resources(tx: &TenantTx, ids: Vec<Uuid>) -> Result<Vec<Resource>, Failure> {
    let rows: Vec<ResourceRow> = tx.all(resource_select!("WHERE r.id = ANY ($1)"), [ids.into()]).await?;
    rows.into_iter().map(Resource::try_from).collect()
}

/// The active resources of one branch: those that stand there, and the professionals who work there.
///
/// # Errors
/// Faults of the database.
pub async fn resources_of_branch(tx: &TenantTx, branch: Uuid) -> Result<Vec<Resource>, Failure> {
    let rows: Vec<ResourceRow> = tx
        .all(
            resource_select!(
                "WHERE r.active AND (r.branch_id = $1 OR EXISTS (
                     SELECT 1 FROM professional_branches b WHERE b.professional_id = r.id AND b.branch_id = $1))
                 ORDER BY r.kind, r.name, r.id"
            ),
            [branch.into()],
        )
        .await?;
    rows.into_iter().map(Resource::try_from).collect()
}

/// The treatments with these ids, in no order.
///
/// # Errors
/// Faults of the database.
pub async fn treatments(tx: &TenantTx, ids: Vec<Uuid>) -> Result<Vec<Treatment>, Failure> {
    let rows: Vec<TreatmentRow> = tx.all(treatment_select!("WHERE t.id = ANY ($1)"), [ids.into()]).await?;
    rows.into_iter().map(Treatment::try_from).collect()
}

/// The treatment categories with these ids, in no order.
///
/// # Errors
/// Faults of the database.
pub async fn categories(tx: &TenantTx, ids: Vec<Uuid>) -> Result<Vec<Category>, Failure> {
    Ok(tx.all("SELECT id, name, position FROM treatment_categories WHERE id = ANY ($1)", [ids.into()]).await?)
}

/// What a weekly window of a branch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// The branch is open.
    Opening,
    /// Nobody is to be mailed.
    Quiet,
}

#[derive(FromQueryResult)]
struct WindowRow {
    branch_id: Uuid,
    kind: String,
    weekday: i16,
    starts: NaiveTime,
    ends: NaiveTime,
    valid_from: Option<NaiveDate>,
    valid_to: Option<NaiveDate>,
}

/// The weekly windows of these branches, each branch's from Monday on.
///
/// # Errors
/// Faults of the database.
pub async fn branch_windows(
    tx: &TenantTx,
    branches: Vec<Uuid>,
) -> Result<Vec<(Uuid, WindowKind, WeeklyWindow)>, Failure> {
    let rows: Vec<WindowRow> = tx
        .all(
            "SELECT branch_id, kind, weekday, starts, ends, valid_from, valid_to FROM branch_windows
             WHERE branch_id = ANY ($1) ORDER BY branch_id, weekday, starts, valid_from NULLS FIRST",
            [branches.into()],
        )
        .await?;
    let broken = |what: &str| Failure::fault(format!("a stored weekly window has {what}"));
    rows.into_iter()
        .map(|row| {
            let day = u8::try_from(row.weekday - 1)
                .ok()
                .and_then(|day| Weekday::try_from(day).ok())
                .ok_or_else(|| broken("no weekday"))?;
            let window = WeeklyWindow::try_new(day, row.starts..row.ends, row.valid_from, row.valid_to)
                .map_err(|_| broken("no time"))?;
            let kind = if row.kind == "QUIET" { WindowKind::Quiet } else { WindowKind::Opening };
            Ok((row.branch_id, kind, window))
        })
        .collect()
}

/// The branches that patients may book in, by name.
///
/// # Errors
/// Faults of the database.
pub async fn online_branches(tx: &TenantTx) -> Result<Vec<Branch>, Failure> {
    let rows: Vec<BranchRow> = tx
        .all(branch_select!("WHERE b.active AND b.online_booking_enabled ORDER BY b.name, b.id LIMIT 200"), [])
        .await?;
    rows.into_iter().map(Branch::try_from).collect()
}

/// The treatments that patients may book, by name.
///
/// # Errors
/// Faults of the database.
pub async fn online_treatments(tx: &TenantTx) -> Result<Vec<Treatment>, Failure> {
    let rows: Vec<TreatmentRow> =
        tx.all(treatment_select!("WHERE t.active AND t.online_bookable ORDER BY t.name, t.id LIMIT 1000"), []).await?;
    rows.into_iter().map(Treatment::try_from).collect()
}
