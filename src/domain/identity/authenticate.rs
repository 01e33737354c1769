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

use super::keys::{
    rights::{self as key_rights, KnownKey},
    uses::KeyUses,
};
use crate::{
    auth::{Actor, ActorKind, BuiltinRole, PermissionSet, alarm, token_hash, word},
    db::{Access, Tenant, TenantId, TenantStatus, TenantTx},
    domain::{cx::Cx, refusal::Failure},
};

/// How long a node may go on with what it knew of a session's or a key's rights.
pub const STALENESS: Duration = Duration::from_secs(3);

/// How long a node remembers which key a word is. What the key may do, and whether it holds, it knows for
/// [`STALENESS`] only.
const WORDS_KEPT: Duration = Duration::from_secs(600);

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
    sessions: Cache<GrantKey, Option<Arc<Known>>>,
    /// Which key a word is, by its hash. That never changes; unknown words are forgotten in time.
    words: Cache<Vec<u8>, Option<(TenantId, Uuid)>>,
    keys: Cache<GrantKey, Option<Arc<KnownKey>>>,
    uses: KeyUses,
    /// How often what is known of a tenant's sessions and keys became void. Part of their cache's key, so that an answer
    /// that was on its way meanwhile is void too.
    generations: Arc<RwLock<HashMap<TenantId, u64>>>,
}

/// Tenant, generation, session or key.
type GrantKey = (TenantId, u64, Uuid);

/// What a session may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    /// What …
    pub permissions: PermissionSet,
    /// … and where; none: in every branch.
    pub branches: Option<Arc<[Uuid]>>,
    /// The professional that the user is.
    pub professional: Option<Uuid>,
    /// Nothing, until a second factor is given, because a role of the user needs one.
    pub mfa_pending: bool,
}

impl Rights {
    /// What the actor was found to be allowed.
    #[must_use]
    pub fn of(actor: &Actor) -> Self {
        Self {
            permissions: actor.permissions,
            branches: actor.branches.clone(),
            professional: actor.professional,
            mfa_pending: actor.mfa_pending,
        }
    }
}

/// What is known of a session.
#[derive(Debug)]
struct Known {
    user: Uuid,
    name: Arc<str>,
    rights: Rights,
}

#[derive(FromQueryResult)]
struct SessionRow {
    session_id: Uuid,
    user_id: Uuid,
    name: String,
    branch_ids: Vec<Uuid>,
    professional_id: Option<Uuid>,
    mfa_pending: bool,
    builtin: Vec<String>,
    custom: Vec<String>,
}

impl Authenticator {
    /// For this process.
    #[must_use]
    pub fn new(cx: Cx) -> Self {
        Self {
            cx,
            sessions: Cache::builder().time_to_live(STALENESS).max_capacity(100_000).build(),
            words: Cache::builder().time_to_live(WORDS_KEPT).max_capacity(10_000).build(),
            keys: Cache::builder().time_to_live(STALENESS).max_capacity(10_000).build(),
            uses: KeyUses::default(),
            generations: Arc::default(),
        }
    }

    /// When keys were used, as noted by this node.
    #[must_use]
    pub fn key_uses(&self) -> KeyUses {
        self.uses.clone()
    }

    /// Whether a word has to be searched for among a centre's keys, because this node has not met it of late. Who makes
    /// keys up causes a search with each.
    #[must_use]
    pub fn must_search(&self, word: &str) -> bool {
        key_route(word).is_some() && !self.words.contains_key(&token_hash(word))
    }

    /// Who a bearer word stands for: an access token, a secret or a publishable key. None: nobody.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn bearer(
        &self,
        word: &str,
        origin: Option<&str>,
        request_id: &Arc<str>,
    ) -> Result<Option<Authenticated>, Failure> {
        if let Some(tenant_key) = key_route(word) {
            return self.key(tenant_key, word, origin, request_id).await;
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
            mfa_pending: known.rights.mfa_pending,
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
        let rights = match (actor.session, actor.kind, actor.id) {
            (Some(session), ..) => self.session(&tenant, session).await?.map(|known| known.rights.clone()),
            (None, ActorKind::ApiKey, Some(key)) => self.known_key(&tenant, key).await?.map(|key| rights_of_key(&key)),
            _ => Some(Rights::of(actor)),
        };
        Ok(rights.map(|rights| {
            Arc::new(Actor {
                tenant,
                permissions: rights.permissions,
                branches: rights.branches,
                professional: rights.professional,
                mfa_pending: rights.mfa_pending,
                ..actor.clone()
            })
        }))
    }

    /// Forgets what was known of a session or key at once on this node; the others notice within [`STALENESS`].
    pub async fn forget(&self, tenant: TenantId, grant: Uuid) {
        let key = (tenant, self.generation(tenant), grant);
        self.sessions.invalidate(&key).await;
        self.keys.invalidate(&key).await;
    }

    /// Forgets every session and key of a tenant at once: somebody's rights changed, on whatever node.
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

    async fn key(
        &self,
        tenant_key: i32,
        word: &str,
        origin: Option<&str>,
        request_id: &Arc<str>,
    ) -> Result<Option<Authenticated>, Failure> {
        let refused = |reason, tenant| {
            alarm::auth_failure(reason, tenant, request_id);
            Ok(None)
        };
        let Some(tenant) = self.cx.db.find_tenant_by_key(tenant_key).await? else { return refused("key", None) };
        let hash = token_hash(word);
        let id = match self.words.get(&hash).await {
            Some(known) => known.filter(|(of, _)| *of == tenant.id).map(|(_, id)| id),
            None => self.look_up(&tenant, hash).await?,
        };
        let known = match id {
            Some(id) => self.known_key(&tenant, id).await?,
            None => None,
        };
        let Some(key) = known else { return refused("key", None) };
        if !key.fits(origin) {
            return refused("origin", Some(tenant.id));
        }
        let now = self.cx.now();
        if key.expires_at.is_some_and(|until| until <= now) {
            return refused("key", Some(tenant.id));
        }
        self.uses.note(&tenant, key.id, now);
        let actor = Actor {
            tenant,
            kind: ActorKind::ApiKey,
            id: Some(key.id),
            session: None,
            name: key.name.as_str().into(),
            permissions: key.permissions,
            branches: None,
            professional: None,
            publishable: key.publishable,
            mfa_pending: false,
            request_id: Arc::clone(request_id),
            ip: None,
        };
        Ok(Some(Authenticated { actor: Arc::new(actor), expires_at: key.expires_at }))
    }

    /// Which key a word is that this node has not seen of late.
    async fn look_up(&self, tenant: &Arc<Tenant>, hash: Vec<u8>) -> Result<Option<Uuid>, Failure> {
        if !readable(tenant) {
            return Ok(None);
        }
        let generation = self.generation(tenant.id);
        let tx = self.cx.db.begin(tenant, Access::Read).await?;
        let found = key_rights::by_hash(&tx, hash.clone()).await?;
        tx.commit().await?;
        let id = found.as_ref().map(|key| key.id);
        if let Some(key) = found {
            self.keys.insert((tenant.id, generation, key.id), Some(Arc::new(key))).await;
        }
        self.words.insert(hash, id.map(|id| (tenant.id, id))).await;
        Ok(id)
    }

    async fn known_key(&self, tenant: &Arc<Tenant>, id: Uuid) -> Result<Option<Arc<KnownKey>>, Failure> {
        let key = (tenant.id, self.generation(tenant.id), id);
        if let Some(known) = self.keys.get(&key).await {
            return Ok(known);
        }
        if !readable(tenant) {
            return Ok(None);
        }
        let tx = self.cx.db.begin(tenant, Access::Read).await?;
        let known = key_rights::by_ids(&tx, vec![id], self.cx.now()).await?.pop().map(Arc::new);
        tx.commit().await?;
        self.keys.insert(key, known.clone()).await;
        Ok(known)
    }
}

/// The tenant's number in a word that has the form of a key.
fn key_route(word: &str) -> Option<i32> {
    word::route(word::SECRET_KEY, word).or_else(|| word::route(word::PUBLISHABLE_KEY, word))
}

fn rights_of_key(key: &KnownKey) -> Rights {
    Rights { permissions: key.permissions, branches: None, professional: None, mfa_pending: false }
}

/// A disabled centre's users may still ask for its status; `Cx` refuses them everything else.
pub(super) fn readable(tenant: &Tenant) -> bool {
    matches!(tenant.status, TenantStatus::Active | TenantStatus::Maintenance | TenantStatus::Disabled)
}

/// What these sessions and keys may do at this moment, past every cache: two statements for any number. A session that
/// is over, or whose user is locked, and a key that was revoked are missing from the answer.
///
/// # Errors
/// Faults of the database.
pub async fn rights(tx: &TenantTx, grants: Vec<Uuid>, now: DateTime<Utc>) -> Result<HashMap<Uuid, Rights>, Failure> {
    let known = load_sessions(tx, grants.clone(), now).await?;
    let mut rights: HashMap<Uuid, Rights> = known.into_iter().map(|(session, known)| (session, known.rights)).collect();
    let others: Vec<Uuid> = grants.into_iter().filter(|grant| !rights.contains_key(grant)).collect();
    if !others.is_empty() {
        let keys = key_rights::by_ids(tx, others, now).await?;
        rights.extend(keys.into_iter().map(|key| (key.id, rights_of_key(&key))));
    }
    Ok(rights)
}

async fn load_sessions(
    tx: &TenantTx,
    sessions: Vec<Uuid>,
    now: DateTime<Utc>,
) -> Result<HashMap<Uuid, Known>, Failure> {
    let rows: Vec<SessionRow> = tx
        .all(
            "SELECT s.id AS session_id, u.id AS user_id, u.name, u.branch_ids, p.id AS professional_id,
                 s.mfa_at IS NULL AND coalesce(bool_or(r.mfa_required), false) AS mfa_pending,
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
        let rights = if row.mfa_pending {
            Rights { permissions: PermissionSet::default(), branches: None, professional: None, mfa_pending: true }
        } else {
            Rights {
                permissions: builtin.fold(PermissionSet::of_words(&row.custom), PermissionSet::union),
                branches: (!row.branch_ids.is_empty()).then(|| row.branch_ids.into()),
                professional: row.professional_id,
                mfa_pending: false,
            }
        };
        (row.session_id, Known { user: row.user_id, name: row.name.into(), rights })
    };
    Ok(rows.into_iter().map(known).collect())
}
