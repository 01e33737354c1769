//! What a transaction changed: every state change leaves one event and one audit entry, in the same transaction.

use std::{net::IpAddr, sync::Arc};

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    cx::Cx,
    facts::{Facts, told},
    refusal::Failure,
};
use crate::{auth::Actor, db::TenantTx};

/// One change, as the event log and the audit trail will tell it. Ids and closed words only: no names, no texts.
#[derive(Clone, Debug)]
pub struct Change {
    /// `appointment.booked` and the like; the catalogue is in the domain model. None: audited, but not an event.
    pub event: Option<&'static str>,
    /// The mutation's verb.
    pub action: &'static str,
    /// `Appointment` and the like.
    pub subject_type: &'static str,
    /// Which one.
    pub subject_id: Uuid,
    /// The branch it happened in.
    pub branch_id: Option<Uuid>,
    /// What a reader of the event needs to choose and to load.
    pub data: Value,
    /// All that may be told of it before; none: it is new. The trail keeps what differs from after.
    pub before: Option<Facts>,
    /// All that may be told of it after; none: it is gone.
    pub after: Option<Facts>,
    /// Why, if the caller said.
    pub reason: Option<String>,
    /// Whether the trail has an entry of it. What only tells readers of a change beside it has none of its own.
    pub audited: bool,
}

impl Change {
    /// A change with an event and nothing else yet.
    #[must_use]
    pub fn event(event: &'static str, action: &'static str, subject_type: &'static str, subject_id: Uuid) -> Self {
        Self {
            event: Some(event),
            action,
            subject_type,
            subject_id,
            branch_id: None,
            data: Value::Object(serde_json::Map::new()),
            before: None,
            after: None,
            reason: None,
            audited: true,
        }
    }

    /// A change that is only audited.
    #[must_use]
    pub fn audited(action: &'static str, subject_type: &'static str, subject_id: Uuid) -> Self {
        Self { event: None, ..Self::event("", action, subject_type, subject_id) }
    }
}

impl Change {
    /// Whether somebody may do something else now, or may not go on. A login, a refresh and a wrong code change nobody's rights.
    fn touches_rights(&self) -> bool {
        matches!(self.subject_type, "User" | "Role" | "Session" | "ApiKey")
            && !matches!(self.action, "login" | "refreshSession" | "enrolMfa" | "refuseMfa")
    }
}

/// The changes of one transaction, in order.
#[derive(Debug)]
pub struct Changes {
    actor_kind: &'static str,
    actor_id: Option<Uuid>,
    /// Of actors that have no id to be looked up by.
    actor_name: Option<Arc<str>>,
    request_id: Arc<str>,
    ip: Option<IpAddr>,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Row<'a> {
    n: i64,
    event_n: i64,
    id: Uuid,
    event: Option<&'static str>,
    action: &'static str,
    subject_type: &'static str,
    subject_id: Uuid,
    branch_id: Option<Uuid>,
    data: &'a Value,
    before: Option<Value>,
    after: Option<Value>,
    reason: Option<&'a str>,
    audited: bool,
}

impl Changes {
    /// Nothing yet.
    #[must_use]
    pub fn by(actor: &Actor) -> Self {
        Self {
            actor_kind: actor.kind.as_str(),
            actor_id: actor.id,
            actor_name: actor.id.is_none().then(|| Arc::clone(&actor.name)),
            request_id: Arc::clone(&actor.request_id),
            ip: actor.ip,
            changes: Vec::new(),
        }
    }

    /// Just this one.
    #[must_use]
    pub fn one(actor: &Actor, change: Change) -> Self {
        let mut changes = Self::by(actor);
        changes.push(change);
        changes
    }

    /// One more.
    pub fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// More of them.
    pub fn extend(&mut self, changes: Vec<Change>) {
        self.changes.extend(changes);
    }

    /// Whether one of them changes what somebody may do.
    pub(super) fn touch_rights(&self) -> bool {
        self.changes.iter().any(Change::touches_rights)
    }

    /// Writes them as the last statement before the commit, because the row that gives out positions stays locked
    /// until then. It is locked for the events first; a trigger chains the entries of the trail under the same lock.
    /// Returns whether the event log has grown.
    pub(super) async fn write(self, cx: &Cx, tx: &TenantTx) -> Result<bool, Failure> {
        if self.changes.is_empty() {
            return Ok(false);
        }
        let mut events = 0_i64;
        let rows: Vec<Row<'_>> = (0_i64..)
            .zip(&self.changes)
            .map(|(n, change)| {
                events += i64::from(change.event.is_some());
                let (before, after) = told(change.before.as_ref(), change.after.as_ref());
                Row {
                    n,
                    event_n: events,
                    id: cx.new_id(),
                    event: change.event,
                    action: change.action,
                    subject_type: change.subject_type,
                    subject_id: change.subject_id,
                    branch_id: change.branch_id,
                    data: &change.data,
                    before,
                    after,
                    reason: change.reason.as_deref(),
                    audited: change.audited,
                }
            })
            .collect();
        let rows = serde_json::to_value(&rows).map_err(|error| Failure::fault(error.to_string()))?;
        tx.run(
            "WITH input AS (
                 SELECT * FROM jsonb_to_recordset($1) AS x (
                     n bigint, event_n bigint, id uuid, event text, action text, subject_type text, subject_id uuid,
                     branch_id uuid, data jsonb, before jsonb, after jsonb, reason text, audited boolean)
             ), head AS (
                 UPDATE event_head SET position = position + $6 WHERE $6 > 0 RETURNING position - $6 AS before
             ), trail AS (
                 INSERT INTO audit_entries (id, at, actor_kind, actor_id, actor_name, action, subject_type, subject_id, request_id,
                     ip, before, after, reason)
                 SELECT id, $2, $3, $4, $7, action, subject_type, subject_id, $5, $8::text::inet, input.before, after, reason
                 FROM input LEFT JOIN head ON true WHERE audited ORDER BY n
             )
             INSERT INTO events (position, id, type, occurred_at, actor_kind, actor_id, subject_type, subject_id, branch_id, data, request_id)
             SELECT head.before + event_n, id, event, $2, $3, $4, subject_type, subject_id, branch_id, data, $5
             FROM input, head WHERE event IS NOT NULL ORDER BY n",
            [
                rows.into(),
                cx.now().into(),
                self.actor_kind.into(),
                self.actor_id.into(),
                self.request_id.as_ref().into(),
                events.into(),
                self.actor_name.as_deref().into(),
                self.ip.map(|ip| ip.to_string()).into(),
            ],
        )
        .await?;
        Ok(events > 0)
    }
}
