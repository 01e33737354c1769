//! Reads the event log: what is new, for a tenant's channel, and what was missed, for one subscriber. A constant number
//! of statements for any number of events.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use sea_orm::{FromQueryResult, Value as SqlValue};
use serde_json::Value;
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    answers::Answers,
    event::{CLOCK_CHANGED, Event, EventActor, SCHEDULE_CHANGED, What, is_of_appointment, is_of_job, is_of_rights},
    hub::{Channel, Hub},
    stream::ResetReason,
};
use crate::{
    auth::ActorKind,
    db::{Access, Tenant, TenantStatus, TenantTx},
    domain::{
        agenda::{
            appointment::{self, AppointmentView},
            visibility::Sight,
        },
        background::{self, Job},
        centre::model::zone,
        event_cursor::EventCursor,
        identity::authenticate,
        refusal::Failure,
    },
};

/// How long the reader waits after a fault, at first and at most.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(5);

/// Where a log ends, and up to where it has been removed.
#[derive(FromQueryResult, Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) position: i64,
    pub(super) removed: i64,
}

/// Which events of a log: NULL means any.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// Patterns of types, for LIKE.
    pub(super) types: Option<Vec<String>>,
    pub(super) branches: Option<Vec<Uuid>>,
    /// Of these resources …
    pub(super) resources: Option<Vec<Uuid>>,
    /// … and of this one.
    pub(super) own: Option<Uuid>,
}

impl Filter {
    fn values(&self) -> [SqlValue; 4] {
        let words = |ids: &[Uuid]| ids.iter().map(Uuid::to_string).collect::<Vec<_>>();
        [
            self.types.clone().into(),
            self.branches.clone().into(),
            self.resources.as_deref().map(words).into(),
            self.own.map(|id| words(&[id])).into(),
        ]
    }
}

/// What of an event decides whether [`Filter`] takes it; followed by what comes behind WHERE. Working time is of the
/// resource that it names, or of all; the branch's clock is of all.
macro_rules! events_where {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            " WHERE e.position > $1 AND e.position <= $2
                 AND ($3::text[] IS NULL OR e.type LIKE ANY ($3))
                 AND ($4::uuid[] IS NULL OR e.branch_id = ANY ($4))
                 AND ($5::text[] IS NULL OR e.data->'resources' ?| $5 OR e.data->'previous'->'resources' ?| $5
                      OR (e.type = 'schedule.changed' AND coalesce(e.data->>'resourceId' = ANY ($5), true))
                      OR e.type IN ('branch.zone_changed', 'tzdata.changed'))
                 AND ($6::text[] IS NULL OR e.data->'resources' ?| $6 OR e.data->'previous'->'resources' ?| $6
                      OR (e.type = 'schedule.changed' AND coalesce(e.data->>'resourceId' = ANY ($6), true))
                      OR e.type IN ('branch.zone_changed', 'tzdata.changed')) ",
            $rest
        )
    };
}

#[derive(FromQueryResult)]
struct Row {
    position: i64,
    r#type: String,
    occurred_at: DateTime<Utc>,
    actor_kind: String,
    actor_id: Option<Uuid>,
    actor_name: Option<String>,
    subject_id: Uuid,
    branch_id: Option<Uuid>,
    time_zone: Option<String>,
    data: Value,
}

/// Where the log of the transaction's tenant ends.
pub(super) async fn head(tx: &TenantTx) -> Result<Head, Failure> {
    let head: Option<Head> = tx.find("SELECT position, removed FROM event_head", []).await?;
    head.ok_or_else(|| Failure::fault("the event log has no head"))
}

/// How many events of the filter lie behind `after`, up to `upto`.
pub(super) async fn count(tx: &TenantTx, after: i64, upto: i64, filter: &Filter) -> Result<i64, Failure> {
    let values = [after.into(), upto.into()].into_iter().chain(filter.values());
    Ok(tx.scalar(events_where!("SELECT count(*) FROM events e", ""), values).await?.unwrap_or(0))
}

/// The first `limit` events of the filter behind `after`, up to `upto`, loaded.
pub(super) async fn page(
    tx: &TenantTx,
    after: i64,
    upto: i64,
    limit: u16,
    filter: &Filter,
) -> Result<Vec<Arc<Event>>, Failure> {
    let rows = rows(tx, after, upto, limit, filter).await?;
    load(tx, rows).await
}

async fn rows(tx: &TenantTx, after: i64, upto: i64, limit: u16, filter: &Filter) -> Result<Vec<Row>, Failure> {
    let values = [after.into(), upto.into()].into_iter().chain(filter.values()).chain([i64::from(limit).into()]);
    let rows = tx
        .all(
            events_where!(
                "SELECT e.position, e.type, e.occurred_at, e.actor_kind, e.actor_id, coalesce(u.name, k.name) AS actor_name, e.subject_id,
                     e.branch_id, b.time_zone, e.data
                 FROM events e
                     LEFT JOIN branches b ON b.id = e.branch_id
                     LEFT JOIN users u ON u.id = e.actor_id AND e.actor_kind = 'USER'
                     LEFT JOIN api_keys k ON k.id = e.actor_id AND e.actor_kind = 'API_KEY'",
                "ORDER BY e.position LIMIT $7"
            ),
            values,
        )
        .await?;
    Ok(rows)
}

/// Loads what subscribers of these events need. Everything is loaded here, whoever asks: what a subscriber may see, its
/// stream decides.
async fn load(tx: &TenantTx, rows: Vec<Row>) -> Result<Vec<Arc<Event>>, Failure> {
    let ids = subjects(&rows, is_of_appointment);
    let appointments: HashMap<Uuid, Arc<AppointmentView>> = if ids.is_empty() {
        HashMap::new()
    } else {
        let everything = Sight { branches: None, own: None };
        let related = appointment::Wanted { branches: true, resources: true, treatments: true };
        let views = appointment::load_appointments(tx, ids, &everything, related).await?;
        views.into_iter().map(|view| (view.id, view)).collect()
    };
    let jobs = subjects(&rows, is_of_job);
    let jobs: HashMap<Uuid, Arc<Job>> = if jobs.is_empty() {
        HashMap::new()
    } else {
        background::by_ids(tx, jobs).await?.into_iter().map(|job| (job.id, job)).collect()
    };
    let tenant = tx.tenant();
    rows.into_iter()
        .map(|row| {
            let what = if let Some(job) = jobs.get(&row.subject_id) {
                What::Job(Arc::clone(job))
            } else if is_of_appointment(&row.r#type) {
                match appointments.get(&row.subject_id) {
                    Some(view) => What::of_appointment(&row.r#type, row.data, Arc::clone(view)),
                    None => What::Other,
                }
            } else {
                match (row.r#type.as_str(), &row.time_zone) {
                    (SCHEDULE_CHANGED, Some(name)) => What::of_schedule(row.data, row.occurred_at, zone(name)?),
                    (word, Some(name)) if CLOCK_CHANGED.contains(&word) => What::of_clock(row.occurred_at, zone(name)?),
                    _ => What::Other,
                }
            };
            let kind = ActorKind::parse(&row.actor_kind);
            let name = row.actor_name.unwrap_or_else(|| match kind {
                ActorKind::Patient => "Patient".to_owned(),
                ActorKind::User | ActorKind::ApiKey | ActorKind::System | ActorKind::PlatformOperator => {
                    "Horae".to_owned()
                }
            });
            Ok(Arc::new(Event {
                cursor: cursor(tenant, row.position),
                branch: row.branch_id,
                actor: EventActor { kind, id: row.actor_id, name },
                what,
                answers: Answers::default(),
            }))
        })
        .collect()
}

/// What these events are about, each once.
fn subjects(rows: &[Row], of: impl Fn(&str) -> bool) -> Vec<Uuid> {
    let mut ids: Vec<Uuid> = rows.iter().filter(|row| of(&row.r#type)).map(|row| row.subject_id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// A position in the tenant's log of today.
pub(super) fn cursor(tenant: &Tenant, position: i64) -> EventCursor {
    EventCursor { tenant_key: tenant.key, epoch: tenant.epoch, position }
}

/// Feeds one tenant's channel, until nobody has listened for a while or the process stops.
pub(super) async fn run(hub: Arc<Hub>, channel: Arc<Channel>) {
    let shutdown = hub.shutdown.clone();
    let feeding = async {
        let mut reader = Reader { hub: &hub, channel: &channel, place: None, rights_checked: Instant::now() };
        let mut backoff = FIRST_BACKOFF;
        let mut empty_since: Option<Instant> = None;
        loop {
            channel.forget_answers();
            match AssertUnwindSafe(reader.look()).catch_unwind().await {
                Ok(Ok(())) => backoff = FIRST_BACKOFF,
                Ok(Err(failure)) => {
                    tracing::warn!(tenant.id = %channel.tenant.0, error = ?failure, "The event log cannot be read; trying again");
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(LAST_BACKOFF);
                    continue;
                }
                Err(_panic) => {
                    tracing::error!(tenant.id = %channel.tenant.0, "Reading the event log panicked; trying again");
                    tokio::time::sleep(LAST_BACKOFF).await;
                    continue;
                }
            }
            if channel.is_empty() {
                let since = *empty_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= hub.options.linger && hub.close_if_empty(&channel) {
                    return;
                }
            } else {
                empty_since = None;
            }
            // A hint, or the time has come to look without one.
            let _ = timeout(hub.options.poll, channel.hint.notified()).await;
        }
    };
    shutdown.run_until_cancelled(feeding).await;
}

/// One tenant's reader.
struct Reader<'a> {
    hub: &'a Hub,
    channel: &'a Channel,
    /// Cell and epoch of the log that is being read.
    place: Option<(String, i32)>,
    rights_checked: Instant,
}

impl Reader<'_> {
    /// Sends everything that is new.
    async fn look(&mut self) -> Result<(), Failure> {
        loop {
            let Some(tenant) = self.hub.cx.db.find_tenant(self.channel.tenant).await? else {
                return self.lose_all().await;
            };
            match tenant.status {
                TenantStatus::Active | TenantStatus::Maintenance => {}
                TenantStatus::Provisioning | TenantStatus::Disabled | TenantStatus::Deleted => {
                    return self.lose_all().await;
                }
            }
            let tx = self.hub.cx.db.begin(&tenant, Access::Read).await?;
            if self.begin(&tx).await? {
                tx.commit().await?;
                continue;
            }
            let after = self.channel.position().position;
            let limit = self.hub.options.batch;
            let rows = rows(&tx, after, i64::MAX, limit, &Filter::default()).await?;
            if self.channel.take_rights_hint()
                || self.rights_checked.elapsed() >= self.hub.options.poll
                || rows.iter().any(|row| is_of_rights(&row.r#type))
            {
                self.check_rights(&tx).await?;
            }
            let read = rows.len();
            let gap = rows.first().is_some_and(|row| row.position != after + 1);
            let events = load(&tx, rows).await?;
            tx.commit().await?;
            if gap && let Some(first) = events.first() {
                // Retention was faster than this reader: what lies between is gone for everybody.
                let before = EventCursor { position: first.cursor.position - 1, ..first.cursor };
                self.channel.reset(ResetReason::CursorTooOld, before);
            }
            metrics::counter!("horae_events_read_total").increment(events.len() as u64);
            for event in events {
                self.channel.send(event);
            }
            if read < usize::from(limit) {
                return Ok(());
            }
        }
    }

    /// Finds the end of the log, the first time and when the log is another one. Returns whether it was so.
    async fn begin(&mut self, tx: &TenantTx) -> Result<bool, Failure> {
        let tenant = tx.tenant();
        let reason = match &self.place {
            Some((cell, epoch)) if *cell == tenant.cell && *epoch == tenant.epoch => return Ok(false),
            Some((cell, _)) if *cell != tenant.cell => Some(ResetReason::TenantMigrated),
            Some(_) => Some(ResetReason::EpochChanged),
            None => None,
        };
        let end = cursor(tenant, head(tx).await?.position);
        match reason {
            None => self.channel.begin(end),
            Some(reason) => self.channel.reset(reason, end),
        }
        self.place = Some((tenant.cell.clone(), tenant.epoch));
        Ok(true)
    }

    async fn check_rights(&mut self, tx: &TenantTx) -> Result<(), Failure> {
        let asked = self.channel.standings.grants();
        if !asked.is_empty() {
            let known = authenticate::rights(tx, asked.clone(), self.hub.cx.now()).await?;
            let lost = self.channel.standings.judge(&asked, &known);
            self.tell_lost(lost).await;
        }
        self.rights_checked = Instant::now();
        Ok(())
    }

    async fn lose_all(&mut self) -> Result<(), Failure> {
        let lost = self.channel.standings.lose_all();
        self.tell_lost(lost).await;
        Ok(())
    }

    async fn tell_lost(&self, lost: Vec<Option<Uuid>>) {
        if lost.is_empty() {
            return;
        }
        // So that who comes back at once is not let in with what was known before.
        for grant in lost.into_iter().flatten() {
            self.hub.authenticator.forget(self.channel.tenant, grant).await;
        }
        self.channel.rights_changed();
    }
}
