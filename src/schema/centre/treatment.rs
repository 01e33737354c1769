//! Treatments and their categories.

use std::sync::Arc;

use async_graphql::{ID, Object, SimpleObject};

use super::{
    branch::duration,
    loader::{CategoryKey, TreatmentKey},
    resource::ResourceKind,
};
use crate::{
    domain::centre::{model, upsert_category::Category},
    schema::{
        error::ApiError,
        id::Kind,
        money::Money,
        page::connection,
        request::Reader,
        scalar::{Decimal, Duration},
    },
};

/// A heading under which treatments are listed.
#[derive(Clone, Debug)]
pub struct TreatmentCategory {
    reader: Arc<Reader>,
    model: Category,
}

impl TreatmentCategory {
    /// The API's form of a category.
    #[must_use]
    pub fn new(reader: Arc<Reader>, model: Category) -> Self {
        Self { reader, model }
    }
}

/// A heading under which treatments are listed.
#[Object]
impl TreatmentCategory {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::TreatmentCategory, self.model.id)
    }

    /// Shown to people.
    async fn name(&self) -> String {
        self.model.name.clone()
    }

    /// Lower comes first.
    async fn position(&self) -> i32 {
        self.model.position
    }
}

/// What a treatment needs besides the patient.
#[derive(SimpleObject, Clone, Debug)]
pub struct ResourceRequirement {
    /// Of this kind …
    pub kind: ResourceKind,
    /// … so many at once …
    pub quantity: i32,
    /// … of these; null: of any. Staff only: null for booking pages.
    pub any_of: Option<Vec<ID>>,
}

/// What is to be paid in advance: a part of the price, or an amount.
#[derive(SimpleObject, Clone, Debug)]
pub struct DepositPolicy {
    /// Percent of the price.
    pub percent: Option<Decimal>,
    /// Amount.
    pub fixed: Option<Money>,
    /// How long before the start it is still paid back; null: never.
    pub refundable_until: Option<Duration>,
}

/// What is booked and sold.
#[derive(Clone, Debug)]
pub struct Treatment {
    reader: Arc<Reader>,
    model: Arc<model::Treatment>,
}

connection!(TreatmentConnection, TreatmentEdge, Treatment, "treatments");

impl Treatment {
    /// The API's form of a treatment.
    #[must_use]
    pub fn new(reader: Arc<Reader>, model: impl Into<Arc<model::Treatment>>) -> Self {
        Self { reader, model: model.into() }
    }

    /// The treatment with this id, for objects that lead to one.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn load(reader: &Arc<Reader>, id: uuid::Uuid) -> Result<Option<Self>, ApiError> {
        let model = reader.loader.load_one(TreatmentKey(id)).await?;
        Ok(model.map(|model| Self::new(Arc::clone(reader), model)))
    }
}

/// What is booked and sold.
#[Object]
impl Treatment {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::Treatment, self.model.id)
    }

    /// Goes up with every change; give it with the next one.
    pub async fn version(&self) -> i32 {
        self.model.version
    }

    /// Shown to people.
    async fn name(&self) -> String {
        self.model.name.clone()
    }

    /// The heading it is listed under.
    async fn category(&self) -> Option<Result<TreatmentCategory, ApiError>> {
        match self.reader.loader.load_one(CategoryKey(self.model.category_id?)).await {
            Ok(category) => category.map(|category| Ok(TreatmentCategory::new(Arc::clone(&self.reader), category))),
            Err(failure) => Some(Err(failure.into())),
        }
    }

    /// Elapsed minutes, buffers not included.
    async fn duration_minutes(&self) -> i32 {
        self.model.duration_minutes
    }

    /// Minutes that its resources are busy before the start.
    async fn buffer_before_minutes(&self) -> i32 {
        self.model.buffer_before_minutes
    }

    /// Minutes that its resources are busy after the end.
    async fn buffer_after_minutes(&self) -> i32 {
        self.model.buffer_after_minutes
    }

    /// Price, tax included, in the centre's currency.
    async fn price(&self) -> Money {
        self.model.price.clone().into()
    }

    /// Percent.
    async fn tax_rate(&self) -> Decimal {
        Decimal(self.model.tax_rate)
    }

    /// Whether patients may book it alone.
    async fn online_bookable(&self) -> bool {
        self.model.online_bookable
    }

    /// Whether an online booking waits for the centre's approval.
    async fn requires_approval(&self) -> bool {
        self.model.requires_approval
    }

    /// How many patients take part in a group session. Kept; nothing goes by it yet.
    async fn capacity(&self) -> i32 {
        self.model.capacity
    }

    /// What it needs besides the patient; empty: what the centre's operating mode says.
    async fn requirements(&self) -> Vec<ResourceRequirement> {
        let named = |ids: &[uuid::Uuid]| ids.iter().map(|id| self.reader.ids.encode(Kind::Resource, *id)).collect();
        let requirement = |requirement: &model::Requirement| ResourceRequirement {
            kind: requirement.kind.into(),
            quantity: requirement.quantity,
            any_of: (!requirement.any_of.is_empty() && !self.reader.actor.publishable)
                .then(|| named(&requirement.any_of)),
        };
        self.model.requirements.iter().map(requirement).collect()
    }

    /// What is to be paid in advance; null: nothing.
    async fn deposit_policy(&self) -> Option<DepositPolicy> {
        let model = &self.model;
        (model.deposit_percent.is_some() || model.deposit_fixed.is_some()).then(|| DepositPolicy {
            percent: model.deposit_percent.map(Decimal),
            fixed: model.deposit_fixed.clone().map(Money::from),
            refundable_until: model.deposit_refundable_until.map(duration),
        })
    }

    /// Whether it is still offered.
    async fn active(&self) -> bool {
        self.model.active
    }
}
