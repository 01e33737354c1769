//! [`Presence`]: the callers who are connected to this node for longer than one request. Their sessions and keys are
//! looked at again every few seconds, all of a tenant by one statement, and at once when a commit, on whatever node,
//! says that somebody's standing changed. Who is not let in any more is told to go.
//!
//! A changed right does not end a connection: each operation reads rights anew, and streams judge them themselves.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use tokio::{sync::Notify, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::authenticate::{Authenticator, STALENESS, readable};
use crate::{
    auth::{Actor, ActorKind},
    db::{Access, TenantId},
    domain::{cx::Cx, refusal::Failure},
};

/// How often everybody is looked at again without a hint.
const LOOK: Duration = STALENESS;
/// How many tenants are looked at at once.
const AT_ONCE: usize = 8;
/// How long a look may take, so that a database that hangs keeps nobody else's from being looked at for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// The long-lived callers of this node.
#[derive(Clone)]
pub struct Presence(Arc<Inner>);

struct Inner {
    cx: Cx,
    authenticator: Authenticator,
    tenants: Mutex<HashMap<TenantId, HashMap<Uuid, Caller>>>,
    hinted: Mutex<HashSet<TenantId>>,
    hint: Notify,
}

/// A session or a key, however many connections it has.
struct Caller {
    ended: CancellationToken,
    connections: usize,
}

/// One connection's place in the registry, given up by dropping it.
pub struct Present {
    registry: Arc<Inner>,
    tenant: TenantId,
    id: Uuid,
    ended: CancellationToken,
}

impl Present {
    /// Cancelled when the session or key is over.
    #[must_use]
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }
}

impl Presence {
    /// Of this node; nobody yet.
    #[must_use]
    pub fn new(cx: Cx, authenticator: Authenticator) -> Self {
        let inner =
            Inner { cx, authenticator, tenants: Mutex::default(), hinted: Mutex::default(), hint: Notify::new() };
        Self(Arc::new(inner))
    }

    /// Registers a caller who stays. None for who has neither session nor key, and so nothing that could end.
    #[must_use]
    pub fn enter(&self, actor: &Actor) -> Option<Present> {
        let id = match actor.kind {
            ActorKind::User => actor.session?,
            ActorKind::ApiKey => actor.id?,
            ActorKind::Patient | ActorKind::System | ActorKind::PlatformOperator => return None,
        };
        let tenant = actor.tenant.id;
        let mut tenants = self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let caller = tenants
            .entry(tenant)
            .or_default()
            .entry(id)
            .or_insert_with(|| Caller { ended: CancellationToken::new(), connections: 0 });
        caller.connections += 1;
        Some(Present { registry: Arc::clone(&self.0), tenant, id, ended: caller.ended.clone() })
    }

    /// Somebody's standing in this tenant changed: look at once. Never waits.
    pub fn hint(&self, tenant: TenantId) {
        self.0.hinted.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant);
        self.0.hint.notify_one();
    }

    /// Looks again and again until the shutdown.
    pub async fn watch(self, shutdown: CancellationToken) {
        // Apart, so that a cell that does not answer delays no hint of another.
        let hinted = async {
            loop {
                self.0.hint.notified().await;
                let tenants = std::mem::take(&mut *self.0.hinted.lock().unwrap_or_else(PoisonError::into_inner));
                self.look_at(tenants).await;
            }
        };
        let regularly = async {
            loop {
                tokio::time::sleep(LOOK).await;
                let tenants: Vec<TenantId> =
                    self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect();
                self.look_at(tenants).await;
            }
        };
        shutdown.run_until_cancelled(async { futures::join!(hinted, regularly) }).await;
    }

    async fn look_at(&self, tenants: impl IntoIterator<Item = TenantId>) {
        let looking = |tenant: TenantId| async move {
            match timeout(PATIENCE, AssertUnwindSafe(self.look(tenant)).catch_unwind()).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(failure))) => {
                    tracing::warn!(tenant.id = %tenant.0, error = ?failure, "Open connections cannot be checked; trying again");
                }
                Ok(Err(_panic)) => {
                    tracing::error!(tenant.id = %tenant.0, "Checking open connections panicked; trying again")
                }
                Err(_elapsed) => {
                    tracing::warn!(tenant.id = %tenant.0, "Checking open connections took too long; trying again")
                }
            }
        };
        futures::stream::iter(tenants).for_each_concurrent(AT_ONCE, looking).await;
    }

    /// Ends those of the tenant's callers whose session or key is over: one statement for any number.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn look(&self, tenant: TenantId) -> Result<(), Failure> {
        let asked = self.callers(tenant);
        if asked.is_empty() {
            return Ok(());
        }
        let alive = match self.0.cx.db.find_tenant(tenant).await? {
            Some(known) if readable(&known) => {
                let tx = self.0.cx.db.begin(&known, Access::Read).await?;
                let alive = tx.scalars(ALIVE, [asked.clone().into(), self.0.cx.now().into()]).await?;
                tx.commit().await?;
                alive
            }
            _ => Vec::new(),
        };
        let alive: HashSet<Uuid> = alive.into_iter().collect();
        let over: Vec<Uuid> = asked.into_iter().filter(|id| !alive.contains(id)).collect();
        if !over.is_empty() {
            // First, so that who comes back at once is not let in with what was known before.
            self.0.authenticator.forget_tenant(tenant);
            self.end(tenant, &over);
        }
        Ok(())
    }

    /// Those who have not been told to go yet.
    fn callers(&self, tenant: TenantId) -> Vec<Uuid> {
        let tenants = self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let callers = tenants.get(&tenant).into_iter().flatten();
        callers.filter(|(_, caller)| !caller.ended.is_cancelled()).map(|(id, _)| *id).collect()
    }

    fn end(&self, tenant: TenantId, over: &[Uuid]) {
        let tenants = self.0.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(callers) = tenants.get(&tenant) else { return };
        for caller in over.iter().filter_map(|id| callers.get(id)) {
            caller.ended.cancel();
            metrics::counter!("horae_connections_ended_total").increment(1);
        }
    }
}

const ALIVE: &str = "SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id
     WHERE s.id = ANY ($1) AND s.revoked_at IS NULL AND s.expires_at > $2 AND u.status = 'ACTIVE'
     UNION ALL
     SELECT id FROM api_keys WHERE id = ANY ($1) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";

impl Drop for Present {
    fn drop(&mut self) {
        let mut tenants = self.registry.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(callers) = tenants.get_mut(&self.tenant) else { return };
        let Some(caller) = callers.get_mut(&self.id) else { return };
        caller.connections -= 1;
        if caller.connections == 0 {
            callers.remove(&self.id);
        }
        if callers.is_empty() {
            tenants.remove(&self.tenant);
        }
    }
}
