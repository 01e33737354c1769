//! What happened to something.

use std::sync::Arc;

use async_graphql::{ID, SimpleObject};
use chrono_tz::Tz;

use crate::{
    domain::agenda::history::Entry,
    schema::{
        id::Kind,
        identity::types::{Actor, actor},
        page::connection,
        request::Reader,
        scalar::{Instant, Json},
    },
};

/// One thing that somebody did.
#[derive(SimpleObject, Clone, Debug)]
pub struct AuditEntry {
    /// Opaque identifier.
    pub id: ID,
    /// When.
    pub at: Instant,
    /// Who.
    pub actor: Actor,
    /// The mutation that did it.
    pub action: String,
    /// `Appointment` and the like.
    pub subject_type: String,
    /// Which one.
    pub subject_id: ID,
    /// The request it was part of; quote it when you report something.
    pub request_id: String,
    /// Before, without names and texts.
    pub before: Option<Json>,
    /// After, without names and texts.
    pub after: Option<Json>,
    /// Why, if somebody said.
    pub reason: Option<String>,
}

connection!(AuditEntryConnection, AuditEntryEdge, AuditEntry, "things that were done");

impl AuditEntry {
    pub(super) fn new(reader: &Arc<Reader>, zone: Tz, model: Entry) -> Self {
        Self {
            id: reader.ids.encode(Kind::AuditEntry, model.id),
            at: Instant::in_zone(model.at, zone),
            actor: actor(reader, model.actor_kind, model.actor, &model.actor_name),
            action: model.action,
            subject_type: model.subject_type,
            subject_id: reader.ids.encode(Kind::Appointment, model.subject),
            request_id: model.request_id,
            before: model.before.map(Json),
            after: model.after.map(Json),
            reason: model.reason,
        }
    }
}
