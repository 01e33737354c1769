//! [`Cx`]: what every use case is given, and how its transaction begins and ends.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    change::Changes,
    clock::Clock,
    files::FileRules,
    refusal::{Code, Failure, Refusal},
};
use crate::{
    auth::{Actor, Seal, Vault, keyring::MasterKeys, token::TokenKeys},
    db::{Access, Db, TenantId, TenantStatus, TenantTx},
    files::Files,
};

/// Told what a commit means for others, afterwards. A lost hint delays them, nothing more.
pub trait CommitHints: Send + Sync + 'static {
    /// The log of `tenant` has grown.
    fn committed(&self, tenant: TenantId);

    /// Somebody of `tenant` may do something else now, or may not go on: a role, a session, a key changed.
    fn rights_changed(&self, tenant: TenantId);
}

/// Database, clock, seals and hints, handed down from the composition root.
#[derive(Clone)]
pub struct Cx {
    /// Tenants' data.
    pub db: Db,
    /// Where the bytes of files lie.
    pub files: Files,
    /// How many and how large they may be.
    pub file_rules: FileRules,
    /// Signs ids, cursors and slots.
    pub seal: Seal,
    /// Encrypts what must not lie in the database in clear.
    pub vault: Vault,
    /// Signs access tokens.
    pub tokens: TokenKeys,
    /// Wrap the keys that encrypt patients' data.
    pub masters: MasterKeys,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// After-commit hints.
    pub hints: Arc<dyn CommitHints>,
    /// Domain part of Message-IDs and calendar UIDs.
    pub mail_domain: Arc<str>,
    /// Where patients reach the API; links in mails begin with it.
    pub public_url: Arc<str>,
    /// Where users set passwords; the word of a link comes behind it.
    pub account_url: Arc<str>,
}

impl Cx {
    /// Now, by the injected clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A new id that sorts by the time it was made at.
    #[must_use]
    pub fn new_id(&self) -> Uuid {
        use rand::RngCore;
        let mut random = [0_u8; 10];
        #[expect(clippy::disallowed_methods, reason = "the one source of new ids")]
        rand::rng().fill_bytes(&mut random);
        let millis = u64::try_from(self.now().timestamp_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// Begins reading the actor's centre.
    ///
    /// # Errors
    /// When the centre is closed or the database does not answer.
    pub async fn read(&self, actor: &Actor) -> Result<TenantTx, Failure> {
        match actor.tenant.status {
            TenantStatus::Active | TenantStatus::Maintenance => {}
            TenantStatus::Provisioning if actor.id.is_none() => {}
            _ => return Err(closed(actor)),
        }
        Ok(self.db.begin(&actor.tenant, Access::Read).await?)
    }

    /// Begins changing the actor's centre.
    ///
    /// # Errors
    /// When the centre is closed or in maintenance, or the database does not answer.
    pub async fn write(&self, actor: &Actor) -> Result<TenantTx, Failure> {
        match actor.tenant.status {
            TenantStatus::Active => {}
            TenantStatus::Provisioning if actor.id.is_none() => {}
            TenantStatus::Maintenance => {
                let reason = actor.tenant.maintenance_reason.as_deref().unwrap_or("maintenance");
                let message = format!("the centre can only be read at the moment ({reason}); try again later");
                return Err(Refusal::new(Code::TenantInMaintenance, message).into());
            }
            _ => return Err(closed(actor)),
        }
        Ok(self.db.begin(&actor.tenant, Access::Write).await?.caused_by(&actor.request_id))
    }

    /// Writes the changes to the audit trail and the event log, commits, and hints at it.
    ///
    /// # Errors
    /// When PostgreSQL refuses or the connection breaks.
    pub async fn commit(&self, tx: TenantTx, changes: Changes) -> Result<(), Failure> {
        let tenant = tx.tenant().id;
        let rights = changes.touch_rights();
        let hint = changes.write(self, &tx).await?;
        tx.commit().await?;
        // First, so that a reader that the other hint wakes judges by the new rights.
        if rights {
            self.hints.rights_changed(tenant);
        }
        if hint {
            self.hints.committed(tenant);
        }
        Ok(())
    }

    /// Runs a use case again when PostgreSQL chose it as a deadlock's or serialization's victim: it did nothing wrong.
    ///
    /// # Errors
    /// What the use case fails with, after the last try.
    pub async fn retrying<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        const TRIES: u32 = 4;
        for round in 1..TRIES {
            match attempt().await {
                Err(failure) if failure.is_retryable() => {
                    metrics::counter!("horae_transaction_retries_total").increment(1);
                    let jitter =
                        u64::from(self.new_id().as_bytes().iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) % 16);
                    tokio::time::sleep(Duration::from_millis(u64::from(round) * 5 + jitter)).await;
                }
                done => return done,
            }
        }
        attempt().await
    }
}

fn closed(actor: &Actor) -> Failure {
    let message = format!("the centre `{}` is {}", actor.tenant.slug, actor.tenant.status.as_str());
    Refusal::new(Code::Forbidden, message).into()
}
