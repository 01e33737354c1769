//! Professionals, rooms, equipment.

use std::sync::Arc;

use async_graphql::{Enum, ID, Interface, Object};

use super::{
    branch::Branch,
    loader::{BranchKey, ResourceKey, TreatmentKey, UserKey},
    treatment::Treatment,
};
use crate::{
    domain::{centre::model, refusal::Refusal},
    schema::{error::ApiError, id::Kind, identity::user::User, page::connection, request::Reader, scalar::Url},
};

/// What kind of thing can be booked.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::centre::model::ResourceKind")]
pub enum ResourceKind {
    /// Somebody who attends.
    Professional,
    /// Where it happens.
    Room,
    /// A thing that is needed.
    Equipment,
    /// A vehicle.
    Vehicle,
}

/// Whatever can be booked.
#[derive(Interface, Clone, Debug)]
#[expect(clippy::duplicated_attributes, reason = "each field of the interface says its type")]
#[graphql(
    field(name = "id", ty = "ID", desc = "Opaque identifier."),
    field(name = "name", ty = "String", desc = "Shown to people."),
    field(name = "kind", ty = "ResourceKind", desc = "What kind of thing."),
    field(name = "color", ty = "String", desc = "Colour in the agenda, `#RRGGBB`."),
    field(name = "capacity", ty = "i32", desc = "How many appointments it takes at once."),
    field(name = "active", ty = "bool", desc = "Whether it can be booked at all.")
)]
pub enum BookableResource {
    /// Somebody who attends.
    Professional(Professional),
    /// Where it happens.
    Room(Room),
    /// A thing that is needed, vehicles among them.
    Equipment(Equipment),
}

impl BookableResource {
    /// The API's form of a resource.
    #[must_use]
    pub fn new(reader: Arc<Reader>, model: impl Into<Arc<model::Resource>>) -> Self {
        let model = model.into();
        match model.kind {
            model::ResourceKind::Professional => Self::Professional(Professional::new(reader, model)),
            model::ResourceKind::Room => Self::Room(Room::new(reader, model)),
            model::ResourceKind::Equipment | model::ResourceKind::Vehicle => {
                Self::Equipment(Equipment::new(reader, model))
            }
        }
    }

    /// The resource with this id, for objects that lead to one.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn load(reader: &Arc<Reader>, id: uuid::Uuid) -> Result<Option<Self>, ApiError> {
        let model = reader.loader.load_one(ResourceKey(id)).await?;
        Ok(model.map(|model| Self::new(Arc::clone(reader), model)))
    }
}

/// Somebody who attends.
#[derive(Clone, Debug)]
pub struct Professional {
    reader: Arc<Reader>,
    model: Arc<model::Resource>,
}

connection!(ProfessionalConnection, ProfessionalEdge, Professional, "professionals");

impl Professional {
    /// The API's form of a professional.
    #[must_use]
    pub fn new(reader: Arc<Reader>, model: impl Into<Arc<model::Resource>>) -> Self {
        Self { reader, model: model.into() }
    }
}

/// Somebody who attends; can be booked.
#[Object]
impl Professional {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::Resource, self.model.id)
    }

    /// Goes up with every change; give it with the next one.
    pub async fn version(&self) -> i32 {
        self.model.version
    }

    /// Shown to people.
    async fn name(&self) -> String {
        self.model.name.clone()
    }

    /// `PROFESSIONAL`.
    async fn kind(&self) -> ResourceKind {
        self.model.kind.into()
    }

    /// Colour in the agenda, `#RRGGBB`.
    async fn color(&self) -> String {
        self.model.color.clone()
    }

    /// How many appointments the professional takes at once.
    async fn capacity(&self) -> i32 {
        self.model.capacity
    }

    /// Whether the professional can be booked at all.
    async fn active(&self) -> bool {
        self.model.active
    }

    /// The professional's login. Null for whom neither is it nor administers users, and for booking pages.
    async fn user(&self) -> Option<Result<User, ApiError>> {
        let user = self.model.professional.as_ref()?.user_id?;
        match self.reader.loader.load_one(UserKey(user)).await {
            Ok(user) => user.map(|user| Ok(User::new(Arc::clone(&self.reader), user))),
            Err(failure) => Some(Err(failure.into())),
        }
    }

    /// What the professional is specialised in.
    async fn specialties(&self) -> Vec<String> {
        self.model.professional.as_ref().map(|detail| detail.specialties.clone()).unwrap_or_default()
    }

    /// Where the professional works, by name. Booking pages see branches that are booked online.
    async fn branches(&self) -> Result<Vec<Branch>, ApiError> {
        let ids = self.model.professional.as_ref().map(|detail| detail.branch_ids.clone()).unwrap_or_default();
        let found = self.reader.loader.load_many(ids.into_iter().map(BranchKey)).await?;
        let mut branches: Vec<model::Branch> = found.into_values().collect();
        branches.retain(|branch| !self.reader.actor.publishable || branch.active && branch.online_booking_enabled);
        branches.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(branches.into_iter().map(|branch| Branch::new(Arc::clone(&self.reader), branch)).collect())
    }

    /// What the professional does, by name; empty: every treatment. Booking pages see treatments that are booked online.
    async fn treatments(&self) -> Result<Vec<Treatment>, ApiError> {
        let ids = self.model.professional.as_ref().map(|detail| detail.treatment_ids.clone()).unwrap_or_default();
        let found = self.reader.loader.load_many(ids.into_iter().map(TreatmentKey)).await?;
        let mut treatments: Vec<model::Treatment> = found.into_values().collect();
        treatments.retain(|treatment| !self.reader.actor.publishable || treatment.active && treatment.online_bookable);
        treatments.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(treatments.into_iter().map(|treatment| Treatment::new(Arc::clone(&self.reader), treatment)).collect())
    }

    /// For the booking page.
    async fn bio(&self) -> Option<String> {
        self.model.professional.as_ref()?.bio.clone()
    }

    /// For the booking page.
    async fn photo_url(&self) -> Option<Url> {
        self.model.professional.as_ref()?.photo_url.clone().map(Url)
    }

    /// Whether patients may book the professional alone.
    async fn accepts_online(&self) -> bool {
        self.model.professional.as_ref().is_some_and(|detail| detail.accepts_online)
    }
}

macro_rules! thing {
    ($(#[$doc:meta])* $name:ident, $connection:ident, $edge:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            reader: Arc<Reader>,
            model: Arc<model::Resource>,
        }

        connection!($connection, $edge, $name, $what);

        impl $name {
            /// The API's form of it.
            #[must_use]
            pub fn new(reader: Arc<Reader>, model: impl Into<Arc<model::Resource>>) -> Self {
                Self { reader, model: model.into() }
            }
        }

        $(#[$doc])*
        #[Object]
        impl $name {
            /// Opaque identifier.
            pub async fn id(&self) -> ID {
                self.reader.ids.encode(Kind::Resource, self.model.id)
            }

            /// Goes up with every change; give it with the next one.
            pub async fn version(&self) -> i32 {
                self.model.version
            }

            /// Shown to people.
            async fn name(&self) -> String {
                self.model.name.clone()
            }

            /// What kind of thing.
            async fn kind(&self) -> ResourceKind {
                self.model.kind.into()
            }

            /// Colour in the agenda, `#RRGGBB`.
            async fn color(&self) -> String {
                self.model.color.clone()
            }

            /// How many appointments it takes at once.
            async fn capacity(&self) -> i32 {
                self.model.capacity
            }

            /// Whether it can be booked at all.
            async fn active(&self) -> bool {
                self.model.active
            }

            /// Where it stands.
            async fn branch(&self) -> Result<Branch, ApiError> {
                let branch = match self.model.branch_id {
                    Some(branch) => Branch::load(&self.reader, branch).await?,
                    None => None,
                };
                branch.ok_or_else(|| Refusal::not_found("branch").into())
            }
        }
    };
}

thing!(
    /// Where it happens; can be booked.
    Room,
    RoomConnection,
    RoomEdge,
    "rooms"
);
thing!(
    /// A thing that is needed; can be booked.
    Equipment,
    EquipmentConnection,
    EquipmentEdge,
    "pieces of equipment"
);
