//! Enrolment: a new secret for the app and new recovery codes, shown this once. They count from the first right code on.

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    challenge::{self, Aim, Challenge},
    factor::place,
};
use crate::{
    auth::{Actor, ActorKind, totp},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        identity::user,
        refusal::{Code, Failure, Refusal},
    },
};

/// What the user must keep, shown this once.
#[derive(Clone)]
pub struct Enrolment {
    /// The address that an authenticator app reads from a QR code.
    pub uri: String,
    /// Each opens one login without the app.
    pub recovery_codes: Vec<String>,
    /// Waits for the app's first code.
    pub challenge: Challenge,
}

#[derive(FromQueryResult)]
struct Names {
    email: String,
    trade_name: String,
}

/// The user that a caller is, and the session.
///
/// # Errors
/// FORBIDDEN for programs: a second factor is a person's.
pub(super) fn person(actor: &Actor) -> Result<(Uuid, Uuid), Refusal> {
    let person = actor.id.zip(actor.session).filter(|_| actor.kind == ActorKind::User);
    person.ok_or_else(|| Refusal::new(Code::Forbidden, "only a user who is logged in has a second factor"))
}

/// Begins enrolling; begun again, what was shown before is worth nothing.
///
/// # Errors
/// ALREADY_EXISTS when there is a factor: it has to be disabled first; FORBIDDEN for programs; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor) -> Result<Enrolment, Failure> {
    let (user, session) = person(actor)?;
    let secret = totp::new_secret();
    let recovery_codes = totp::new_recovery_codes();
    let hashes: Vec<Vec<u8>> = recovery_codes.iter().map(|code| totp::recovery_hash(&code.replace('-', ""))).collect();
    let tx = cx.write(actor).await?;
    user::lock(&tx, user).await?;
    let names: Option<Names> =
        tx.find("SELECT u.email, p.trade_name FROM users u, centre_profile p WHERE u.id = $1", [user.into()]).await?;
    let names = names.ok_or_else(|| Failure::fault("a user or the centre's profile is gone"))?;
    let uri = totp::uri(&secret, &names.trade_name, &names.email)
        .ok_or_else(|| Failure::fault("the address of a second factor could not be written"))?;
    let written = tx
        .run(
            "INSERT INTO mfa_factors (user_id, secret, created_at) VALUES ($1, $2, $3)
             ON CONFLICT (user_id) DO UPDATE SET secret = EXCLUDED.secret, created_at = EXCLUDED.created_at, last_step = 0,
                 failures = 0, blocked_until = NULL
             WHERE mfa_factors.confirmed_at IS NULL",
            [user.into(), cx.vault.lock(&secret, &place(tx.tenant(), user)).into(), cx.now().into()],
        )
        .await?;
    if written == 0 {
        return Err(Refusal::new(Code::AlreadyExists, "there is a second factor; disable it first (disableMfa)").into());
    }
    tx.run("DELETE FROM mfa_recovery_codes WHERE user_id = $1", [user.into()]).await?;
    tx.run(
        "INSERT INTO mfa_recovery_codes (user_id, code_hash) SELECT $1, unnest($2::bytea[])",
        [user.into(), hashes.into()],
    )
    .await?;
    let challenge = challenge::open(cx, &tx, user, Aim::Enrol { session }).await?;
    let after = facts!({ "mfaEnabled": false, "challengeExpiresAt": challenge.expires_at });
    let change = Change { after: Some(after), ..Change::audited("enrolMfa", "User", user) };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(Enrolment { uri, recovery_codes, challenge })
}
