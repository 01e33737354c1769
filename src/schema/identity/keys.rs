//! Keys of programs.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::types::PermissionCode;
use crate::{
    domain::identity::keys::{self, create, list, revoke},
    schema::{
        auth::{P, auth},
        error::{ApiError, UserError, payload},
        id::Kind,
        page::{PageArguments, connection},
        request::{Reader, authenticator, staff},
        scalar::Instant,
    },
};

/// Name of the list in its cursors.
const LIST: &str = "apiKeys";

/// A key of a program.
#[derive(SimpleObject, Clone, Debug)]
pub struct ApiKey {
    /// Opaque identifier.
    #[graphql(owned)]
    pub id: ID,
    /// What it is for.
    pub name: String,
    /// The first characters of the key, to tell it from others.
    pub prefix: String,
    /// What the program may do; nothing for a publishable key.
    pub permissions: Vec<PermissionCode>,
    /// Whether it is for booking pages, where everybody can see it: it may book online and nothing else.
    pub publishable: bool,
    /// Pages that may use a publishable key.
    pub allowed_origins: Vec<String>,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last used, to the minute; null: never.
    pub last_used_at: Option<Instant>,
    /// Until when it holds; null: until it is revoked.
    pub expires_at: Option<Instant>,
    /// When it was revoked; null: it was not.
    pub revoked_at: Option<Instant>,
}

connection!(ApiKeyConnection, ApiKeyEdge, ApiKey, "keys of programs");

impl ApiKey {
    /// The API's form of a key.
    #[must_use]
    pub fn new(reader: &Reader, key: keys::ApiKey) -> Self {
        let keys::ApiKey {
            id,
            name,
            prefix,
            publishable,
            permissions,
            allowed_origins,
            created_at,
            last_used_at,
            expires_at,
            revoked_at,
        } = key;
        Self {
            id: reader.ids.encode(Kind::ApiKey, id),
            name,
            prefix,
            permissions: permissions.iter().map(Into::into).collect(),
            publishable,
            allowed_origins,
            created_at: Instant::utc(created_at),
            last_used_at: last_used_at.map(Instant::utc),
            expires_at: expires_at.map(Instant::utc),
            revoked_at: revoked_at.map(Instant::utc),
        }
    }
}

/// A key to make.
#[derive(InputObject)]
pub struct CreateApiKeyInput {
    /// What it is for; shown in lists and as who did something.
    pub name: String,
    /// What the program may do: nothing that the caller may not; empty for a publishable key.
    pub permissions: Vec<PermissionCode>,
    /// Whether it is for booking pages, where everybody can see it.
    pub publishable: bool,
    /// Until when it holds; without it, until it is revoked.
    pub expires_at: Option<Instant>,
    /// Pages that may use a publishable key, as scheme, host and port: `https://example.com`. Required for those.
    pub allowed_origins: Option<Vec<String>>,
}

/// Answer of `createApiKey`.
#[derive(SimpleObject)]
pub struct CreateApiKeyPayload {
    /// The key.
    pub api_key: Option<ApiKey>,
    /// What the program sends as `Authorization: Bearer …`. Shown this once.
    pub secret: Option<String>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `revokeApiKey`.
#[derive(SimpleObject)]
pub struct RevokeApiKeyPayload {
    /// The key.
    pub api_key: Option<ApiKey>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Queries of keys.
#[derive(Default)]
pub struct KeysQuery;

#[Object]
impl KeysQuery {
    /// The keys that were not revoked, newest first. Needs USER_ADMIN.
    #[graphql(directive = auth::apply(vec![P::UserAdmin]))]
    async fn api_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "So many from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes behind this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<ApiKeyConnection, ApiError> {
        let reader = staff(ctx)?;
        let page = PageArguments { first, after, last, before }.open::<list::Key>(ctx, reader, LIST)?;
        let found = list::run(&reader.cx, &reader.actor, &page).await?;
        Ok(ApiKeyConnection::new(reader, LIST, found, |key| (key.created_at, key.id), |key| ApiKey::new(reader, key)))
    }
}

/// Mutations of keys.
#[derive(Default)]
pub struct KeysMutation;

#[Object]
impl KeysMutation {
    /// Makes a key for a program or a booking page. Needs USER_ADMIN, and every permission that the key gets.
    #[graphql(directive = auth::apply(vec![P::UserAdmin]))]
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the key is for and what it may do.")] input: CreateApiKeyInput,
    ) -> Result<CreateApiKeyPayload, ApiError> {
        let reader = staff(ctx)?;
        let new = create::NewKey {
            name: input.name,
            permissions: input.permissions.into_iter().map(Into::into).collect(),
            publishable: input.publishable,
            expires_at: input.expires_at.map(|at| at.0.to_utc()),
            allowed_origins: input.allowed_origins.unwrap_or_default(),
        };
        let (made, user_errors) = payload(create::run(&reader.cx, &reader.actor, new).await, Some(reader))?;
        let (api_key, secret) = made.map(|made| (ApiKey::new(reader, made.key), made.word)).unzip();
        Ok(CreateApiKeyPayload { api_key, secret, user_errors })
    }

    /// Revokes a key; within seconds no node accepts it, and its subscriptions end. Needs USER_ADMIN.
    #[graphql(directive = auth::apply(vec![P::UserAdmin]))]
    async fn revoke_api_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which key.")] id: ID,
    ) -> Result<RevokeApiKeyPayload, ApiError> {
        let reader = staff(ctx)?;
        let revoked = async {
            let id = reader.ids.decode(Kind::ApiKey, &id, "id")?;
            revoke::run(&reader.cx, &reader.actor, id).await
        };
        let (key, user_errors) = payload(revoked.await, Some(reader))?;
        if let Some(key) = &key {
            authenticator(ctx).forget(reader.actor.tenant.id, key.id).await;
        }
        Ok(RevokeApiKeyPayload { api_key: key.map(|key| ApiKey::new(reader, key)), user_errors })
    }
}
