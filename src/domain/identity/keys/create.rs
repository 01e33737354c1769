//! Makes a key. It is shown once.

use chrono::{DateTime, Utc};

use super::{ApiKey, origin};
use crate::{
    auth::{Actor, ActorKind, Permission, PermissionSet, Scope, token_hash, word},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::{facts, many, text},
        identity::grant::Grantor,
        refusal::{Code, Failure, Refusal},
    },
};

/// Longest name.
const MAX_NAME: usize = 200;
/// Most origins of one key.
const MAX_ORIGINS: usize = 20;

/// A key to make.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Shown to people.
    pub name: String,
    /// What the program may do; nothing for a publishable key.
    pub permissions: Vec<Permission>,
    /// For pages that everybody may see.
    pub publishable: bool,
    /// Until when; none: until it is revoked.
    pub expires_at: Option<DateTime<Utc>>,
    /// Pages that may use a publishable key.
    pub allowed_origins: Vec<String>,
}

/// A new key and its word.
#[derive(Clone)]
pub struct Made {
    /// The key.
    pub key: ApiKey,
    /// What the program sends; never shown again.
    pub word: String,
}

/// Makes a key that may do no more than its maker. Keys make no keys: one that was stolen would outlive its revocation.
///
/// # Errors
/// FORBIDDEN, INVALID, REQUIRED; faults of the database.
pub async fn run(cx: &Cx, actor: &Actor, new: NewKey) -> Result<Made, Failure> {
    actor.require(Permission::UserAdmin, Scope::Centre)?;
    if actor.kind == ActorKind::ApiKey {
        return Err(Refusal::new(Code::Forbidden, "keys are made by people").into());
    }
    let key = build(cx, validate(actor, new, cx.now())?);
    insert(cx, actor, key).await
}

/// Makes a publishable key for pages of these origins (empty: any, for trying things out).
///
/// # Errors
/// FORBIDDEN; faults of the database.
pub async fn publishable(cx: &Cx, actor: &Actor, name: &str, origins: Vec<String>) -> Result<String, Failure> {
    actor.require(Permission::UserAdmin, Scope::Centre)?;
    let new = NewKey {
        name: name.to_owned(),
        permissions: Vec::new(),
        publishable: true,
        expires_at: None,
        allowed_origins: origins,
    };
    Ok(insert(cx, actor, build(cx, new)).await?.word)
}

fn validate(actor: &Actor, mut new: NewKey, now: DateTime<Utc>) -> Result<NewKey, Failure> {
    let mut refusals = Vec::new();
    new.name = new.name.trim().to_owned();
    if new.name.is_empty() {
        refusals.push(Refusal::required("name", "say what the key is for"));
    } else if new.name.chars().count() > MAX_NAME || new.name.chars().any(char::is_control) {
        refusals.push(Refusal::invalid("name", format!("write at most {MAX_NAME} characters, none of them a control")));
    }
    if new.expires_at.is_some_and(|until| until <= now) {
        refusals.push(Refusal::invalid("expiresAt", "this is over already"));
    }
    if new.publishable {
        if !new.permissions.is_empty() {
            let message = "everybody can read a publishable key, so it has no permissions; it may book online";
            refusals.push(Refusal::invalid("permissions", message));
        }
        if new.allowed_origins.is_empty() {
            refusals.push(Refusal::required(
                "allowedOrigins",
                "say on which pages the key will be, like https://example.com",
            ));
        }
    } else {
        if new.permissions.is_empty() {
            refusals.push(Refusal::required("permissions", "say what the program may do"));
        }
        for (at, permission) in new.permissions.iter().enumerate() {
            if !actor.permissions.has(*permission) {
                let message = format!("you do not have {} yourself", permission.as_str());
                refusals.push(Refusal::new(Code::Forbidden, message).at(&format!("permissions.{at}")));
            }
        }
        if !new.allowed_origins.is_empty() {
            let message = "a secret key does not belong in a page; only publishable keys have origins";
            refusals.push(Refusal::invalid("allowedOrigins", message));
        }
    }
    if new.allowed_origins.len() > MAX_ORIGINS {
        refusals.push(Refusal::invalid("allowedOrigins", format!("give at most {MAX_ORIGINS}")));
    }
    for (at, text) in new.allowed_origins.iter_mut().enumerate().take(MAX_ORIGINS) {
        match origin(text) {
            Some(origin) => *text = origin,
            None => {
                let message = "write scheme, host and port alone, like https://example.com";
                refusals.push(Refusal::invalid(&format!("allowedOrigins.{at}"), message));
            }
        }
    }
    if refusals.is_empty() { Ok(new) } else { Err(refusals.into()) }
}

fn build(cx: &Cx, new: NewKey) -> ApiKey {
    ApiKey {
        id: cx.new_id(),
        name: new.name,
        prefix: String::new(),
        publishable: new.publishable,
        permissions: new.permissions.into_iter().collect::<PermissionSet>(),
        allowed_origins: new.allowed_origins,
        created_at: cx.now(),
        last_used_at: None,
        expires_at: new.expires_at,
        revoked_at: None,
    }
}

async fn insert(cx: &Cx, actor: &Actor, mut key: ApiKey) -> Result<Made, Failure> {
    let kind = if key.publishable { word::PUBLISHABLE_KEY } else { word::SECRET_KEY };
    let secret = word::routed(kind, actor.tenant.key);
    key.prefix = word::shown_part(&secret);
    let permissions: Vec<String> = key.permissions.iter().map(|permission| permission.as_str().to_owned()).collect();
    let tx = cx.write(actor).await?;
    Grantor::lock(cx, &tx, actor, Scope::Centre).await?.permissions(key.permissions, "permissions")?;
    tx.run(
        "INSERT INTO api_keys (id, name, prefix, secret_hash, publishable, permissions, allowed_origins, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        [
            key.id.into(),
            key.name.clone().into(),
            key.prefix.clone().into(),
            token_hash(&secret).into(),
            key.publishable.into(),
            permissions.into(),
            key.allowed_origins.clone().into(),
            key.created_at.into(),
            key.expires_at.into(),
        ],
    )
    .await?;
    let after = facts!({
        "name": text(&key.name),
        "publishable": key.publishable,
        "permissions": many(key.permissions.iter().map(Permission::as_str)),
        "allowedOrigins": many(key.allowed_origins.iter().map(|origin| text(origin))),
        "expiresAt": key.expires_at,
    });
    let change = Change { after: Some(after), ..Change::event("api_key.created", "createApiKey", "ApiKey", key.id) };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(Made { key, word: secret })
}
