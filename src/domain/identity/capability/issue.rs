//! Issues a token. Its word is shown once.

use chrono::Duration;

use super::{Capability, NewToken, Purpose, Subject, authorise, put};
use crate::{
    auth::{Actor, word},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::{Code, Failure, Refusal},
    },
};

/// Shortest life of a token in seconds.
const MIN_TTL: i32 = 60;
const DAY: i32 = 86_400;

/// A token to issue.
#[derive(Clone, Copy, Debug)]
pub struct Issue {
    /// What for.
    pub purpose: Purpose,
    /// The thing it opens; none: there is no such thing.
    pub subject: Option<Subject>,
    /// For how long.
    pub ttl_seconds: i32,
    /// How often; none: as often as the purpose needs.
    pub max_uses: Option<i32>,
}

/// A new token and its word.
#[derive(Clone)]
pub struct Issued {
    /// The token.
    pub capability: Capability,
    /// Never shown again.
    pub word: String,
}

/// How long a token of a purpose may live, and how often it may be used.
struct Limits {
    max_ttl: i32,
    uses: i32,
    max_uses: i32,
}

fn limits(purpose: Purpose) -> Limits {
    match purpose {
        // A calendar asks again and again, for as long as it is subscribed to.
        Purpose::CalendarFeed => Limits { max_ttl: 366 * DAY, uses: 100_000, max_uses: 1_000_000 },
        _ => Limits { max_ttl: 90 * DAY, uses: 1, max_uses: 100 },
    }
}

/// Issues it. A link to an appointment ends when the appointment begins, however long it was to hold.
///
/// # Errors
/// FORBIDDEN, NOT_FOUND, INVALID, EXPIRED; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, input: Issue) -> Result<Issued, Failure> {
    authorise::require(actor, input.purpose)?;
    let max_uses = validate(&input)?;
    let now = cx.now();
    let tx = cx.write(actor).await?;
    let end = authorise::thing(&tx, actor, input.purpose, input.subject).await?;
    let subject = input.subject.ok_or_else(|| Refusal::not_found("resourceId"))?;
    if end.is_some_and(|end| end <= now) {
        return Err(Refusal::new(Code::Expired, "this appointment has begun").at("resourceId").into());
    }
    let wanted = now + Duration::seconds(i64::from(input.ttl_seconds));
    let expires_at = end.map_or(wanted, |end| wanted.min(end));
    let secret = word::routed(word::CAPABILITY, actor.tenant.key);
    let new = NewToken { word: &secret, purpose: input.purpose, resource: subject.id(), max_uses, expires_at };
    let id = put(cx, &tx, &[new]).await?.pop().ok_or_else(|| Failure::fault("a token was not stored"))?;
    let after = facts!({
        "purpose": input.purpose.as_str(), "resourceId": subject.id(), "maxUses": max_uses, "expiresAt": expires_at,
    });
    let change =
        Change { after: Some(after), ..Change::event("capability.issued", "issueCapability", "CapabilityToken", id) };
    cx.commit(tx, Changes::one(actor, change)).await?;
    let capability = Capability { id, purpose: input.purpose, subject, max_uses, uses: 0, expires_at, revoked: false };
    Ok(Issued { capability, word: secret })
}

fn validate(input: &Issue) -> Result<i32, Failure> {
    let limits = limits(input.purpose);
    let mut refusals = Vec::new();
    if matches!(input.purpose, Purpose::Invite | Purpose::PasswordReset) {
        let message = "these links go by mail to the user alone: inviteUser, requestPasswordReset";
        refusals.push(Refusal::invalid("purpose", message));
    }
    if !(MIN_TTL..=limits.max_ttl).contains(&input.ttl_seconds) {
        refusals.push(Refusal::invalid("ttlSeconds", format!("give {MIN_TTL} to {} seconds", limits.max_ttl)));
    }
    let uses = input.max_uses.unwrap_or(limits.uses);
    if !(1..=limits.max_uses).contains(&uses) {
        refusals.push(Refusal::invalid("maxUses", format!("give 1 to {}", limits.max_uses)));
    }
    if refusals.is_empty() { Ok(uses) } else { Err(refusals.into()) }
}
