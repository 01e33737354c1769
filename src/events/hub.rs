//! [`Hub`]: one [`Channel`] per tenant that somebody on this node listens to. What it costs grows with events, and not
//! with events × subscribers.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, broadcast, watch},
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    EventsOptions,
    bus::RedisBus,
    event::Event,
    reader,
    rights::Standings,
    stream::{Reset, ResetReason},
};
use crate::{
    db::TenantId,
    domain::{
        cx::Cx,
        event_cursor::EventCursor,
        identity::{Authenticator, Presence},
        refusal::Failure,
    },
};

/// How long a subscriber waits for the first look at its tenant's log.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// What a channel tells its subscribers.
#[derive(Clone, Debug)]
pub(super) enum Signal {
    /// Something happened.
    Event(Arc<Event>),
    /// Somebody's standing is lost: look whether it is yours.
    Rights,
    /// Nobody can go on from where they are.
    Reset(Reset),
}

/// All channels of this node.
pub(super) struct Hub {
    pub(super) cx: Cx,
    pub(super) authenticator: Authenticator,
    presence: Presence,
    pub(super) options: EventsOptions,
    pub(super) shutdown: CancellationToken,
    redis: Option<Arc<RedisBus>>,
    tasks: TaskTracker,
    channels: Mutex<HashMap<TenantId, Arc<Channel>>>,
}

/// What one tenant's reader and its subscribers share.
pub(super) struct Channel {
    pub(super) tenant: TenantId,
    pub(super) standings: Standings,
    pub(super) hint: Notify,
    /// Whether standings are to be judged at the next look.
    rights_hinted: AtomicBool,
    feed: Mutex<Feed>,
    /// Whether the reader knows where the log ends.
    started: watch::Sender<bool>,
    members: AtomicUsize,
}

/// Position and sender change together, so that who subscribes knows exactly what it will be sent.
struct Feed {
    /// Everything up to here has been sent.
    position: EventCursor,
    sender: broadcast::Sender<Signal>,
    /// Events that keep what they have become, oldest first, and when they were sent.
    answered: VecDeque<(Instant, Weak<Event>)>,
}

/// How long an event keeps its answers. All who listen ask within moments; an event that waits for one slow subscriber
/// need not hold what the others were told.
const ANSWERED: Duration = Duration::from_secs(10);

impl Hub {
    pub(super) fn new(
        cx: Cx,
        (authenticator, presence): (Authenticator, Presence),
        options: EventsOptions,
        redis: Option<Arc<RedisBus>>,
        shutdown: CancellationToken,
        tasks: TaskTracker,
    ) -> Arc<Self> {
        Arc::new(Self { cx, authenticator, presence, options, shutdown, redis, tasks, channels: Mutex::default() })
    }

    pub(super) fn hint(&self, tenant: TenantId) {
        if let Some(channel) = self.channel(tenant) {
            channel.hint.notify_one();
        }
    }

    /// Somebody's rights changed: what is known of them is void, and who is connected is looked at.
    pub(super) fn rights_changed(&self, tenant: TenantId) {
        self.authenticator.forget_tenant(tenant);
        self.presence.hint(tenant);
        if let Some(channel) = self.channel(tenant) {
            channel.rights_hinted.store(true, Ordering::Release);
            channel.hint.notify_one();
        }
    }

    fn channel(&self, tenant: TenantId) -> Option<Arc<Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).cloned()
    }

    pub(super) fn readers(&self) -> usize {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Becomes a member of the tenant's channel; the first member starts its reader.
    ///
    /// # Errors
    /// When the log cannot be read in time.
    pub(super) async fn join(self: &Arc<Self>, tenant: TenantId) -> Result<Member, Failure> {
        let member = {
            let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
            let channel = channels.entry(tenant).or_insert_with(|| {
                let channel = Arc::new(Channel::new(tenant, self.options.backlog));
                self.tasks.spawn(reader::run(Arc::clone(self), Arc::clone(&channel)));
                if let Some(redis) = &self.redis {
                    redis.follow(tenant);
                }
                channel
            });
            // Under the lock, so that a reader about to end sees it.
            channel.members.fetch_add(1, Ordering::AcqRel);
            Member(Arc::clone(channel))
        };
        let mut started = member.started.subscribe();
        match timeout(FIRST_LOOK, started.wait_for(|started| *started)).await {
            Ok(Ok(_)) => Ok(member),
            _ => Err(Failure::fault("the event log could not be read in time")),
        }
    }

    /// Takes the channel out if nobody is in it; its reader then ends.
    pub(super) fn close_if_empty(&self, channel: &Channel) -> bool {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if !channel.is_empty() {
            return false;
        }
        channels.remove(&channel.tenant);
        if let Some(redis) = &self.redis {
            redis.unfollow(channel.tenant);
        }
        true
    }
}

impl Channel {
    fn new(tenant: TenantId, backlog: usize) -> Self {
        let (sender, _) = broadcast::channel(backlog);
        let position = EventCursor { tenant_key: 0, epoch: 0, position: 0 };
        Self {
            tenant,
            standings: Standings::default(),
            hint: Notify::new(),
            rights_hinted: AtomicBool::new(false),
            feed: Mutex::new(Feed { position, sender, answered: VecDeque::new() }),
            started: watch::Sender::new(false),
            members: AtomicUsize::new(0),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.load(Ordering::Acquire) == 0
    }

    /// Whether rights changed since the last time this was asked.
    pub(super) fn take_rights_hint(&self) -> bool {
        self.rights_hinted.swap(false, Ordering::AcqRel)
    }

    /// How far events have been sent.
    pub(super) fn position(&self) -> EventCursor {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner).position
    }

    /// Everything behind the returned position will be received, and nothing before it.
    pub(super) fn subscribe(&self) -> (EventCursor, broadcast::Receiver<Signal>) {
        let feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        (feed.position, feed.sender.subscribe())
    }

    /// The reader knows where the log ends: subscribers may come in.
    pub(super) fn begin(&self, position: EventCursor) {
        self.feed.lock().unwrap_or_else(PoisonError::into_inner).position = position;
        self.started.send_replace(true);
    }

    /// Sends the next event.
    pub(super) fn send(&self, event: Arc<Event>) {
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        feed.position = event.cursor;
        feed.answered.push_back((Instant::now(), Arc::downgrade(&event)));
        // Nobody there to hear it is no failure.
        let _ = feed.sender.send(Signal::Event(event));
    }

    /// Lets go of what events of a while ago have become.
    pub(super) fn forget_answers(&self) {
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, old)) = feed.answered.pop_front_if(|(sent, _)| sent.elapsed() >= ANSWERED) {
            if let Some(old) = old.upgrade() {
                old.answers.forget();
            }
        }
    }

    /// Tells everybody to begin anew; the log goes on from `position`.
    pub(super) fn reset(&self, reason: ResetReason, position: EventCursor) {
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        feed.position = position;
        let _ = feed.sender.send(Signal::Reset(Reset { reason, resume_after: position }));
    }

    /// Tells everybody to look at their standing.
    pub(super) fn rights_changed(&self) {
        let _ = self.feed.lock().unwrap_or_else(PoisonError::into_inner).sender.send(Signal::Rights);
    }
}

/// A subscriber's place in its tenant's channel, given up by dropping it.
pub(super) struct Member(Arc<Channel>);

impl std::ops::Deref for Member {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.0
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.0.members.fetch_sub(1, Ordering::AcqRel);
    }
}
