//! Appointments.

use std::{borrow::Borrow, sync::Arc};

use async_graphql::{Context, ID, Object};

use super::{
    loader::{ActorName, History},
    types::{AppointmentPaymentStatus, AppointmentStatus, BookingChannel},
};
use crate::{
    auth::{ActorKind, Permission, Scope},
    domain::{
        agenda::appointment::{AppointmentView, ItemView},
        booking::{
            calendar_file,
            status::{self, Circumstances},
        },
        centre::model::{Resource, ResourceKind},
        notifications,
        refusal::{Failure, Refusal},
    },
    schema::{
        auth::{P, auth},
        centre::{
            loader::{BranchKey, ResourceKey},
            types::{BookableResource, Branch, Professional, Room, Treatment},
        },
        error::ApiError,
        id::Kind,
        identity::{
            audit::{AuditEntry, AuditEntryConnection},
            types::{Actor, actor},
        },
        in_place::{InPlace, InPlaceList},
        money::Money,
        notifications::{EmailsOf, types::EmailMessage},
        page::{PageArguments, connection},
        patients::types::Patient,
        request::Reader,
        scalar::{Instant, LocalDateTime, TimeZone, Url},
    },
};

/// One visit of a patient.
#[derive(Clone, Debug)]
pub struct Appointment {
    reader: Arc<Reader>,
    view: Arc<AppointmentView>,
}

connection!(AppointmentConnection, AppointmentEdge, Appointment, "appointments");

impl Appointment {
    /// The API's form of an appointment that the caller may see.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, view: impl Borrow<Arc<AppointmentView>>) -> Self {
        Self { reader: Arc::clone(reader), view: Arc::clone(view.borrow()) }
    }
}

/// One visit of a patient: treatments one after the other, and everything that they take.
#[Object]
impl Appointment {
    /// Opaque identifier. Moving the appointment does not change it.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::Appointment, self.view.id)
    }

    /// Goes up with every change; give it with the next one.
    pub async fn version(&self) -> i32 {
        self.view.version
    }

    /// Short name for people, unique in the centre.
    async fn code(&self) -> &str {
        &self.view.code
    }

    /// Where.
    async fn branch(&self) -> Result<Branch, ApiError> {
        if let Some(branch) = self.view.related.branches.get(&self.view.branch) {
            return Ok(Branch::new(Arc::clone(&self.reader), branch.as_ref().clone()));
        }
        let branch = Branch::load(&self.reader, self.view.branch).await?;
        branch.ok_or_else(|| Failure::fault("an appointment's branch is missing").into())
    }

    /// The branch's zone.
    async fn time_zone(&self) -> TimeZone {
        TimeZone(self.view.zone)
    }

    /// Start of the first treatment.
    async fn start(&self) -> Instant {
        Instant::in_zone(self.view.start, self.view.zone)
    }

    /// End of the last treatment.
    async fn end(&self) -> Instant {
        Instant::in_zone(self.view.end, self.view.zone)
    }

    /// Start on the branch's clock. While it lies ahead, this and the zone are the truth: when the rules of the zone
    /// change, the instant moves.
    async fn local_start(&self) -> LocalDateTime {
        LocalDateTime(self.view.local_start)
    }

    /// For whom; null in holds, and for who may not see patients.
    #[graphql(directive = auth::apply(vec![P::PatientRead]))]
    async fn patient(&self) -> Option<InPlace<Patient>> {
        let actor = &self.reader.actor;
        let may = actor.may(Permission::PatientRead, Scope::Branch(self.view.branch));
        let patient = self.view.patient.as_ref().filter(|_| may);
        patient.map(|patient| InPlace(Patient::new(&self.reader, Arc::clone(patient))))
    }

    /// The treatments, one after the other.
    async fn items(&self) -> InPlaceList<InPlace<AppointmentItem>> {
        let item = |at| InPlace(AppointmentItem { reader: Arc::clone(&self.reader), view: Arc::clone(&self.view), at });
        InPlaceList((0..self.view.items.len()).map(item).collect())
    }

    /// Everything that it takes, by kind and name.
    async fn resources(&self) -> Result<Vec<BookableResource>, ApiError> {
        let known = |id| self.view.related.resources.get(id).cloned();
        let mut resources: Vec<Arc<Resource>> = self.view.resources.iter().filter_map(known).collect();
        if resources.len() < self.view.resources.len() {
            let missing = self.view.resources.iter().filter(|id| !self.view.related.resources.contains_key(id));
            let loaded = self.reader.loader.load_many(missing.map(|id| ResourceKey(*id))).await?;
            resources.extend(loaded.into_values().map(Arc::new));
        }
        resources.sort_by(|a, b| (a.kind, &a.name, a.id).cmp(&(b.kind, &b.name, b.id)));
        Ok(resources.into_iter().map(|one| BookableResource::new(Arc::clone(&self.reader), one)).collect())
    }

    /// Where it is in its life.
    async fn status(&self) -> Result<AppointmentStatus, ApiError> {
        Ok(status::AppointmentStatus::parse(&self.view.status)?.into())
    }

    /// The states that you may move it to now.
    async fn allowed_transitions(&self) -> Result<Vec<AppointmentStatus>, ApiError> {
        let from = status::AppointmentStatus::parse(&self.view.status)?;
        let actor = &self.reader.actor;
        let circumstances = Circumstances {
            actor,
            branch: self.view.branch,
            attends: actor.professional.is_some_and(|professional| self.view.resources.contains(&professional)),
            start: self.view.start,
            zone: self.view.zone,
            now: self.reader.cx.now(),
        };
        let mut allowed = status::allowed(from, &circumstances);
        if actor.kind == ActorKind::Patient && allowed.contains(&status::AppointmentStatus::Cancelled) {
            let branch = self.reader.loader.load_one(BranchKey(self.view.branch)).await?;
            if branch.is_some_and(|branch| branch.is_too_late_to_cancel(self.view.start, circumstances.now)) {
                allowed.retain(|step| *step != status::AppointmentStatus::Cancelled);
            }
        }
        Ok(allowed.into_iter().map(Into::into).collect())
    }

    /// How far it is paid.
    async fn payment_status(&self) -> Result<AppointmentPaymentStatus, ApiError> {
        AppointmentPaymentStatus::parse(&self.view.payment_status).ok_or_else(|| unknown("payment status"))
    }

    /// How the booking came.
    async fn channel(&self) -> Result<BookingChannel, ApiError> {
        BookingChannel::parse(&self.view.channel).ok_or_else(|| unknown("booking channel"))
    }

    /// Whether it was booked on top of others or outside of working time.
    async fn overbooked(&self) -> bool {
        self.view.overbooked
    }

    /// Why it was.
    async fn overbook_reason(&self) -> Option<&str> {
        self.view.overbook_reason.as_deref()
    }

    /// What patient and centre should know.
    async fn notes(&self) -> Option<&str> {
        self.view.notes.as_deref()
    }

    /// What only the centre should know; null for booking pages and patients.
    async fn internal_notes(&self) -> Option<&str> {
        self.view.internal_notes.as_deref().filter(|_| self.staff())
    }

    /// Why it was called off.
    async fn cancel_reason(&self) -> Option<&str> {
        self.view.cancel_reason.as_deref()
    }

    /// Who called it off.
    async fn cancelled_by(&self) -> Option<Result<Actor, ApiError>> {
        let (kind, id) = self.view.cancelled_by?;
        let name = async {
            match id {
                Some(id) => Ok(self.reader.loader.load_one(ActorName(kind, id)).await?),
                None => Ok(None),
            }
        };
        Some(
            name.await
                .map(|name: Option<String>| actor(&self.reader, kind, id, name.as_deref().unwrap_or(kind.as_str()))),
        )
    }

    /// Until when the slot is held, while it is.
    async fn hold_expires_at(&self) -> Option<Instant> {
        self.view.hold_expires_at.filter(|_| self.view.status == "HELD").map(|at| Instant::in_zone(at, self.view.zone))
    }

    /// What happened to it, oldest first; empty for booking pages and patients.
    async fn history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "So many from the front.")] first: Option<i32>,
        #[graphql(desc = "… behind this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the back.")] last: Option<i32>,
        #[graphql(desc = "… before this cursor.")] before: Option<String>,
    ) -> Result<AuditEntryConnection, ApiError> {
        const LIST: &str = "appointment.history";
        let page = PageArguments { first, after, last, before }.open(ctx, &self.reader, LIST)?;
        let found = if self.staff() {
            self.reader.loader.load_one(History { subject: self.view.id, page: page.clone() }).await?
        } else {
            None
        };
        let found = found.unwrap_or_else(|| page.empty());
        let entry = |model| AuditEntry::new(&self.reader, self.view.zone, model);
        Ok(AuditEntryConnection::new(&self.reader, LIST, found, crate::domain::agenda::history::key, entry))
    }

    /// Mails about it, by the time they are due; empty for who sees neither the whole agenda nor mailings.
    #[graphql(directive = auth::apply(vec![P::AgendaRead, P::CrmRead]))]
    async fn emails(&self) -> Result<Vec<EmailMessage>, ApiError> {
        if !self.staff() || notifications::query::require_read(&self.reader.actor).is_err() {
            return Ok(Vec::new());
        }
        let found = self.reader.loader.load_one(EmailsOf(self.view.id)).await?.unwrap_or_default();
        Ok(found.into_iter().map(|model| EmailMessage { reader: Arc::clone(&self.reader), model }).collect())
    }

    /// Its calendar file, for whoever has the address: it needs no login and tells when, where and what, and never for
    /// whom. The event is that of the mails (same UID, and a SEQUENCE that grows); of a request that waits to be approved
    /// it is tentative, of a cancelled appointment it takes the entry out again. The address stays the same, also when the
    /// appointment is moved, until a day after its end. Null in holds and after that day.
    async fn ics_url(&self) -> Result<Option<Url>, ApiError> {
        let status = status::AppointmentStatus::parse(&self.view.status)?;
        let (cx, tenant) = (&self.reader.cx, &self.reader.actor.tenant);
        Ok(calendar_file::address(cx, tenant, self.view.id, status, self.view.end).map(Url))
    }

    /// When it was created.
    pub async fn created_at(&self) -> Instant {
        Instant::in_zone(self.view.created_at, self.view.zone)
    }

    /// When it was last changed.
    pub async fn updated_at(&self) -> Instant {
        Instant::in_zone(self.view.updated_at, self.view.zone)
    }
}

impl Appointment {
    fn staff(&self) -> bool {
        !self.reader.actor.publishable && self.reader.actor.kind != ActorKind::Patient
    }
}

fn unknown(what: &str) -> ApiError {
    Failure::fault(format!("an appointment has an unknown {what}")).into()
}

/// One treatment of an appointment.
#[derive(Clone, Debug)]
pub struct AppointmentItem {
    reader: Arc<Reader>,
    view: Arc<AppointmentView>,
    at: usize,
}

impl AppointmentItem {
    fn item(&self) -> Result<&ItemView, ApiError> {
        self.view.items.get(self.at).ok_or_else(|| Refusal::not_found("items").into())
    }

    async fn resource(&self, id: Option<uuid::Uuid>, kind: ResourceKind) -> Result<Option<Arc<Resource>>, ApiError> {
        let Some(id) = id else { return Ok(None) };
        let found = match self.view.related.resources.get(&id) {
            Some(resource) => Some(Arc::clone(resource)),
            None => self.reader.loader.load_one(ResourceKey(id)).await?.map(Arc::new),
        };
        Ok(found.filter(|resource| resource.kind == kind))
    }
}

/// One treatment of an appointment: what, who, where, when.
#[Object]
impl AppointmentItem {
    /// What.
    async fn treatment(&self) -> Result<InPlace<Treatment>, ApiError> {
        let id = self.item()?.treatment;
        if let Some(treatment) = self.view.related.treatments.get(&id) {
            return Ok(InPlace(Treatment::new(Arc::clone(&self.reader), Arc::clone(treatment))));
        }
        let treatment = Treatment::load(&self.reader, id).await?;
        treatment.map(InPlace).ok_or_else(|| Failure::fault("an appointment's treatment is missing").into())
    }

    /// Who attends.
    async fn professional(&self) -> Option<Result<InPlace<Professional>, ApiError>> {
        let professional = async { self.resource(self.item()?.professional, ResourceKind::Professional).await };
        professional
            .await
            .map(|one| one.map(|one| InPlace(Professional::new(Arc::clone(&self.reader), one))))
            .transpose()
    }

    /// Where in the branch.
    async fn room(&self) -> Option<Result<InPlace<Room>, ApiError>> {
        let room = async { self.resource(self.item()?.room, ResourceKind::Room).await };
        room.await.map(|one| one.map(|one| InPlace(Room::new(Arc::clone(&self.reader), one)))).transpose()
    }

    /// Start of the treatment, without the buffer before.
    async fn start(&self) -> Result<Instant, ApiError> {
        Ok(Instant::in_zone(self.item()?.during.start, self.view.zone))
    }

    /// End of the treatment, without the buffer after.
    async fn end(&self) -> Result<Instant, ApiError> {
        Ok(Instant::in_zone(self.item()?.during.end, self.view.zone))
    }

    /// What it cost when it was booked.
    async fn price(&self) -> Result<Money, ApiError> {
        Ok(self.item()?.price.clone().into())
    }
}
