//! The bounce-rate alarm: a provider that sees too many bounces of one sender suspends it, so a centre whose mails bounce
//! is told, and so are the operators, before that.

use chrono::Duration;
use sea_orm::FromQueryResult;
use serde_json::json;
use uuid::Uuid;

use crate::{
    db::TenantTx,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::Failure,
    },
};

/// Mails that were due so recently count.
const WINDOW: Duration = Duration::days(7);
/// Providers begin to ask at 5 % …
const PERCENT: i64 = 5;
/// … and fewer bounces than these are a few wrong addresses, however few mails there were.
const FEWEST: i64 = 5;
/// One alarm in so long.
const QUIET: Duration = Duration::days(1);

#[derive(FromQueryResult)]
struct Counts {
    bounced: i64,
    all: i64,
}

/// Whether so many bounces of so many mails are an alarm.
fn is_alarming(bounced: i64, all: i64) -> bool {
    bounced >= FEWEST && bounced.saturating_mul(100) > all.saturating_mul(PERCENT)
}

/// Judges the rate after one more mail has bounced, in the transaction that wrote it, and raises the alarm with it.
pub(super) async fn judge(cx: &Cx, tx: &TenantTx, email: Uuid, changes: &mut Changes) -> Result<(), Failure> {
    let now = cx.now();
    let counts: Option<Counts> = tx
        .find(
            "SELECT count(*) FILTER (WHERE status = 'BOUNCED') AS bounced, count(*) AS all
             FROM email_messages WHERE due_at >= $1 AND due_at <= $2
                 AND status IN ('SENT', 'DELIVERED', 'BOUNCED', 'COMPLAINED')",
            [(now - WINDOW).into(), now.into()],
        )
        .await?;
    let Some(Counts { bounced, all }) = counts.filter(|counts| is_alarming(counts.bounced, counts.all)) else {
        return Ok(());
    };
    // The row decides which of several bounces at once is the one that tells.
    let told = tx
        .run(
            "UPDATE centre_profile SET bounce_alarm_at = $1 WHERE bounce_alarm_at IS NULL OR bounce_alarm_at <= $2",
            [now.into(), (now - QUIET).into()],
        )
        .await?;
    if told == 0 {
        return Ok(());
    }
    let tenant = tx.tenant().id;
    metrics::counter!("horae_mail_bounce_alarms_total").increment(1);
    tracing::warn!(tenant.id = %tenant.0, mails.bounced = bounced, mails.count = all, "Too many mails of a centre bounce");
    changes.push(Change {
        data: json!({ "bounced": bounced, "mails": all, "days": WINDOW.num_days() }),
        after: Some(facts!({ "bounced": bounced, "mails": all })),
        ..Change::event("email.bounce_rate_high", "judgeBounces", "EmailMessage", email)
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_alarming;

    #[test]
    fn more_than_five_in_a_hundred_and_not_fewer_than_five() {
        for (bounced, all, expected) in [
            (4, 4, false),
            (5, 5, true),
            (5, 99, true),
            (5, 100, false),
            (6, 100, true),
            (50, 1_000, false),
            (51, 1_000, true),
        ] {
            assert_eq!(is_alarming(bounced, all), expected, "{bounced} of {all}");
        }
    }
}
