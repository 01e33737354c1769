//! What objects of all areas have in common, and finding any of them by its id.
//!
//! An id says of which kind it is. Each kind is read by its area's loader, which shows what the area's own lists show
//! this caller: there is no second set of rules, and any number of ids takes one statement per kind.

use std::sync::Arc;

use async_graphql::{Context, ID, Interface, Object};
use futures::future::join_all;

use super::{
    agenda::{
        loader::{AppointmentKey, ScheduleExceptionKey, ScheduleKey},
        types::{Appointment, Schedule, ScheduleException},
    },
    background::{BackgroundJobKey, types::BackgroundJob},
    centre::{
        loader::{CategoryKey, ResourceKey},
        types::{BookableResource, Branch, Equipment, Professional, Room, Treatment, TreatmentCategory},
    },
    error::ApiError,
    files::{AttachmentKey, types::Attachment},
    id::Kind,
    identity::{
        audit::AuditEntry,
        capability::CapabilityToken,
        keys::ApiKey,
        loader::{ApiKeyKey, AuditEntryKey, CapabilityKey, RoleKey, SessionKey, UserKey},
        session::Session,
        user::{Role, User},
    },
    limits::directive::cost,
    notifications::{
        EmailKey, SuppressionKey,
        types::{EmailMessage, Suppression},
    },
    patients::{
        loader::{PatientCategoryKey, PatientKey},
        types::{Patient, PatientCategory},
    },
    record::{
        loader::{EntryKey, TemplateKey},
        types::{RecordEntry, RecordTemplate},
    },
    request::{Reader, staff},
    scalar::Instant,
};
use crate::domain::{centre, refusal::Refusal};

/// Most ids at once.
const MAX_IDS: usize = 100;

/// Anything with an identifier.
#[derive(Interface, Clone, Debug)]
#[graphql(field(name = "id", ty = "ID", desc = "Opaque identifier."))]
pub enum Node {
    /// Somebody who can log in.
    User(User),
    /// What a user may do, under a name.
    Role(Role),
    /// One login of one device.
    Session(Session),
    /// A key of a program.
    ApiKey(ApiKey),
    /// A secret word for one thing.
    CapabilityToken(CapabilityToken),
    /// One thing that somebody did.
    AuditEntry(AuditEntry),
    /// A place of the centre.
    Branch(Branch),
    /// Somebody who attends.
    Professional(Professional),
    /// Where it happens.
    Room(Room),
    /// A thing that is needed.
    Equipment(Equipment),
    /// A heading under which treatments are listed.
    TreatmentCategory(TreatmentCategory),
    /// What is booked and sold.
    Treatment(Treatment),
    /// When a resource usually works in a branch.
    Schedule(Schedule),
    /// A stretch of time that does not follow the weekly windows.
    ScheduleException(ScheduleException),
    /// An appointment.
    Appointment(Appointment),
    /// A patient of the centre.
    Patient(Patient),
    /// A heading under which patients are sorted.
    PatientCategory(PatientCategory),
    /// A mail.
    EmailMessage(EmailMessage),
    /// An address that gets no mail any more.
    Suppression(Suppression),
    /// Work in the background.
    BackgroundJob(BackgroundJob),
    /// A file.
    Attachment(Attachment),
    /// A form of records.
    RecordTemplate(RecordTemplate),
    /// Something that was written about a patient.
    RecordEntry(RecordEntry),
}

/// Anything that several people may change: who comes second with an old version is refused.
#[derive(Interface, Clone, Debug)]
#[graphql(field(name = "version", ty = "i32", desc = "Goes up with every change; give it with the next one."))]
pub enum Versioned {
    /// Somebody who can log in.
    User(User),
    /// A place of the centre.
    Branch(Branch),
    /// Somebody who attends.
    Professional(Professional),
    /// Where it happens.
    Room(Room),
    /// A thing that is needed.
    Equipment(Equipment),
    /// What is booked and sold.
    Treatment(Treatment),
    /// When a resource usually works in a branch.
    Schedule(Schedule),
    /// An appointment.
    Appointment(Appointment),
    /// A patient of the centre.
    Patient(Patient),
    /// A form of records.
    RecordTemplate(RecordTemplate),
    /// Something that was written about a patient.
    RecordEntry(RecordEntry),
}

/// Anything that tells when it was created and last changed.
#[derive(Interface, Clone, Debug)]
#[expect(clippy::duplicated_attributes, reason = "each field of the interface says its type")]
#[graphql(
    field(name = "created_at", ty = "Instant", desc = "When it was created."),
    field(name = "updated_at", ty = "Instant", desc = "When it was last changed.")
)]
pub enum Timestamped {
    /// Somebody who can log in.
    User(User),
    /// An appointment.
    Appointment(Appointment),
    /// A patient of the centre.
    Patient(Patient),
}

impl Node {
    /// The object that an id names, if there is one and the caller may see it.
    async fn find(reader: &Arc<Reader>, id: &ID) -> Result<Option<Self>, ApiError> {
        let Some((kind, id)) = reader.ids.open_any(id) else { return Ok(None) };
        let (own, loader) = (|| Arc::clone(reader), &reader.loader);
        Ok(match kind {
            // Their loaders serve booking pages and other objects too, and leave the question to who asks.
            Kind::Branch | Kind::Resource | Kind::Treatment | Kind::TreatmentCategory
                if !centre::is_staff(&reader.actor) =>
            {
                None
            }
            Kind::Branch => Branch::load(reader, id).await?.map(Self::Branch),
            Kind::Resource => loader.load_one(ResourceKey(id)).await?.map(|it| BookableResource::new(own(), it).into()),
            Kind::Treatment => Treatment::load(reader, id).await?.map(Self::Treatment),
            Kind::TreatmentCategory => {
                loader.load_one(CategoryKey(id)).await?.map(|it| TreatmentCategory::new(own(), it).into())
            }
            Kind::User => loader.load_one(UserKey(id)).await?.map(|it| User::new(own(), it).into()),
            Kind::Role => loader.load_one(RoleKey(id)).await?.map(|it| Role::new(reader, &it).into()),
            Kind::Session => loader.load_one(SessionKey(id)).await?.map(|it| Session::new(reader, it).into()),
            Kind::ApiKey => loader.load_one(ApiKeyKey(id)).await?.map(|it| ApiKey::new(reader, it).into()),
            Kind::CapabilityToken => {
                loader.load_one(CapabilityKey(id)).await?.map(|it| CapabilityToken::new(reader, &it).into())
            }
            Kind::AuditEntry => loader
                .load_one(AuditEntryKey(id))
                .await?
                .map(|it| AuditEntry::new(reader, chrono_tz::Tz::UTC, it).into()),
            Kind::Schedule => loader.load_one(ScheduleKey(id)).await?.map(|it| Schedule::new(reader, it).into()),
            Kind::ScheduleException => {
                loader.load_one(ScheduleExceptionKey(id)).await?.map(|it| ScheduleException::new(reader, it).into())
            }
            Kind::Appointment => {
                loader.load_one(AppointmentKey(id)).await?.map(|it| Appointment::new(reader, it).into())
            }
            Kind::Patient => loader.load_one(PatientKey(id)).await?.map(|it| Patient::whole(reader, it).into()),
            Kind::PatientCategory => {
                loader.load_one(PatientCategoryKey(id)).await?.map(|it| PatientCategory::new(reader, it).into())
            }
            Kind::EmailMessage => {
                loader.load_one(EmailKey(id)).await?.map(|model| EmailMessage { reader: own(), model }.into())
            }
            Kind::Suppression => {
                loader.load_one(SuppressionKey(id)).await?.map(|model| Suppression { reader: own(), model }.into())
            }
            Kind::BackgroundJob => {
                loader.load_one(BackgroundJobKey(id)).await?.map(|job| BackgroundJob::new(own(), job).into())
            }
            Kind::Attachment => loader.load_one(AttachmentKey(id)).await?.map(|it| Attachment::new(reader, it).into()),
            Kind::RecordTemplate => {
                loader.load_one(TemplateKey(id)).await?.map(|it| RecordTemplate::new(reader, Arc::new(it)).into())
            }
            Kind::RecordEntry => loader.load_one(EntryKey(id)).await?.map(|it| RecordEntry::new(reader, it).into()),
            // The centre is the caller's own, and a request for a password is nothing to look at.
            Kind::Tenant | Kind::PasswordResetRequest => None,
        })
    }
}

impl From<BookableResource> for Node {
    fn from(resource: BookableResource) -> Self {
        match resource {
            BookableResource::Professional(professional) => Self::Professional(professional),
            BookableResource::Room(room) => Self::Room(room),
            BookableResource::Equipment(equipment) => Self::Equipment(equipment),
        }
    }
}

/// Queries by id alone.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Any object by its id, with the permission that the list of its kind needs: `AUDIT_READ` for an entry of the audit
    /// trail, `USER_ADMIN` for others than the caller's own user. What you may not see is `NOT_FOUND`, like what is not
    /// there.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of anything that is a `Node`.")] id: ID,
    ) -> Option<Result<Node, ApiError>> {
        let found = async {
            let found = Node::find(staff(ctx)?, &id).await?;
            found.ok_or_else(|| Refusal::not_found("id").into())
        };
        Some(found.await)
    }

    /// The same for several at once, in the order of their ids. In place of each that is not found there is a null, and
    /// an error that names its place.
    #[graphql(directive = cost::apply(1, Some(vec!["ids".to_owned()])))]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of anything that is a `Node`; at most 100.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Result<Node, ApiError>>>, ApiError> {
        let reader = staff(ctx)?;
        if ids.len() > MAX_IDS {
            let message = format!("ask for at most {MAX_IDS} objects at a time, not {}", ids.len());
            return Err(Refusal::invalid("ids", message).into());
        }
        // All of them ask the loaders before any is answered, so that those of one kind come in one statement.
        let found = join_all(ids.iter().map(|id| Node::find(reader, id))).await;
        let placed = |(at, found): (usize, Result<Option<Node>, ApiError>)| {
            Some(found.and_then(|found| found.ok_or_else(|| Refusal::not_found(&format!("ids.{at}")).into())))
        };
        Ok(found.into_iter().enumerate().map(placed).collect())
    }
}
