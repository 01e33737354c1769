//! The daily quota of new appointments: a centre that books by mistake in a loop stops itself, not the others.

use crate::{
    db::TenantTx,
    domain::{
        centre::model::CentreProfile,
        cx::Cx,
        refusal::{Code, Detail, Failure, Refusal},
        time,
    },
};

/// Name of the quota.
pub const DAILY_APPOINTMENTS: &str = "appointments.daily";

/// Counts one more new appointment of this local day of the centre. Late in the transaction, because the row stays
/// locked until its end.
///
/// # Errors
/// [`Code::QuotaExceeded`]; faults of the database.
pub async fn count_appointment(cx: &Cx, tx: &TenantTx, profile: &CentreProfile) -> Result<(), Failure> {
    let day = time::day_of(profile.default_zone, cx.now());
    let used: Option<i32> = tx
        .scalar(
            "INSERT INTO quota_usage AS q (quota, day, used) VALUES ($1, $2, 1)
             ON CONFLICT (quota, day) DO UPDATE SET used = q.used + 1 WHERE q.used < $3 RETURNING used",
            [DAILY_APPOINTMENTS.into(), day.into(), profile.daily_appointment_quota.into()],
        )
        .await?;
    if used.is_some() {
        return Ok(());
    }
    let limit = profile.daily_appointment_quota;
    let resets_at = time::local_day(profile.default_zone, day).map(|day| day.end);
    let detail = Detail::Quota { quota: DAILY_APPOINTMENTS.to_owned(), limit, used: limit, resets_at };
    let message = format!("the centre has created {limit} appointments today, as many as it may; ask support for more");
    Err(Refusal { detail, ..Refusal::new(Code::QuotaExceeded, message) }.into())
}
