//! The audit trail: who did what to what, and whether it is still what was written.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono_tz::Tz;

use crate::{
    auth::{Permission, Scope},
    domain::identity::audit::{
        Entry,
        list::{self, Filter, Key},
        verify,
    },
    schema::{
        agenda::types::DateTimeRange,
        auth::{P, auth},
        error::ApiError,
        id::Kind,
        identity::types::{Actor, actor},
        limits::directive::cost,
        page::{PageArguments, connection},
        request::{Reader, staff},
        scalar::{Instant, Json},
    },
};

/// One thing that somebody did.
#[derive(SimpleObject, Clone, Debug)]
pub struct AuditEntry {
    /// Opaque identifier.
    #[graphql(owned)]
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
    /// Where the request came from. Only for who has `AUDIT_READ`; null for what Horae did by itself.
    #[graphql(directive = auth::apply(vec![P::AuditRead]))]
    pub ip: Option<String>,
    /// What was different before. People's data and secrets are `***`.
    pub before: Option<Json>,
    /// What was different after. People's data and secrets are `***`.
    pub after: Option<Json>,
    /// Why, if somebody said.
    pub reason: Option<String>,
    /// SHA-256 of `previousHash` and of everything in this entry, in hexadecimal.
    pub hash: String,
    /// `hash` of the entry before it in the centre's trail; zeros before the first.
    pub previous_hash: String,
}

connection!(AuditEntryConnection, AuditEntryEdge, AuditEntry, "things that were done");

impl AuditEntry {
    /// The API's form of an entry.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, zone: Tz, model: Entry) -> Self {
        let audits = reader.actor.may(Permission::AuditRead, Scope::Centre);
        Self {
            id: reader.ids.encode(Kind::AuditEntry, model.id),
            at: Instant::in_zone(model.at, zone),
            actor: actor(reader, model.actor_kind, model.actor, &model.actor_name),
            action: model.action,
            subject_id: reader.ids.encode(subject_kind(&model.subject_type).unwrap_or(Kind::AuditEntry), model.subject),
            subject_type: model.subject_type,
            request_id: model.request_id,
            ip: model.ip.filter(|_| audits),
            before: model.before.map(Json),
            after: model.after.map(Json),
            reason: model.reason,
            hash: hex::encode(&model.hash),
            previous_hash: hex::encode(&model.previous_hash),
        }
    }
}

/// The kind of id that names a subject of this type. A type that is missing here fails the tests.
#[must_use]
pub fn subject_kind(subject_type: &str) -> Option<Kind> {
    Some(match subject_type {
        "Tenant" => Kind::Tenant,
        "Branch" => Kind::Branch,
        "Professional" | "Room" | "Equipment" => Kind::Resource,
        "Treatment" => Kind::Treatment,
        "TreatmentCategory" => Kind::TreatmentCategory,
        "User" => Kind::User,
        "Role" => Kind::Role,
        "Session" => Kind::Session,
        "Schedule" => Kind::Schedule,
        "ScheduleException" => Kind::ScheduleException,
        "Appointment" => Kind::Appointment,
        "Patient" => Kind::Patient,
        "PatientCategory" => Kind::PatientCategory,
        "EmailMessage" => Kind::EmailMessage,
        "ApiKey" => Kind::ApiKey,
        "CapabilityToken" => Kind::CapabilityToken,
        "RecordTemplate" => Kind::RecordTemplate,
        "RecordEntry" => Kind::RecordEntry,
        // One for each patient, and named by the patient.
        "ClinicalRecord" => Kind::Patient,
        "PasswordResetRequest" => Kind::PasswordResetRequest,
        "Attachment" => Kind::Attachment,
        "BackgroundJob" => Kind::BackgroundJob,
        _ => return None,
    })
}

/// Which entries of the audit trail; what is absent does not matter.
#[derive(InputObject, Clone, Debug, Default)]
pub struct AuditFilter {
    /// About this one, of whatever type.
    pub subject_id: Option<ID>,
    /// About one of this type: `Appointment` and the like.
    pub subject_type: Option<String>,
    /// By this user, patient or key.
    pub actor_id: Option<ID>,
    /// Done by this mutation.
    pub action: Option<String>,
    /// When it was done.
    pub range: Option<DateTimeRange>,
}

impl AuditFilter {
    fn open(self, reader: &Reader) -> Result<Filter, ApiError> {
        Ok(Filter {
            subject: self.subject_id.map(|id| reader.ids.decode_any(&id, "filter.subjectId")).transpose()?,
            subject_type: self.subject_type,
            actor: self.actor_id.map(|id| reader.ids.decode_any(&id, "filter.actorId")).transpose()?,
            action: self.action,
            from: self.range.map(|range| range.from.to_utc()),
            to: self.range.map(|range| range.to.to_utc()),
        })
    }
}

/// Whether the audit trail is what was written.
#[derive(SimpleObject, Clone, Debug)]
pub struct AuditChainReport {
    /// Whether every entry fits to the one before it, and the last one is the last that was written.
    pub ok: bool,
    /// How many entries were looked at; the first broken one ends it.
    pub entries_checked: i32,
    /// The first entry that is not what was written, or beside which one is missing. Null when all is well, and when
    /// the whole trail is gone.
    pub first_broken_id: Option<ID>,
}

/// Queries of the audit trail.
#[derive(Default)]
pub struct AuditQuery;

#[Object]
impl AuditQuery {
    /// Who did what in the centre, newest first. Needs `AUDIT_READ` in the whole centre.
    #[graphql(directive = auth::apply(vec![P::AuditRead]))]
    async fn audit_entries(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which; without it all.")] filter: Option<AuditFilter>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<AuditEntryConnection, ApiError> {
        const LIST: &str = "auditEntries";
        let reader = staff(ctx)?;
        let page = PageArguments { first, after, last, before }.open(ctx, reader, LIST)?;
        let filter = filter.unwrap_or_default().open(reader)?;
        let found = list::run(&reader.cx, &reader.actor, filter, &page).await?;
        let entry = |model| AuditEntry::new(reader, Tz::UTC, model);
        Ok(AuditEntryConnection::new(reader, LIST, found, |row| Key(row.position), entry))
    }

    /// Checks the audit trail: that nothing in it was changed, removed or put in between, and that nothing is missing
    /// at its end. Needs `AUDIT_READ` in the whole centre. A trail of millions takes long; check it by ranges.
    #[graphql(directive = auth::apply(vec![P::AuditRead]), directive = cost::apply(200, None))]
    async fn verify_audit_chain(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From the first entry at or after this instant; without it from the beginning.")] from: Option<
            Instant,
        >,
        #[graphql(desc = "Until the last entry before this instant; without it to the end.")] to: Option<Instant>,
    ) -> Result<AuditChainReport, ApiError> {
        let reader = staff(ctx)?;
        let (from, to) = (from.map(Instant::to_utc), to.map(Instant::to_utc));
        let report = verify::run(&reader.cx, &reader.actor, from, to).await?;
        Ok(AuditChainReport {
            ok: report.ok,
            entries_checked: i32::try_from(report.entries_checked).unwrap_or(i32::MAX),
            first_broken_id: report.first_broken.map(|id| reader.ids.encode(Kind::AuditEntry, id)),
        })
    }
}
