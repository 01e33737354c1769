//! [`JobWatch`]: how one background job goes on, for one subscriber. It hears of the job from the tenant's channel, so a
//! thousand who watch cost no more statements than one; a job has no history to replay, only how it stands.

use std::sync::Arc;

use futures::Stream;
use tokio::sync::broadcast::{self, error::RecvError};
use uuid::Uuid;

use super::{
    event::What,
    hub::{Hub, Member, Signal},
    rights::Standing,
};
use crate::{
    auth::Actor,
    domain::{
        background::{self, Job},
        refusal::{Code, Failure, Refusal},
    },
};

/// One subscriber's look at a job.
pub struct JobWatch {
    hub: Arc<Hub>,
    /// Keeps the tenant's reader going.
    _member: Member,
    standing: Arc<Standing>,
    actor: Arc<Actor>,
    job: Uuid,
    live: broadcast::Receiver<Signal>,
    /// How it stands, until that has been said.
    next: Option<Arc<Job>>,
    /// Of what has been said last.
    revision: i32,
    ended: bool,
}

impl JobWatch {
    pub(super) async fn open(hub: Arc<Hub>, actor: Arc<Actor>, job: Uuid) -> Result<Self, Failure> {
        // Who may not is refused before anything is opened.
        find(&hub, &actor, job).await?;
        let member = hub.join(actor.tenant.id).await?;
        let standing = member.standings.enter(&actor);
        // First heard, then looked: what is committed in between is heard.
        let (_, live) = member.subscribe();
        let now = find(&hub, &actor, job).await?;
        metrics::gauge!("horae_streams").increment(1.0);
        Ok(Self { hub, _member: member, standing, actor, job, live, next: Some(now), revision: 0, ended: false })
    }

    /// How the job stands after its next change; none: the job is over, or the process stops.
    ///
    /// # Errors
    /// When the caller may see it no longer; faults of the database. Nothing comes after an error.
    pub async fn next(&mut self) -> Option<Result<Arc<Job>, Failure>> {
        loop {
            if self.ended {
                return None;
            }
            if self.standing.is_lost() {
                self.ended = true;
                let message = "what you may see has changed, or the session is over; subscribe again";
                return Some(Err(Refusal::new(Code::Forbidden, message).into()));
            }
            if let Some(job) = self.next.take().filter(|job| job.revision > self.revision) {
                self.revision = job.revision;
                self.ended = job.status.is_over();
                metrics::counter!("horae_stream_events_total", "topic" => "jobs").increment(1);
                return Some(Ok(job));
            }
            match self.live.recv().await {
                Ok(Signal::Event(event)) => {
                    if let What::Job(job) = &event.what
                        && job.id == self.job
                    {
                        self.next = Some(Arc::clone(job));
                    }
                }
                Ok(Signal::Rights) => {}
                // Whatever was missed, how it stands now says it all.
                Ok(Signal::Reset(_)) | Err(RecvError::Lagged(_)) => {
                    match find(&self.hub, &self.actor, self.job).await {
                        Ok(job) => self.next = Some(job),
                        Err(failure) => {
                            self.ended = true;
                            return Some(Err(failure));
                        }
                    }
                }
                Err(RecvError::Closed) => self.ended = true,
            }
        }
    }

    /// The items one by one.
    pub fn into_stream(self) -> impl Stream<Item = Result<Arc<Job>, Failure>> + Send {
        // In a box, or it would lie in the stream and in the future of each item.
        let all = Box::new(self);
        futures::stream::unfold(all, |mut watch| async move { watch.next().await.map(|item| (item, watch)) })
    }
}

impl Drop for JobWatch {
    fn drop(&mut self) {
        metrics::gauge!("horae_streams").decrement(1.0);
    }
}

async fn find(hub: &Hub, actor: &Actor, job: Uuid) -> Result<Arc<Job>, Failure> {
    let tx = hub.cx.read(actor).await?;
    let found = background::visible(&tx, actor, vec![job]).await?.pop();
    tx.commit().await?;
    found.ok_or_else(|| Refusal::not_found("jobId").into())
}
