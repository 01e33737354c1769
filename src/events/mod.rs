//! Live events: what was committed to a tenant's event log reaches every subscriber of it, on every node, once and in
//! order.
//!
//! The log in PostgreSQL is the truth. A commit leaves a hint on the bus ([`bus`]); one reader per tenant and node
//! ([`hub`], [`reader`]) reads what is new, loads once what subscribers need, and feeds all of them; a subscriber with a
//! cursor first replays from the database ([`stream`]). A lost hint, or a Redis that is down, costs two seconds and
//! never an event.
//!
//! GraphQL does not belong here, and neither do rules: who may see an appointment, the domain says.

mod answers;
mod bus;
mod event;
mod hub;
mod jobs;
mod reader;
mod rights;
mod stream;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

pub use answers::{AnswerKey, Unshared};
pub use event::{AppointmentEvent, ChangeKind, Event, EventActor, Place, ScheduleEvent, What};
pub use jobs::JobWatch;
pub use stream::{Delivery, Ready, Reset, ResetReason, Subscription, Topic, Wanted};

use crate::{
    auth::Actor,
    db::TenantId,
    domain::{
        cx::{CommitHints, Cx},
        identity::{Authenticator, Presence},
        refusal::Failure,
    },
};
use bus::{Hint, RedisBus};
use hub::Hub;

/// How live events travel.
#[derive(Clone, Debug)]
pub struct EventsOptions {
    /// Redis that carries hints between nodes; none: hints stay on this node and the others poll.
    pub redis_url: Option<String>,
    /// How often a reader looks by itself, and rights are checked again.
    pub poll: Duration,
    /// How long a reader goes on after its last subscriber has left.
    pub linger: Duration,
    /// How many events a subscriber may be behind before it is cut.
    pub backlog: usize,
    /// Most events read at once.
    pub batch: u16,
}

impl Default for EventsOptions {
    fn default() -> Self {
        Self {
            redis_url: None,
            poll: Duration::from_secs(2),
            linger: Duration::from_secs(30),
            backlog: 512,
            batch: 200,
        }
    }
}

/// The address of Redis cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("write redis://host:6379 or rediss://user:password@host:6379")]
pub struct EventsError(#[source] redis::RedisError);

/// Live events of this node.
pub struct Live {
    options: EventsOptions,
    redis: Option<Arc<RedisBus>>,
    /// There from [`Live::start`] until the shutdown. Taken out then, because it holds what holds us.
    hub: Mutex<Option<Arc<Hub>>>,
}

impl Live {
    /// Ready to take hints; connects to nothing yet.
    ///
    /// # Errors
    /// An address of Redis that cannot be read.
    pub fn new(options: EventsOptions) -> Result<Arc<Self>, EventsError> {
        let redis = options.redis_url.as_deref().map(RedisBus::open).transpose().map_err(EventsError)?;
        Ok(Arc::new(Self { redis: redis.map(Arc::new), hub: Mutex::new(None), options }))
    }

    /// Lets subscribers in, and connects to Redis when there is one, until `shutdown`. Readers start with their first
    /// subscriber.
    pub fn start(
        self: &Arc<Self>,
        cx: Cx,
        authenticator: Authenticator,
        presence: Presence,
        shutdown: CancellationToken,
        tasks: &TaskTracker,
    ) {
        let redis = self.redis.clone();
        let hub = Hub::new(
            cx,
            (authenticator, presence),
            self.options.clone(),
            redis.clone(),
            shutdown.clone(),
            tasks.clone(),
        );
        *self.hub.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&hub));
        if let Some(redis) = redis {
            tasks.spawn(bus::publish(Arc::clone(&redis), shutdown.clone()));
            tasks.spawn(bus::listen(redis, hub, shutdown.clone()));
        }
        let live = Arc::downgrade(self);
        tasks.spawn(async move {
            shutdown.cancelled().await;
            if let Some(live) = live.upgrade() {
                live.stop();
            }
        });
    }

    /// Lets no more subscribers in, and lets go of what holds this: without it nothing of the process's parts would
    /// ever be dropped.
    pub fn stop(&self) {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Opens a stream. Its first item is always [`Delivery::Ready`].
    ///
    /// # Errors
    /// When the actor may not see any of it, the cursor is not one of this centre's, or the database does not answer.
    pub async fn subscribe(&self, actor: Arc<Actor>, wanted: Wanted) -> Result<Subscription, Failure> {
        let Some(hub) = self.hub() else {
            return Err(Failure::fault("a subscription was asked for while the process was stopping"));
        };
        Subscription::open(hub, actor, wanted).await
    }

    /// Watches a background job: the first item is how it stands now, the last is how it ended.
    ///
    /// # Errors
    /// NOT_FOUND when there is none that the actor may know of; faults of the database.
    pub async fn watch_job(&self, actor: Arc<Actor>, job: Uuid) -> Result<JobWatch, Failure> {
        let Some(hub) = self.hub() else {
            return Err(Failure::fault("a job was to be watched while the process was stopping"));
        };
        JobWatch::open(hub, actor, job).await
    }

    /// How many tenants this node reads the log of at the moment.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.hub().map_or(0, |hub| hub.readers())
    }

    fn hub(&self) -> Option<Arc<Hub>> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl CommitHints for Live {
    fn committed(&self, tenant: TenantId) {
        if let Some(hub) = self.hub() {
            hub.hint(tenant);
        }
        if let Some(redis) = &self.redis {
            redis.announce(Hint::Grown(tenant));
        }
    }

    fn rights_changed(&self, tenant: TenantId) {
        if let Some(hub) = self.hub() {
            hub.rights_changed(tenant);
        }
        if let Some(redis) = &self.redis {
            redis.announce(Hint::Rights(tenant));
        }
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Live")
    }
}
