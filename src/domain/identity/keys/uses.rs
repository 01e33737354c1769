//! When keys were last used: noted in memory by requests, written by a task once a minute. A node that dies forgets a
//! minute of it, and no request waits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    db::{Access, Tenant, TenantId},
    domain::{cx::Cx, refusal::Failure},
};

/// How often what was noted is written.
const EVERY: Duration = Duration::from_secs(60);

/// Uses that are not written yet: at most one entry for each key in use.
#[derive(Clone, Default)]
pub struct KeyUses(Arc<Mutex<HashMap<TenantId, OfTenant>>>);

struct OfTenant {
    tenant: Arc<Tenant>,
    at: HashMap<Uuid, DateTime<Utc>>,
}

impl KeyUses {
    /// The key was used. Never waits for anything but a moment's lock.
    pub(in crate::domain::identity) fn note(&self, tenant: &Arc<Tenant>, key: Uuid, now: DateTime<Utc>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry =
            noted.entry(tenant.id).or_insert_with(|| OfTenant { tenant: Arc::clone(tenant), at: HashMap::new() });
        entry.at.insert(key, now);
    }

    /// Writes what was noted: one statement for each tenant. What was written less than a minute ago, here or by another
    /// node, is left.
    ///
    /// # Errors
    /// Faults of the database; what was noted is lost then.
    pub async fn write(&self, cx: &Cx) -> Result<(), Failure> {
        let noted = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut result = Ok(());
        for of in noted.into_values() {
            if let Err(failure) = of.write(cx).await {
                result = Err(failure);
            }
        }
        result
    }

    /// Writes every minute, and once more at the end.
    pub async fn keep_writing(self, cx: Cx, shutdown: CancellationToken) {
        loop {
            let stopping = tokio::select! {
                () = tokio::time::sleep(EVERY) => false,
                () = shutdown.cancelled() => true,
            };
            if let Err(failure) = self.write(&cx).await {
                tracing::warn!(error = ?failure, "When keys were last used could not be written");
            }
            if stopping {
                return;
            }
        }
    }
}

impl OfTenant {
    async fn write(self, cx: &Cx) -> Result<(), Failure> {
        let (ids, times): (Vec<Uuid>, Vec<DateTime<Utc>>) = self.at.into_iter().unzip();
        // In maintenance too: nothing of the centre's own changes.
        let tx = cx.db.begin(&self.tenant, Access::Write).await?;
        tx.run(
            "UPDATE api_keys k SET last_used_at = used.at FROM unnest($1::uuid[], $2::timestamptz[]) AS used (id, at)
             WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at <= used.at - interval '1 minute')",
            [ids.into(), times.into()],
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }
}
