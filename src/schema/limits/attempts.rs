//! Operations that somebody could try again and again: with guessed passwords, guessed tokens, made-up patients. They
//! are counted by address, and by the account or token that they name, before anything looks whether it exists: what
//! does not exist is limited the same.

use sha2::{Digest, Sha256};

use super::assess::Asked;
use crate::{
    auth::Actor,
    domain::limit::{Bucket, Rates},
};

/// An operation whose tries are counted.
struct Counted {
    field: &'static str,
    /// Arguments that together name the account or token; none: the caller's own account, if there is one.
    account: &'static [&'static str],
    /// Whether it is free for who is logged in: staff books as often as it likes.
    only_public: bool,
}

const fn secret(field: &'static str, account: &'static [&'static str]) -> Counted {
    Counted { field, account, only_public: false }
}

const fn public(field: &'static str) -> Counted {
    Counted { field, account: &[], only_public: true }
}

/// Every mutation that takes a secret or works for nobody in particular. A test compares this with the schema.
const COUNTED: &[Counted] = &[
    secret("login", &["tenantSlug", "email"]),
    secret("completeMfa", &["challengeId"]),
    secret("refreshSession", &["refreshToken"]),
    secret("requestPasswordReset", &["tenantSlug", "email"]),
    secret("resetPassword", &["token"]),
    secret("acceptInvite", &["token"]),
    secret("changePassword", &[]),
    secret("disableMfa", &[]),
    secret("enrolMfa", &[]),
    secret("redeemCapability", &["token"]),
    secret("patientConfirm", &["token"]),
    secret("patientCancel", &["token"]),
    public("holdSlot"),
    public("releaseHold"),
    public("publicBook"),
    public("joinWaitlist"),
];

/// Whether a password is hashed for this mutation.
pub(super) fn takes_a_password(field: &str) -> bool {
    matches!(field, "login" | "resetPassword" | "acceptInvite" | "changePassword")
}

/// How many addresses' tries a centre's logins may amount to, and its requests for new passwords: what a flood from many
/// addresses meets, long before it keeps the processors busy with passwords.
const CENTRE_SHARE: u32 = 10;

/// Whether tries of this mutation are counted.
#[must_use]
pub fn is_counted(field: &str) -> bool {
    COUNTED.iter().any(|counted| counted.field == field)
}

/// The buckets that a try takes from, narrower before wider.
pub(super) fn buckets(asked: &Asked, caller: Option<&Actor>, address: &str, rates: &Rates) -> Vec<Bucket> {
    let Some(counted) = COUNTED.iter().find(|counted| counted.field == asked.field) else { return Vec::new() };
    let staff = caller.filter(|actor| !actor.publishable);
    if counted.only_public && staff.is_some() {
        return Vec::new();
    }
    let kind = if counted.only_public { "booking" } else { "secret" };
    let bucket = |key: String, per_minute: u32| Bucket { key, capacity: per_minute, per_minute };
    let mut buckets = Vec::new();
    let named = counted.account.iter().map(|name| asked.arguments.get(*name).and_then(|value| value.as_str()));
    let account = named.collect::<Option<Vec<_>>>().filter(|parts| !parts.is_empty());
    let own = staff.and_then(|actor| Some(format!("{}:{}", actor.tenant.id.0, actor.id?)));
    if let Some(account) = account.map(|parts| hashed(&parts)).or(own) {
        let key = format!("{{attempts}}:{}:account:{account}", asked.field);
        buckets.push(bucket(key, rates.attempts_per_account));
    }
    buckets.push(bucket(format!("{{attempts}}:{kind}:address:{address}"), rates.attempts_per_address));
    if let Some(slug) = asked.arguments.get("tenantSlug").and_then(|slug| slug.as_str()) {
        let key = format!("{{attempts}}:{}:centre:{}", asked.field, hashed(&[slug]));
        buckets.push(bucket(key, rates.attempts_per_address.saturating_mul(CENTRE_SHARE)));
    }
    buckets
}

/// What people type is kept nowhere, and mail addresses differ by case only for machines.
fn hashed(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.trim().to_lowercase();
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("{:.32}", hex::encode(hash.finalize()))
}
