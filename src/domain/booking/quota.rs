//! The daily quotas of new appointments: a centre that books by mistake in a loop stops itself, not the others. What the
//! booking page creates, holds too, has a quota of its own, so that strangers cannot use up the desk's.

use crate::{
    auth::Actor,
    db::TenantTx,
    domain::{
        centre::model::CentreProfile,
        cx::Cx,
        refusal::{Code, Detail, Failure, Refusal},
        time,
    },
};

/// Name of the quota of what staff and programs book and hold.
pub const DAILY_APPOINTMENTS: &str = "appointments.daily";
/// Name of the quota, as large, of what booking pages hold.
pub const DAILY_ONLINE: &str = "appointments.online.daily";

/// Counts one more new appointment of this local day of the centre, by this actor. Late in the transaction, because the
/// row stays locked until its end. Whoever books what was held is not counted again.
///
/// # Errors
/// [`Code::QuotaExceeded`]; faults of the database.
pub async fn count_appointment(cx: &Cx, tx: &TenantTx, actor: &Actor, profile: &CentreProfile) -> Result<(), Failure> {
    let quota = if actor.publishable { DAILY_ONLINE } else { DAILY_APPOINTMENTS };
    let day = time::day_of(profile.default_zone, cx.now());
    let used: Option<i32> = tx
        .scalar(
            "INSERT INTO quota_usage AS q (quota, day, used) VALUES ($1, $2, 1)
             ON CONFLICT (quota, day) DO UPDATE SET used = q.used + 1 WHERE q.used < $3 RETURNING used",
            [quota.into(), day.into(), profile.daily_appointment_quota.into()],
        )
        .await?;
    if used.is_some() {
        return Ok(());
    }
    let limit = profile.daily_appointment_quota;
    let resets_at = time::local_day(profile.default_zone, day).map(|day| day.end);
    let detail = Detail::Quota { quota: quota.to_owned(), limit, used: limit, resets_at };
    let message = format!("the centre has created {limit} appointments today, as many as it may; ask support for more");
    Err(Refusal { detail, ..Refusal::new(Code::QuotaExceeded, message) }.into())
}
