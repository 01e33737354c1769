//! Branches.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use super::{
    loader::{BranchKey, BranchWindowsKey, ResourcesInBranchKey},
    resource::{Professional, ProfessionalConnection, Room, RoomConnection},
    window::WeeklyWindow,
};
use crate::{
    domain::{centre::model, page::Page, time::Iso8601Duration, time::utc_offset_now},
    schema::{
        error::ApiError,
        id::Kind,
        page::{PageArguments, connection},
        request::Reader,
        scalar::{CountryCode, Decimal, Duration, EmailAddress, LocalTime, PhoneNumber, TimeZone},
    },
};

/// A place of the centre.
#[derive(Clone, Debug)]
pub struct Branch {
    reader: Arc<Reader>,
    model: model::Branch,
}

connection!(BranchConnection, BranchEdge, Branch, "branches");

impl Branch {
    /// The API's form of a branch.
    #[must_use]
    pub fn new(reader: Arc<Reader>, model: model::Branch) -> Self {
        Self { reader, model }
    }

    /// The branch with this id, for objects that lead to one.
    ///
    /// # Errors
    /// Faults of the database.
    pub async fn load(reader: &Arc<Reader>, id: uuid::Uuid) -> Result<Option<Self>, ApiError> {
        let model = reader.loader.load_one(BranchKey(id)).await?;
        Ok(model.map(|model| Self::new(Arc::clone(reader), model)))
    }

    async fn page(
        &self,
        ctx: &Context<'_>,
        kind: model::ResourceKind,
        arguments: PageArguments,
        list: &str,
    ) -> Result<Page<model::Resource>, ApiError> {
        let page = arguments.open(ctx, &self.reader, list)?;
        let key = ResourcesInBranchKey { branch: self.model.id, kind, page: page.clone() };
        Ok(self.reader.loader.load_one(key).await?.unwrap_or_else(|| page.empty()))
    }
}

/// A place of the centre, with its own clock and opening hours.
#[Object]
impl Branch {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::Branch, self.model.id)
    }

    /// Goes up with every change; give it with the next one.
    pub async fn version(&self) -> i32 {
        self.model.version
    }

    /// Shown to people.
    async fn name(&self) -> String {
        self.model.name.clone()
    }

    /// Decides every wall-clock question about this branch.
    async fn time_zone(&self) -> TimeZone {
        TimeZone(self.model.zone)
    }

    /// Difference of its clock to UTC at this moment, like `-04:00`.
    async fn utc_offset_now(&self) -> String {
        utc_offset_now(self.model.zone, self.reader.cx.now())
    }

    /// Where it is.
    async fn address(&self) -> Option<Result<Address, ApiError>> {
        self.model.address().map_err(ApiError::from).map(|address| address.map(Address::from)).transpose()
    }

    /// Telephone for patients.
    async fn phone(&self) -> Option<PhoneNumber> {
        self.model.phone.clone().map(PhoneNumber)
    }

    /// Mail address for patients.
    async fn email(&self) -> Option<EmailAddress> {
        self.model.email.clone().map(EmailAddress)
    }

    /// Whether it is in use.
    async fn active(&self) -> bool {
        self.model.active
    }

    /// When it is open, by its own clock.
    async fn opening_hours(&self) -> Result<Vec<WeeklyWindow>, ApiError> {
        let windows = self.reader.loader.load_one(BranchWindowsKey(self.model.id)).await?.unwrap_or_default();
        Ok(windows.opening.iter().map(WeeklyWindow::from).collect())
    }

    /// Rooms in use that stand here, by name. Staff only: empty for booking pages.
    async fn rooms(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<RoomConnection, ApiError> {
        const LIST: &str = "branch.rooms";
        let page =
            self.page(ctx, model::ResourceKind::Room, PageArguments { first, after, last, before }, LIST).await?;
        let reader = &self.reader;
        Ok(RoomConnection::new(
            reader,
            LIST,
            page,
            |row| (row.name.clone(), row.id),
            |row| Room::new(Arc::clone(reader), row),
        ))
    }

    /// Professionals in use who work here, by name. Booking pages see those whom patients may book.
    async fn professionals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Rows behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Rows from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> Result<ProfessionalConnection, ApiError> {
        const LIST: &str = "branch.professionals";
        let page = self
            .page(ctx, model::ResourceKind::Professional, PageArguments { first, after, last, before }, LIST)
            .await?;
        let reader = &self.reader;
        let node = |row| Professional::new(Arc::clone(reader), row);
        Ok(ProfessionalConnection::new(reader, LIST, page, |row| (row.name.clone(), row.id), node))
    }

    /// How it works.
    async fn settings(&self) -> BranchSettings {
        BranchSettings { reader: Arc::clone(&self.reader), model: self.model.clone() }
    }
}

/// Where something is.
#[derive(SimpleObject, Clone, Debug)]
pub struct Address {
    /// Street and number.
    pub line1: String,
    /// Floor, office and the like.
    pub line2: Option<String>,
    /// City.
    pub city: Option<String>,
    /// Region, province or state.
    pub region: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Country.
    pub country: CountryCode,
    /// Degrees north.
    pub latitude: Option<Decimal>,
    /// Degrees east.
    pub longitude: Option<Decimal>,
}

impl From<model::Address> for Address {
    fn from(address: model::Address) -> Self {
        let model::Address { line1, line2, city, region, postal_code, country, latitude, longitude } = address;
        Self {
            line1,
            line2,
            city,
            region,
            postal_code,
            country: CountryCode(country),
            latitude: latitude.map(Decimal),
            longitude: longitude.map(Decimal),
        }
    }
}

/// How a branch works.
#[derive(Clone, Debug)]
pub struct BranchSettings {
    reader: Arc<Reader>,
    model: model::Branch,
}

/// How a branch works. All times are by its own clock.
#[Object]
impl BranchSettings {
    /// When reminders go out on the day of the appointment.
    async fn reminder_local_time(&self) -> LocalTime {
        LocalTime(self.model.reminder_local_time)
    }

    /// When birthday greetings go out. Kept; nothing goes by it yet.
    async fn birthday_local_time(&self) -> LocalTime {
        LocalTime(self.model.birthday_local_time)
    }

    /// When open cash sessions are closed. Staff only: null for booking pages. Kept; nothing goes by it yet.
    async fn cash_auto_close_local_time(&self) -> Option<LocalTime> {
        self.model.cash_auto_close_local_time.filter(|_| !self.reader.actor.publishable).map(LocalTime)
    }

    /// When cash sessions are opened. Staff only: null for booking pages. Kept; nothing goes by it yet.
    async fn cash_auto_open_local_time(&self) -> Option<LocalTime> {
        self.model.cash_auto_open_local_time.filter(|_| !self.reader.actor.publishable).map(LocalTime)
    }

    /// How long after a booking its confirmation is sent; earlier where that would be less than an hour before the
    /// appointment.
    async fn confirmation_delay(&self) -> Duration {
        duration(self.model.confirmation_delay)
    }

    /// Who gets a copy of every confirmation. Staff only: empty for booking pages.
    async fn copy_confirmations_to(&self) -> Vec<EmailAddress> {
        if self.reader.actor.publishable {
            return Vec::new();
        }
        self.model.copy_confirmations_to.iter().cloned().map(EmailAddress).collect()
    }

    /// When backups may begin. Kept; nothing goes by it yet.
    async fn backup_window_start(&self) -> LocalTime {
        LocalTime(self.model.backup_window_start)
    }

    /// Minutes between the starts of free slots.
    async fn slot_grid_minutes(&self) -> i32 {
        self.model.slot_grid_minutes
    }

    /// How long before the start a patient can still book.
    async fn min_booking_notice(&self) -> Duration {
        duration(self.model.min_booking_notice)
    }

    /// How far ahead a patient can book.
    async fn max_booking_advance(&self) -> Duration {
        duration(self.model.max_booking_advance)
    }

    /// How long before the start a patient can still cancel.
    async fn min_cancel_notice(&self) -> Duration {
        duration(self.model.min_cancel_notice)
    }

    /// How long a slot is held while somebody types.
    async fn hold_ttl(&self) -> Duration {
        duration(self.model.hold_ttl)
    }

    /// Whether patients may book alone.
    async fn online_booking_enabled(&self) -> bool {
        self.model.online_booking_enabled
    }

    /// When nobody is to be offered or sold anything by mail; null: at no time. Such mails do not go out yet; those about
    /// appointments go by their own times.
    async fn quiet_hours(&self) -> Option<Result<Vec<WeeklyWindow>, ApiError>> {
        let windows = match self.reader.loader.load_one(BranchWindowsKey(self.model.id)).await {
            Ok(windows) => windows.unwrap_or_default(),
            Err(failure) => return Some(Err(failure.into())),
        };
        (!windows.quiet.is_empty()).then(|| Ok(windows.quiet.iter().map(WeeklyWindow::from).collect()))
    }
}

/// Elapsed time as the API writes it.
pub(super) fn duration(delta: chrono::Duration) -> Duration {
    let seconds = u64::try_from(delta.num_seconds()).unwrap_or_default();
    Duration(Iso8601Duration::try_from_seconds(seconds).unwrap_or(Iso8601Duration::MAX))
}
