//! [`Subscription`]: what one subscriber gets. Ready, then what it missed, then what happens; every event it may see
//! exactly once and in the log's order, or a [`Reset`] that says honestly that this was not possible.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::Stream;
use tokio::sync::broadcast::{self, error::RecvError};
use uuid::Uuid;

use super::{
    event::{AppointmentEvent, BOOKED, CLOCK_CHANGED, Event, SCHEDULE_CHANGED, ScheduleEvent, What},
    hub::{Hub, Member, Signal},
    reader::{self, Filter},
    rights::Standing,
};
use crate::{
    auth::{Actor, Scope, alarm},
    db::{Access, TenantTx},
    domain::{
        agenda::visibility::Sight,
        event_cursor::EventCursor,
        known::{Named, Thing},
        refusal::{Failure, Refusal},
    },
};

/// How long a stream waits before it tries again to read what was missed.
const RETRY: Duration = Duration::from_secs(1);

/// What a stream is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Everything that changes what an agenda shows.
    Agenda,
    /// Bookings, through whatever channel.
    Bookings,
}

impl Topic {
    fn as_str(self) -> &'static str {
        match self {
            Self::Agenda => "agenda",
            Self::Bookings => "bookings",
        }
    }
}

/// What a subscriber asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What about.
    pub topic: Topic,
    /// In these branches; none: in all that the actor sees.
    pub branches: Option<Vec<Uuid>>,
    /// Of these resources; none: of all.
    pub resources: Option<Vec<Uuid>>,
    /// The word of the last event it has seen; none: it begins now.
    pub after: Option<String>,
}

impl Wanted {
    /// What has to be there, and where a client said so.
    fn named(&self) -> Named {
        let branches = self.branches.as_deref().unwrap_or_default();
        let named = match self.topic {
            Topic::Agenda => Named::default().one(Thing::Branch, branches.first().copied(), "branchId"),
            Topic::Bookings => Named::default().all(Thing::Branch, branches, "branchIds"),
        };
        named.all(Thing::Resource, self.resources.as_deref().unwrap_or_default(), "resourceIds")
    }
}

/// Why a stream cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// Events behind the cursor have been removed.
    CursorTooOld,
    /// The log is another one: the centre was restored.
    EpochChanged,
    /// The log is in another place: the centre was moved.
    TenantMigrated,
    /// The subscriber does not keep up.
    SlowConsumer,
    /// The caller may do something else than before.
    PermissionsChanged,
}

impl ResetReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::CursorTooOld => "CURSOR_TOO_OLD",
            Self::EpochChanged => "EPOCH_CHANGED",
            Self::TenantMigrated => "TENANT_MIGRATED",
            Self::SlowConsumer => "SLOW_CONSUMER",
            Self::PermissionsChanged => "PERMISSIONS_CHANGED",
        }
    }
}

/// The stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Why.
    pub reason: ResetReason,
    /// Where to go on from, after reading anew what was missed.
    pub resume_after: EventCursor,
}

/// The stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Where it begins.
    pub cursor: EventCursor,
    /// Whether the subscriber came with a cursor …
    pub was_recovering: bool,
    /// … and gets everything behind it.
    pub recovered: bool,
    /// How many missed events come first.
    pub replay_count: i64,
}

/// One item of a stream.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// The first, always.
    Ready(Ready),
    /// Something happened to an appointment that the subscriber may see.
    Appointment(Arc<Event>, Arc<AppointmentEvent>),
    /// A part of the agenda is to be read again.
    Schedule(Arc<Event>, Arc<ScheduleEvent>),
    /// The last.
    Reset(Reset),
}

/// What of the log reaches a subscriber: the same rule for what is replayed and what is live.
struct Interest {
    topic: Topic,
    branches: Option<Vec<Uuid>>,
    resources: Option<Vec<Uuid>>,
    sight: Sight,
}

impl Interest {
    /// # Errors
    /// When the actor may not see the topic.
    fn of(actor: &Actor, wanted: &Wanted) -> Result<Self, Failure> {
        let sight = Sight::of(actor, Scope::Anywhere)?;
        let branches = match (&wanted.branches, &sight.branches) {
            (Some(asked), _) => Some(asked.clone()),
            (None, seen) => seen.as_ref().map(|seen| seen.to_vec()),
        };
        Ok(Self { topic: wanted.topic, branches, resources: wanted.resources.clone(), sight })
    }

    fn filter(&self) -> Filter {
        let types = match self.topic {
            Topic::Agenda => [&["appointment.%", SCHEDULE_CHANGED][..], &CLOCK_CHANGED].concat(),
            Topic::Bookings => vec![BOOKED],
        };
        Filter {
            types: Some(types.into_iter().map(str::to_owned).collect()),
            branches: self.branches.clone(),
            resources: self.resources.clone(),
            own: self.sight.own,
        }
    }

    fn takes(&self, event: &Arc<Event>) -> Option<Delivery> {
        let branch = event.branch?;
        if self.branches.as_ref().is_some_and(|branches| !branches.contains(&branch)) {
            return None;
        }
        match &event.what {
            What::Appointment(change) => self.takes_appointment(event, change),
            What::Schedule(change) => {
                let concerns = |ids: &[Uuid]| change.resource.is_none_or(|resource| ids.contains(&resource));
                let taken = self.topic == Topic::Agenda
                    && self.resources.as_deref().is_none_or(concerns)
                    && self.sight.own.is_none_or(|own| concerns(&[own]));
                taken.then(|| Delivery::Schedule(Arc::clone(event), Arc::clone(change)))
            }
            What::Job(_) | What::Other => None,
        }
    }

    fn takes_appointment(&self, event: &Arc<Event>, change: &Arc<AppointmentEvent>) -> Option<Delivery> {
        if self.topic == Topic::Bookings && !change.booked {
            return None;
        }
        let now = |id: &Uuid| change.resources.contains(id);
        let before = |id: &Uuid| change.previous.as_ref().is_some_and(|previous| previous.resources.contains(id));
        let concerns = |id: &Uuid| now(id) || before(id);
        if !self.resources.as_ref().is_none_or(|ids| ids.iter().any(concerns))
            || !self.sight.own.as_ref().is_none_or(concerns)
        {
            return None;
        }
        // The appointment is loaded as it is now: whoever no longer takes part in it must not see where it went.
        if self.sight.includes(change.appointment.branch, &change.appointment.resources) {
            return Some(Delivery::Appointment(Arc::clone(event), Arc::clone(change)));
        }
        let (own, previous) = (self.sight.own?, change.previous.as_ref()?);
        let left = self.topic == Topic::Agenda && previous.resources.contains(&own);
        left.then(|| {
            let gap =
                ScheduleEvent { resource: Some(own), during: previous.during.clone(), zone: change.appointment.zone };
            Delivery::Schedule(Arc::clone(event), Arc::new(gap))
        })
    }
}

/// One subscriber's stream.
pub struct Subscription {
    hub: Arc<Hub>,
    member: Member,
    standing: Arc<Standing>,
    actor: Arc<Actor>,
    interest: Interest,
    /// Everything up to here was delivered, or is none of the subscriber's business.
    at: EventCursor,
    ready: Option<Ready>,
    /// What was missed, as far as it has been read.
    missed: VecDeque<Arc<Event>>,
    /// There as soon as nothing is missed any more.
    live: Option<broadcast::Receiver<Signal>>,
    /// Why it ends, until that has been said.
    reset: Option<Reset>,
    ended: bool,
}

impl Subscription {
    pub(super) async fn open(hub: Arc<Hub>, actor: Arc<Actor>, wanted: Wanted) -> Result<Self, Failure> {
        let interest = Interest::of(&actor, &wanted)?;
        let named = wanted.named();
        let after =
            wanted.after.map(|word| EventCursor::open(&hub.cx.seal, &word).ok_or_else(not_a_cursor)).transpose()?;
        if after.is_some_and(|after| after.tenant_key != actor.tenant.key) {
            alarm::tenant_mismatch("cursor");
            return Err(not_a_cursor().into());
        }
        // A closed centre says so here.
        let tx = hub.cx.read(&actor).await?;
        named.require(&tx, &actor).await?;
        let recovery = match after {
            Some(after) => Some(recovery(&tx, after, &interest).await?),
            None => None,
        };
        tx.commit().await?;
        let member = hub.join(actor.tenant.id).await?;
        let standing = member.standings.enter(&actor);
        let (position, receiver) = member.subscribe();
        let (ready, reset, live) = match recovery {
            Some((ready, reset)) => (ready, reset, None),
            None => {
                let ready = Ready { cursor: position, was_recovering: false, recovered: false, replay_count: 0 };
                (ready, None, Some(receiver))
            }
        };
        metrics::gauge!("horae_streams").increment(1.0);
        let at = ready.cursor;
        let missed = VecDeque::new();
        Ok(Self { hub, member, standing, actor, interest, at, ready: Some(ready), missed, live, reset, ended: false })
    }

    /// The next item; none: the stream is over. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Delivery> {
        let next = self.take_next().await;
        match &next {
            Some(Delivery::Appointment(..) | Delivery::Schedule(..)) => {
                let topic = self.interest.topic.as_str();
                metrics::counter!("horae_stream_events_total", "topic" => topic).increment(1);
            }
            Some(Delivery::Reset(reset)) => {
                metrics::counter!("horae_stream_resets_total", "reason" => reset.reason.as_str()).increment(1);
            }
            Some(Delivery::Ready(_)) | None => {}
        }
        next
    }

    async fn take_next(&mut self) -> Option<Delivery> {
        if let Some(ready) = self.ready.take() {
            return Some(Delivery::Ready(ready));
        }
        loop {
            if self.ended {
                return None;
            }
            if let Some(reset) = self.reset.take() {
                self.ended = true;
                return Some(Delivery::Reset(reset));
            }
            if self.standing.is_lost() {
                self.end(ResetReason::PermissionsChanged);
                continue;
            }
            if let Some(event) = self.missed.pop_front() {
                self.at = event.cursor;
                if let Some(delivery) = self.interest.takes(&event) {
                    return Some(delivery);
                }
                continue;
            }
            let Some(live) = &mut self.live else {
                // In a box that is given back: a stream that has caught up needs the room no more.
                Box::pin(self.catch_up()).await;
                continue;
            };
            match live.recv().await {
                Ok(Signal::Event(event)) => {
                    // Lost since the event was sent: nothing more for this subscriber, not even this.
                    if self.standing.is_lost() || event.cursor.position <= self.at.position {
                        continue;
                    }
                    self.at = event.cursor;
                    if let Some(delivery) = self.interest.takes(&event) {
                        return Some(delivery);
                    }
                }
                Ok(Signal::Rights) => {}
                Ok(Signal::Reset(reset)) => self.reset = Some(reset),
                Err(RecvError::Lagged(_)) => self.end(ResetReason::SlowConsumer),
                Err(RecvError::Closed) => self.ended = true,
            }
        }
    }

    /// The items one by one.
    pub fn into_stream(self) -> impl Stream<Item = Delivery> + Send {
        // In a box, or it would lie in the stream and in the future of each item.
        let all = Box::new(self);
        futures::stream::unfold(all, |mut stream| async move { stream.next().await.map(|item| (item, stream)) })
    }

    fn end(&mut self, reason: ResetReason) {
        self.reset = Some(Reset { reason, resume_after: self.at });
    }

    /// Reads the next page of what was missed; when it is the last, the channel is heard from before it was read.
    async fn catch_up(&mut self) {
        let (position, receiver) = self.member.subscribe();
        if position.epoch != self.at.epoch {
            self.reset = Some(Reset { reason: ResetReason::EpochChanged, resume_after: position });
        } else if position.position <= self.at.position {
            self.live = Some(receiver);
        } else {
            match self.page(position).await {
                Ok(true) => self.live = Some(receiver),
                Ok(false) => {}
                Err(failure) => {
                    tracing::warn!(tenant.id = %self.actor.tenant.id.0, error = ?failure, "Missed events cannot be read; trying again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Reads up to one page of what lies between here and `upto`. Returns whether that was all of it.
    async fn page(&mut self, upto: EventCursor) -> Result<bool, Failure> {
        let tx = self.hub.cx.db.begin(&self.actor.tenant, Access::Read).await?;
        let limit = self.hub.options.batch;
        let page = reader::page(&tx, self.at.position, upto.position, limit, &self.interest.filter()).await?;
        // Read behind the page: what had not been removed now had not been then.
        let head = reader::head(&tx).await?;
        let end = reader::cursor(tx.tenant(), head.position);
        tx.commit().await?;
        if head.removed > self.at.position {
            self.reset = Some(Reset { reason: ResetReason::CursorTooOld, resume_after: end });
            return Ok(false);
        }
        let all = page.len() < usize::from(limit);
        self.missed.extend(page);
        Ok(all)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        metrics::gauge!("horae_streams").decrement(1.0);
    }
}

/// How a stream with this cursor begins, and with what it ends at once if it cannot go on from there.
async fn recovery(tx: &TenantTx, after: EventCursor, interest: &Interest) -> Result<(Ready, Option<Reset>), Failure> {
    let head = reader::head(tx).await?;
    let end = reader::cursor(tx.tenant(), head.position);
    let reason = if after.epoch != end.epoch || after.position > end.position {
        Some(ResetReason::EpochChanged)
    } else if after.position < head.removed {
        Some(ResetReason::CursorTooOld)
    } else {
        None
    };
    Ok(match reason {
        Some(reason) => {
            let ready = Ready { cursor: end, was_recovering: true, recovered: false, replay_count: 0 };
            (ready, Some(Reset { reason, resume_after: end }))
        }
        None => {
            let replay_count = reader::count(tx, after.position, end.position, &interest.filter()).await?;
            (Ready { cursor: after, was_recovering: true, recovered: true, replay_count }, None)
        }
    })
}

fn not_a_cursor() -> Refusal {
    Refusal::invalid("after", "this is not a cursor of this centre's events; give one as it was received")
}
