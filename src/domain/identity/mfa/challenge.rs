//! Challenges: a secret word that stands for «the password was right», for minutes and a few tries.

use chrono::{DateTime, Duration, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    auth::{token_hash, word},
    db::TenantTx,
    domain::{
        cx::Cx,
        refusal::{Code, Failure, Refusal},
    },
};

/// How long a challenge waits for its code.
pub const TTL: Duration = Duration::minutes(5);
/// How many codes may be tried on it.
pub const ATTEMPTS: i32 = 5;

/// What the right code does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::domain::identity) enum Aim {
    /// Opens the session.
    Login,
    /// Confirms the new factor, and opens another session than the one that enrols; worth nothing once that is over.
    Enrol { session: Uuid },
}

/// An open challenge. Its id is a secret word, kept as a hash.
#[derive(Clone, Debug)]
pub struct Challenge {
    /// Give it with the code.
    pub id: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// Opens a challenge, and clears away the user's old ones.
pub(in crate::domain::identity) async fn open(
    cx: &Cx,
    tx: &TenantTx,
    user: Uuid,
    aim: Aim,
) -> Result<Challenge, Failure> {
    let now = cx.now();
    let challenge = Challenge { id: word::routed(word::CHALLENGE, tx.tenant().key), expires_at: now + TTL };
    let session = match aim {
        Aim::Login => None,
        Aim::Enrol { session } => Some(session),
    };
    let enrols = session.is_some();
    // An enrolment begun anew has another secret, so the one before has nothing to wait for.
    tx.run(
        "DELETE FROM mfa_challenges WHERE user_id = $1 AND (expires_at <= $2 OR (enrols AND $3))",
        [user.into(), now.into(), enrols.into()],
    )
    .await?;
    tx.run(
        "INSERT INTO mfa_challenges (id, word_hash, user_id, enrols, session_id, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        [
            cx.new_id().into(),
            token_hash(&challenge.id).into(),
            user.into(),
            enrols.into(),
            session.into(),
            now.into(),
            challenge.expires_at.into(),
        ],
    )
    .await?;
    Ok(challenge)
}

/// A challenge with one try less.
#[derive(FromQueryResult)]
pub(super) struct Tried {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) enrols: bool,
}

/// Takes one of the challenge's tries, if it has one left. User and challenge stay locked: two tries come one after
/// another, and so do a try and whatever takes the challenge's worth.
pub(super) async fn attempt(tx: &TenantTx, word: &str, now: DateTime<Utc>) -> Result<Tried, Failure> {
    let hash = token_hash(word);
    tx.run(
        "SELECT 1 FROM users WHERE id = (SELECT user_id FROM mfa_challenges WHERE word_hash = $1) FOR NO KEY UPDATE",
        [hash.clone().into()],
    )
    .await?;
    let tried: Option<Tried> = tx
        .find(
            "UPDATE mfa_challenges c SET attempts = attempts + 1 FROM users u
             WHERE c.word_hash = $1 AND c.used_at IS NULL AND c.attempts < $2 AND c.expires_at > $3
                 AND u.id = c.user_id AND u.status = 'ACTIVE'
                 AND (NOT c.enrols OR EXISTS (
                     SELECT 1 FROM sessions s WHERE s.id = c.session_id AND s.revoked_at IS NULL AND s.expires_at > $3))
             RETURNING c.id, c.user_id, c.enrols",
            [hash.clone().into(), ATTEMPTS.into(), now.into()],
        )
        .await?;
    match tried {
        Some(tried) => Ok(tried),
        None => Err(why_not(tx, hash, now).await?.at("challengeId").into()),
    }
}

#[derive(FromQueryResult)]
struct Row {
    used: bool,
    exhausted: bool,
    expired: bool,
}

async fn why_not(tx: &TenantTx, hash: Vec<u8>, now: DateTime<Utc>) -> Result<Refusal, Failure> {
    let row: Option<Row> = tx
        .find(
            "SELECT used_at IS NOT NULL AS used, attempts >= $2 AS exhausted, expires_at <= $3 AS expired
             FROM mfa_challenges WHERE word_hash = $1",
            [hash.into(), ATTEMPTS.into(), now.into()],
        )
        .await?;
    Ok(match row {
        Some(row) if row.used => Refusal::new(Code::TokenUsed, "this login is complete; log in again"),
        Some(row) if row.exhausted => Refusal::new(Code::Expired, "too many wrong codes; log in again"),
        Some(row) if row.expired => Refusal::new(Code::Expired, "the time for the code is over; log in again"),
        _ => unknown(),
    })
}

/// There is no such challenge, or its user may not log in any more, or it went with the password or the session that it
/// came of.
pub(super) fn unknown() -> Refusal {
    Refusal::new(Code::TokenInvalid, "there is no such login to complete; log in again").at("challengeId")
}

/// The challenge has done its work.
pub(super) async fn close(tx: &TenantTx, id: Uuid, now: DateTime<Utc>) -> Result<(), Failure> {
    tx.run("UPDATE mfa_challenges SET used_at = $2 WHERE id = $1", [id.into(), now.into()]).await?;
    Ok(())
}
