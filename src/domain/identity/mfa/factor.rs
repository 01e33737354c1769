//! A user's factor: proving it uses the code up, under the lock of the factor's row. That makes «once» exact for any
//! number of challenges on any number of nodes.

use chrono::{DateTime, Duration, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    auth::totp,
    db::{Tenant, TenantTx},
    domain::{
        cx::Cx,
        refusal::{Code, Detail, Failure, Refusal},
    },
};

/// So many wrong codes in a row are a person's; from then on every further one blocks the app's codes for [`BLOCK`].
/// Guessing then takes centuries, even for somebody who knows the password and opens challenge after challenge.
pub const FREE_FAILURES: i32 = 10;
/// How long codes of the app are not looked at after too many wrong ones. Recovery codes cannot be guessed and work.
pub const BLOCK: Duration = Duration::hours(1);

/// What a code proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// It was right, and is spent now.
    Right,
    /// It was right once.
    Spent,
    /// It is none of the user's.
    Wrong,
    /// It was not looked at.
    Blocked { until: DateTime<Utc>, failures: i32 },
}

impl Proof {
    /// What the user is told; none: it was right.
    pub(super) fn refusal(self) -> Option<Refusal> {
        Some(match self {
            Self::Right => return None,
            Self::Spent => Refusal::new(Code::TokenUsed, "this code has been used; wait for the next one").at("code"),
            Self::Wrong => Refusal::invalid("code", "this code is not right"),
            Self::Blocked { until, failures } => {
                let message = "too many wrong codes; try again later, or use a recovery code";
                let detail = Detail::Quota {
                    quota: "mfaFailures".to_owned(),
                    limit: FREE_FAILURES,
                    used: failures,
                    resets_at: Some(until),
                };
                Refusal { detail, ..Refusal::new(Code::QuotaExceeded, message).at("code") }
            }
        })
    }

    /// The word in metrics and in the audit trail.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Right => "ok",
            Self::Spent => "mfa_replayed",
            Self::Wrong => "mfa_wrong",
            Self::Blocked { .. } => "mfa_blocked",
        }
    }
}

#[derive(FromQueryResult)]
struct Row {
    secret: Vec<u8>,
    last_step: i64,
    failures: i32,
    blocked_until: Option<DateTime<Utc>>,
}

/// Where a user's secret is locked to.
pub(super) fn place(tenant: &Tenant, user: Uuid) -> Vec<u8> {
    [b"mfa".as_slice(), tenant.id.0.as_bytes(), user.as_bytes()].concat()
}

/// Tries what was typed on the user's factor, which is or is not confirmed yet. None: there is no such factor.
pub(super) async fn prove(
    cx: &Cx,
    tx: &TenantTx,
    user: Uuid,
    confirmed: bool,
    typed: &str,
) -> Result<Option<Proof>, Failure> {
    let row: Option<Row> = tx
        .find(
            "SELECT secret, last_step, failures, blocked_until FROM mfa_factors
             WHERE user_id = $1 AND (confirmed_at IS NOT NULL) = $2 FOR UPDATE",
            [user.into(), confirmed.into()],
        )
        .await?;
    let Some(row) = row else { return Ok(None) };
    let (proof, step) = match totp::Code::parse(typed) {
        Some(totp::Code::App(digits)) => app_code(cx, tx, user, &row, &digits)?,
        // Recovery codes replace an app that worked before.
        Some(totp::Code::Recovery(word)) if confirmed => (recovery_code(cx, tx, user, &word).await?, row.last_step),
        _ => (Proof::Wrong, row.last_step),
    };
    match proof {
        Proof::Right => {
            tx.run(
                "UPDATE mfa_factors SET last_step = $2, failures = 0, blocked_until = NULL WHERE user_id = $1",
                [user.into(), step.into()],
            )
            .await?;
        }
        Proof::Wrong => {
            let blocked_until = (row.failures + 1 >= FREE_FAILURES).then(|| cx.now() + BLOCK);
            tx.run(
                "UPDATE mfa_factors SET failures = failures + 1, blocked_until = $2 WHERE user_id = $1",
                [user.into(), blocked_until.into()],
            )
            .await?;
        }
        Proof::Spent | Proof::Blocked { .. } => {}
    }
    Ok(Some(proof))
}

fn app_code(cx: &Cx, tx: &TenantTx, user: Uuid, row: &Row, digits: &str) -> Result<(Proof, i64), Failure> {
    let now = cx.now();
    if let Some(until) = row.blocked_until.filter(|until| *until > now) {
        return Ok((Proof::Blocked { until, failures: row.failures }, row.last_step));
    }
    let secret = cx
        .vault
        .unlock(&row.secret, &place(tx.tenant(), user))
        .ok_or_else(|| Failure::fault("the secret of a second factor does not open: was HORAE_SECRET changed?"))?;
    Ok(match totp::matching_step(&secret, digits, now) {
        Some(step) if step > row.last_step => (Proof::Right, step),
        Some(_) => (Proof::Spent, row.last_step),
        None => (Proof::Wrong, row.last_step),
    })
}

async fn recovery_code(cx: &Cx, tx: &TenantTx, user: Uuid, word: &str) -> Result<Proof, Failure> {
    // Under the factor's lock: what is unused here stays so until it is used here.
    let unused: Option<bool> = tx
        .scalar(
            "SELECT used_at IS NULL FROM mfa_recovery_codes WHERE user_id = $1 AND code_hash = $2",
            [user.into(), totp::recovery_hash(word).into()],
        )
        .await?;
    match unused {
        None => Ok(Proof::Wrong),
        Some(false) => Ok(Proof::Spent),
        Some(true) => {
            tx.run(
                "UPDATE mfa_recovery_codes SET used_at = $3 WHERE user_id = $1 AND code_hash = $2",
                [user.into(), totp::recovery_hash(word).into(), cx.now().into()],
            )
            .await?;
            Ok(Proof::Right)
        }
    }
}
