//! What a centre may import: a spreadsheet that is sent in a loop stops itself and nobody else.

use crate::{
    db::TenantTx,
    domain::{
        background::JobKind,
        centre::model::CentreProfile,
        cx::Cx,
        refusal::{Code, Detail, Failure, Refusal},
        time,
    },
};

/// Patients that come out of spreadsheets in one local day of the centre.
pub const DAILY_PATIENTS: &str = "patients.imported.daily";
/// Imports that wait or run.
pub const OPEN_IMPORTS: &str = "imports.open";

/// Most imports of a centre that wait or run.
const MOST_OPEN: i32 = 5;

/// Refuses one more import when today's patients are used up, or too many imports wait.
///
/// # Errors
/// [`Code::QuotaExceeded`]; faults of the database.
pub(super) async fn require(cx: &Cx, tx: &TenantTx, profile: &CentreProfile) -> Result<(), Failure> {
    let day = time::day_of(profile.default_zone, cx.now());
    let used: Option<i32> = tx
        .scalar("SELECT used FROM quota_usage WHERE quota = $1 AND day = $2", [DAILY_PATIENTS.into(), day.into()])
        .await?;
    let (used, limit) = (used.unwrap_or(0), limit(tx).await?);
    if used >= limit {
        let resets_at = time::local_day(profile.default_zone, day).map(|day| day.end);
        let detail = Detail::Quota { quota: DAILY_PATIENTS.to_owned(), limit, used, resets_at };
        let message = format!("the centre has imported {used} patients today, as many as it may; ask support for more");
        return Err(Refusal { detail, ..Refusal::new(Code::QuotaExceeded, message) }.into());
    }
    let open: Option<i64> = tx
        .scalar(
            "SELECT count(*) FROM background_jobs WHERE kind = $1 AND finished_at IS NULL",
            [JobKind::PatientImport.as_str().into()],
        )
        .await?;
    let open = i32::try_from(open.unwrap_or(0)).unwrap_or(i32::MAX);
    if open >= MOST_OPEN {
        let detail = Detail::Quota { quota: OPEN_IMPORTS.to_owned(), limit: MOST_OPEN, used: open, resets_at: None };
        let message = format!("{open} imports wait or run already; wait until one of them is done");
        return Err(Refusal { detail, ..Refusal::new(Code::QuotaExceeded, message) }.into());
    }
    Ok(())
}

/// Takes up to `wanted` patients of this local day's quota, and tells how many there were. The row stays locked until the
/// transaction ends.
///
/// # Errors
/// Faults of the database.
pub(super) async fn take(cx: &Cx, tx: &TenantTx, profile: &CentreProfile, wanted: i32) -> Result<i32, Failure> {
    let day = time::day_of(profile.default_zone, cx.now());
    let limit = limit(tx).await?;
    tx.run(
        "INSERT INTO quota_usage (quota, day, used) VALUES ($1, $2, 0) ON CONFLICT (quota, day) DO NOTHING",
        [DAILY_PATIENTS.into(), day.into()],
    )
    .await?;
    let taken: Option<i32> = tx
        .scalar(
            "UPDATE quota_usage q SET used = least(q.used + $3, greatest(q.used, $4))
             FROM (SELECT used FROM quota_usage WHERE quota = $1 AND day = $2 FOR UPDATE) before
             WHERE q.quota = $1 AND q.day = $2 RETURNING q.used - before.used",
            [DAILY_PATIENTS.into(), day.into(), wanted.into(), limit.into()],
        )
        .await?;
    Ok(taken.unwrap_or(0))
}

async fn limit(tx: &TenantTx) -> Result<i32, Failure> {
    let limit: Option<i32> = tx.scalar("SELECT daily_import_quota FROM centre_profile", []).await?;
    limit.ok_or_else(|| Failure::fault("the centre has no profile"))
}
