//! Publishable keys: what a booking page shows the world. They may book online and nothing else.

use crate::{
    auth::{Actor, Permission, Scope, token_hash},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::{facts, many, text},
        refusal::Failure,
    },
};

/// Makes a publishable key for pages of these origins (empty: any). The key is shown once and kept as a hash.
///
/// # Errors
/// When the caller may not administer users; faults of the database.
pub async fn create_publishable(cx: &Cx, actor: &Actor, name: &str, origins: Vec<String>) -> Result<String, Failure> {
    actor.require(Permission::UserAdmin, Scope::Centre)?;
    let key = super::session::routed_token(super::authenticate::PUBLISHABLE, actor.tenant.key);
    let id = cx.new_id();
    let tx = cx.write(actor).await?;
    tx.run(
        "INSERT INTO api_keys (id, name, prefix, secret_hash, publishable, allowed_origins, created_at) VALUES ($1, $2, $3, $4, true, $5, $6)",
        [
            id.into(),
            name.into(),
            key.chars().take(8).collect::<String>().into(),
            token_hash(&key).into(),
            origins.clone().into(),
            cx.now().into(),
        ],
    )
    .await?;
    let change = Change {
        after: Some(
            facts!({ "name": text(name), "publishable": true, "origins": many(origins.iter().map(|o| text(o))) }),
        ),
        ..Change::audited("createApiKey", "ApiKey", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(key)
}
