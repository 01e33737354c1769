//! Hints between nodes by Redis: "the log of this tenant has grown", "rights of this tenant have changed". A hint is fire-and-forget: it never waits, never
//! fails a booking, and may be lost, because every reader also looks by itself.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::hub::Hub;
use crate::db::TenantId;

/// Hints that may wait for Redis. More are dropped: whoever waits behind them finds the events by looking.
const MOST_WAITING: usize = 1024;
/// How long Redis may take for anything.
const PATIENCE: Duration = Duration::from_secs(2);
/// After a silence so long Redis is asked whether it is still there: a host that vanishes says nothing, and whoever only
/// listens would never know.
const SILENCE: Duration = Duration::from_secs(30);
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LAST_BACKOFF: Duration = Duration::from_secs(2);

/// What a node tells the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Hint {
    /// The tenant's log has grown. Heard by the nodes that follow the tenant.
    Grown(TenantId),
    /// Somebody of the tenant may do something else now. Rare, and heard by every node: each may know sessions of any
    /// tenant.
    Rights(TenantId),
}

const GROWN: &str = "horae:events:";
const RIGHTS: &str = "horae:rights:";
/// The rights of every tenant.
const ALL_RIGHTS: &str = "horae:rights:*";

impl Hint {
    /// The channel of a hint. Every name in Redis is made here.
    fn channel(self) -> String {
        match self {
            Self::Grown(tenant) => format!("{GROWN}{}", tenant.0),
            Self::Rights(tenant) => format!("{RIGHTS}{}", tenant.0),
        }
    }

    fn parse(channel: &str) -> Option<Self> {
        let tenant = |id: &str| Uuid::parse_str(id).ok().map(TenantId);
        match channel.strip_prefix(GROWN) {
            Some(id) => tenant(id).map(Self::Grown),
            None => tenant(channel.strip_prefix(RIGHTS)?).map(Self::Rights),
        }
    }
}

/// One node's place on the bus.
pub(super) struct RedisBus {
    client: redis::Client,
    /// Tells this node's own hints, which it has had already, from the others'.
    node: String,
    waiting: mpsc::Sender<Hint>,
    /// Taken by the one task that publishes.
    outgoing: Mutex<Option<mpsc::Receiver<Hint>>>,
    followed: Mutex<HashSet<TenantId>>,
    followed_changed: Notify,
}

impl RedisBus {
    pub(super) fn open(url: &str) -> Result<Self, redis::RedisError> {
        let (waiting, outgoing) = mpsc::channel(MOST_WAITING);
        Ok(Self {
            client: redis::Client::open(url)?,
            node: crate::auth::secret_token(),
            waiting,
            outgoing: Mutex::new(Some(outgoing)),
            followed: Mutex::default(),
            followed_changed: Notify::new(),
        })
    }

    /// Tells the other nodes, some time soon. Never waits.
    pub(super) fn announce(&self, hint: Hint) {
        if self.waiting.try_send(hint).is_err() {
            metrics::counter!("horae_hints_dropped_total").increment(1);
        }
    }

    /// This node wants the tenant's hints from now on.
    pub(super) fn follow(&self, tenant: TenantId) {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant);
        self.followed_changed.notify_one();
    }

    /// … and no longer.
    pub(super) fn unfollow(&self, tenant: TenantId) {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant);
        self.followed_changed.notify_one();
    }

    fn followed(&self) -> HashSet<TenantId> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A growing wait between tries.
struct Backoff(Duration);

impl Backoff {
    fn new() -> Self {
        Self(FIRST_BACKOFF)
    }

    async fn wait(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(LAST_BACKOFF);
    }
}

/// Sends hints to Redis until the shutdown. Hints for one tenant that wait together become one.
pub(super) async fn publish(bus: Arc<RedisBus>, shutdown: CancellationToken) {
    let Some(mut outgoing) = bus.outgoing.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let sending = async {
        let mut connection: Option<MultiplexedConnection> = None;
        let mut backoff = Backoff::new();
        let mut down = false;
        let mut batch = Vec::new();
        loop {
            batch.clear();
            outgoing.recv_many(&mut batch, MOST_WAITING).await;
            let hints: HashSet<Hint> = batch.iter().copied().collect();
            match send(&bus, &mut connection, &hints).await {
                Ok(()) => {
                    backoff = Backoff::new();
                    if std::mem::take(&mut down) {
                        tracing::info!("Redis answers again; other nodes get hints");
                    }
                }
                Err(error) => {
                    connection = None;
                    if !std::mem::replace(&mut down, true) {
                        tracing::warn!(error.detail = %error, "Redis does not take hints; other nodes poll until it does");
                    }
                    backoff.wait().await;
                }
            }
        }
    };
    shutdown.run_until_cancelled(sending).await;
}

async fn send(
    bus: &RedisBus,
    connection: &mut Option<MultiplexedConnection>,
    hints: &HashSet<Hint>,
) -> Result<(), redis::RedisError> {
    let open = match connection {
        Some(open) => open,
        None => {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(PATIENCE))
                .set_response_timeout(Some(PATIENCE));
            connection.insert(bus.client.get_multiplexed_async_connection_with_config(&config).await?)
        }
    };
    let mut pipeline = redis::pipe();
    for hint in hints {
        pipeline.publish(hint.channel(), &bus.node).ignore();
    }
    pipeline.exec_async(open).await
}

/// Hands the other nodes' hints to the hub until the shutdown, through every loss of the connection.
pub(super) async fn listen(bus: Arc<RedisBus>, hub: Arc<Hub>, shutdown: CancellationToken) {
    let listening = async {
        let mut backoff = Backoff::new();
        let mut down = false;
        loop {
            let lost = listen_once(&bus, &hub, || {
                backoff = Backoff::new();
                if std::mem::take(&mut down) {
                    tracing::info!("Redis gives hints again");
                }
            })
            .await;
            if !std::mem::replace(&mut down, true) {
                tracing::warn!(error.detail = %lost, "Redis gives no hints; this node polls until it does");
            }
            backoff.wait().await;
        }
    };
    shutdown.run_until_cancelled(listening).await;
}

/// Listens until the connection is lost, and says how.
async fn listen_once(bus: &RedisBus, hub: &Hub, connected: impl FnOnce()) -> String {
    let (mut sink, mut hints) = match timeout(PATIENCE, bus.client.get_async_pubsub()).await {
        Ok(Ok(connection)) => connection.split(),
        Ok(Err(error)) => return error.to_string(),
        Err(_elapsed) => return "it does not answer".to_owned(),
    };
    match timeout(PATIENCE, sink.psubscribe(ALL_RIGHTS)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return error.to_string(),
        Err(_elapsed) => return "it does not answer".to_owned(),
    }
    connected();
    let mut subscribed = HashSet::new();
    loop {
        // First subscribed, then looked: what was committed in between is found by the look.
        let wanted = bus.followed();
        for tenant in wanted.difference(&subscribed) {
            match timeout(PATIENCE, sink.subscribe(Hint::Grown(*tenant).channel())).await {
                Ok(Ok(())) => hub.hint(*tenant),
                Ok(Err(error)) => return error.to_string(),
                Err(_elapsed) => return "it does not answer".to_owned(),
            }
        }
        for tenant in subscribed.difference(&wanted) {
            match timeout(PATIENCE, sink.unsubscribe(Hint::Grown(*tenant).channel())).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(_elapsed) => return "it does not answer".to_owned(),
            }
        }
        subscribed = wanted;
        loop {
            tokio::select! {
                () = bus.followed_changed.notified() => break,
                () = sleep(SILENCE) => match timeout(PATIENCE, sink.ping::<redis::Value>()).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => return error.to_string(),
                    Err(_elapsed) => return "it does not answer".to_owned(),
                },
                hint = hints.next() => match hint {
                    None => return "the connection was lost".to_owned(),
                    Some(hint) => {
                        if hint.get_payload_bytes() == bus.node.as_bytes() {
                            continue;
                        }
                        match Hint::parse(hint.get_channel_name()) {
                            Some(Hint::Grown(tenant)) => hub.hint(tenant),
                            Some(Hint::Rights(tenant)) => hub.rights_changed(tenant),
                            None => {}
                        }
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_names_its_tenant_and_no_other() {
        let tenant = TenantId(Uuid::from_u128(7));
        for hint in [Hint::Grown(tenant), Hint::Rights(tenant)] {
            assert_eq!(Hint::parse(&hint.channel()), Some(hint));
        }
        assert_eq!(Hint::parse("horae:events:"), None);
        assert_eq!(Hint::parse("horae:rights:*"), None);
        assert_eq!(Hint::parse("other:00000000-0000-0000-0000-000000000007"), None);
    }
}
