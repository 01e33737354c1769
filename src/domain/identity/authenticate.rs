//! From a bearer word to an [`Actor`]. What a session may do is read from the database and kept for a few seconds, so
//! that a change of rights or a logout takes effect everywhere within [`STALENESS`].

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use chrono::{DateTime, Utc};
use moka::future::Cache;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    auth::{Actor, ActorKind, BuiltinRole, PermissionSet, alarm, token_hash},
    db::{Access, Tenant, TenantId, TenantStatus, TenantTx},
    domain::{cx::Cx, refusal::Failure},
};

/// How long a node may go on with what it knew of a session's or a key's rights.
pub const STALENESS: Duration = Duration::from_secs(3);

/// Prefix of publishable keys.
pub(super) const PUBLISHABLE: &str = "pk";

/// Who a word stands for, and until when it does.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// Who.
    pub actor: Arc<Actor>,
    /// Until when; none: until it is revoked.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Turns words into actors.
#[derive(Clone)]
pub struct Authenticator {
    cx: Cx,
    sessions: Cache<SessionKey, Option<Arc<Known>>>,
    keys: Cache<Vec<u8>, Option<Arc<KnownKey>>>,
    /// How often what is known of a tenant's sessions became void. Part of their key, so that an answer that was on its
    /// way meanwhile is void too.
    generations: Arc<RwLock<HashMap<TenantId, u64>>>,
}

/// Tenant, generation, session.
type SessionKey = (TenantId, u64, Uuid);

/// What a session may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// What …
    pub permissions: PermissionSet,
    /// … and where; none: in every branch.
    pub branches: Option<Arc<[Uuid]>>,
    /// The professional that the user is.
    pub professional: Option<Uuid>,
}

impl Rights {
    /// What the actor was found to be allowed.
    #[must_use]
    pub fn of(actor: &Actor) -> Self {
        Self { permissions: actor.permissions, branches: actor.branches.clone(), professional: actor.professional }
    }
}

/// What is known of a session.
#[derive(Debug)]
struct Known {
    user: Uuid,
    name: Arc<str>,
    rights: Rights,
}

#[derive(Debug)]
struct KnownKey {
    tenant: Arc<Tenant>,
    id: Uuid,
    name: Arc<str>,
    origins: Vec<String>,
    expires_at: Option<DateTime<Utc>>,
}

#[derive(FromQueryResult)]
struct SessionRow {
    session_id: Uuid,
    user_id: Uuid,
    name: String,
    branch_ids: Vec<Uuid>,
    professional_id: Option<Uuid>,
    builtin: Vec<String>,
    custom: Vec<String>,
}

#[derive(FromQueryResult)]
struct KeyRow {
    id: Uuid,
    name: String,
    allowed_origins: Vec<String>,
    expires_at: Option<DateTime<Utc>>,
}

impl Authenticator {
    /// For this process.
    #[must_use]
    pub fn new(cx: Cx) -> Self {
        Self {
            cx,
            sessions: Cache::builder().time_to_live(STALENESS).max_capacity(100_000).build(),
            keys: Cache::builder().time_to_live(STALENESS).max_capacity(10_000).build(),
            generations: Arc::default(),
        }
    }

    /// Who a bearer word stands for: an access token or a publishable key. None: nobody.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn bearer(
        &self,
        word: &str,
        origin: Option<&str>,
        request_id: &Arc<str>,
    ) -> Result<Option<Authenticated>, Failure> {
        if word.starts_with(PUBLISHABLE) && word.contains('.') && word.matches('.').count() == 1 {
            return self.publishable(word, origin, request_id).await;
        }
        let refused = |reason, tenant| {
            alarm::auth_failure(reason, tenant, request_id);
            Ok(None)
        };
        let claims = match self.cx.tokens.check(word, self.cx.now()) {
            Ok(claims) => claims,
            Err(flaw) => return refused(flaw.as_str(), None),
        };
        let Some(tenant) = self.cx.db.find_tenant(TenantId(claims.tid)).await? else {
            return refused("tenant", None);
        };
        // A session of another centre is none of this one.
        let known = self.session(&tenant, claims.sid).await?.filter(|known| known.user == claims.sub);
        let Some(known) = known else {
            return refused("session", Some(tenant.id));
        };
        let actor = Actor {
            tenant,
            kind: ActorKind::User,
            id: Some(known.user),
            session: Some(claims.sid),
            name: Arc::clone(&known.name),
            permissions: known.rights.permissions,
            branches: known.rights.branches.clone(),
            professional: known.rights.professional,
            publishable: false,
            request_id: Arc::clone(request_id),
            ip: None,
        };
        Ok(Some(Authenticated { actor: Arc::new(actor), expires_at: DateTime::from_timestamp(claims.exp, 0) }))
    }

    /// The same caller with the rights of this moment, or none: logged out, locked, the key revoked.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn again(&self, actor: &Actor) -> Result<Option<Arc<Actor>>, Failure> {
        let Some(tenant) = self.cx.db.find_tenant(actor.tenant.id).await? else {
            return Ok(None);
        };
        let Some(session) = actor.session else {
            return Ok(Some(Arc::new(Actor { tenant, ..actor.clone() })));
        };
        let known = self.session(&tenant, session).await?;
        Ok(known.map(|known| {
            Arc::new(Actor {
                tenant,
                permissions: known.rights.permissions,
                branches: known.rights.branches.clone(),
                professional: known.rights.professional,
                ..actor.clone()
            })
        }))
    }

    /// Forgets a session at once on this node; the others notice within [`STALENESS`].
    pub async fn forget(&self, tenant: TenantId, session: Uuid) {
        self.sessions.invalidate(&(tenant, self.generation(tenant), session)).await;
    }

    /// Forgets every session of a tenant at once: somebody's rights changed, on whatever node.
    pub fn forget_tenant(&self, tenant: TenantId) {
        *self.generations.write().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default() += 1;
    }

    fn generation(&self, tenant: TenantId) -> u64 {
        self.generations.read().unwrap_or_else(PoisonError::into_inner).get(&tenant).copied().unwrap_or_default()
    }

    async fn session(&self, tenant: &Arc<Tenant>, session: Uuid) -> Result<Option<Arc<Known>>, Failure> {
        let key = (tenant.id, self.generation(tenant.id), session);
        if let Some(known) = self.sessions.get(&key).await {
            return Ok(known);
        }
        if !readable(tenant) {
            return Ok(None);
        }
        let tx = self.cx.db.begin(tenant, Access::Read).await?;
        let known = load_sessions(&tx, vec![session], self.cx.now()).await?.remove(&session).map(Arc::new);
        tx.commit().await?;
        self.sessions.insert(key, known.clone()).await;
        Ok(known)
    }

    async fn publishable(
        &self,
        word: &str,
        origin: Option<&str>,
        request_id: &Arc<str>,
    ) -> Result<Option<Authenticated>, Failure> {
        let hash = token_hash(word);
        let known = match self.keys.get(&hash).await {
            Some(known) => known,
            None => {
                let found = self.find_key(word, &hash).await?;
                self.keys.insert(hash, found.clone()).await;
                found
            }
        };
        let refused = |reason, tenant| {
            alarm::auth_failure(reason, tenant, request_id);
            Ok(None)
        };
        let Some(key) = known else { return refused("key", None) };
        let here =
            key.origins.is_empty() || origin.is_some_and(|origin| key.origins.iter().any(|allowed| allowed == origin));
        if !here {
            return refused("origin", Some(key.tenant.id));
        }
        if key.expires_at.is_some_and(|until| until <= self.cx.now()) {
            return refused("key", Some(key.tenant.id));
        }
        // The tenant's status is fresher in the catalogue's cache than in ours.
        let Some(tenant) = self.cx.db.find_tenant(key.tenant.id).await? else { return Ok(None) };
        let actor = Actor {
            tenant,
            kind: ActorKind::ApiKey,
            id: Some(key.id),
            session: None,
            name: Arc::clone(&key.name),
            permissions: PermissionSet::default(),
            branches: None,
            professional: None,
            publishable: true,
            request_id: Arc::clone(request_id),
            ip: None,
        };
        Ok(Some(Authenticated { actor: Arc::new(actor), expires_at: key.expires_at }))
    }

    async fn find_key(&self, word: &str, hash: &[u8]) -> Result<Option<Arc<KnownKey>>, Failure> {
        let Some(tenant_key) = super::session::route(PUBLISHABLE, word) else { return Ok(None) };
        let Some(tenant) = self.cx.db.find_tenant_by_key(tenant_key).await? else { return Ok(None) };
        if !readable(&tenant) {
            return Ok(None);
        }
        let tx = self.cx.db.begin(&tenant, Access::Read).await?;
        let row: Option<KeyRow> = tx
            .find(
                "SELECT id, name, allowed_origins, expires_at FROM api_keys
                 WHERE secret_hash = $1 AND publishable AND revoked_at IS NULL",
                [hash.to_vec().into()],
            )
            .await?;
        tx.commit().await?;
        Ok(row.map(|row| {
            Arc::new(KnownKey {
                tenant,
                id: row.id,
                name: row.name.into(),
                origins: row.allowed_origins,
                expires_at: row.expires_at,
            })
        }))
    }
}

/// A disabled centre's users may still ask for its status; `Cx` refuses them everything else.
pub(super) fn readable(tenant: &Tenant) -> bool {
    matches!(tenant.status, TenantStatus::Active | TenantStatus::Maintenance | TenantStatus::Disabled)
}

/// What these sessions may do at this moment, past every cache: one statement for any number. A session that is over,
/// or whose user is locked, is missing from the answer.
///
/// # Errors
/// Faults of the database.
pub async fn rights(tx: &TenantTx, sessions: Vec<Uuid>, now: DateTime<Utc>) -> Result<HashMap<Uuid, Rights>, Failure> {
    let known = load_sessions(tx, sessions, now).await?;
    Ok(known.into_iter().map(|(session, known)| (session, known.rights)).collect())
}

async fn load_sessions(
    tx: &TenantTx,
    sessions: Vec<Uuid>,
    now: DateTime<Utc>,
) -> Result<HashMap<Uuid, Known>, Failure> {
    let rows: Vec<SessionRow> = tx
        .all(
            "SELECT s.id AS session_id, u.id AS user_id, u.name, u.branch_ids, p.id AS professional_id,
                 coalesce(array_agg(r.builtin) FILTER (WHERE r.builtin IS NOT NULL), '{}') AS builtin,
                 coalesce((SELECT array_agg(DISTINCT word) FROM user_roles ur2 JOIN roles r2 ON r2.id = ur2.role_id, unnest(r2.permissions) word
                     WHERE ur2.user_id = u.id), '{}') AS custom
             FROM sessions s JOIN users u ON u.id = s.user_id
                 LEFT JOIN user_roles ur ON ur.user_id = u.id LEFT JOIN roles r ON r.id = ur.role_id
                 LEFT JOIN professionals p ON p.user_id = u.id
             WHERE s.id = ANY ($1) AND s.revoked_at IS NULL AND s.expires_at > $2 AND u.status = 'ACTIVE'
             GROUP BY s.id, u.id, p.id",
            [sessions.into(), now.into()],
        )
        .await?;
    let known = |row: SessionRow| {
        let builtin = row.builtin.iter().filter_map(|word| BuiltinRole::parse(word)).map(BuiltinRole::permissions);
        let custom = PermissionSet::of_words(&row.custom);
        let rights = Rights {
            permissions: builtin.fold(custom, PermissionSet::union),
            branches: (!row.branch_ids.is_empty()).then(|| row.branch_ids.into()),
            professional: row.professional_id,
        };
        (row.session_id, Known { user: row.user_id, name: row.name.into(), rights })
    };
    Ok(rows.into_iter().map(known).collect())
}
