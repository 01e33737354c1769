//! Branches, resources, treatments as the rules see them.

use chrono::{DateTime, NaiveTime, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use sea_orm::FromQueryResult;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::{money::Money, refusal::Failure};

/// A place of the centre, with its own clock.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct Branch {
    pub id: Uuid,
    pub version: i32,
    pub name: String,
    pub zone: Tz,
    pub address: Option<Value>,
    pub phone: Option<String>,
    pub email: Option<String>,
    pub active: bool,
    pub reminder_local_time: NaiveTime,
    pub birthday_local_time: NaiveTime,
    pub cash_auto_close_local_time: Option<NaiveTime>,
    pub cash_auto_open_local_time: Option<NaiveTime>,
    pub confirmation_delay: chrono::Duration,
    pub copy_confirmations_to: Vec<String>,
    pub backup_window_start: NaiveTime,
    pub slot_grid_minutes: i32,
    pub min_booking_notice: chrono::Duration,
    pub max_booking_advance: chrono::Duration,
    pub min_cancel_notice: chrono::Duration,
    pub hold_ttl: chrono::Duration,
    pub online_booking_enabled: bool,
}

/// The row of a branch, column by column.
#[derive(FromQueryResult)]
pub(super) struct BranchRow {
    id: Uuid,
    version: i32,
    name: String,
    time_zone: String,
    address: Option<Value>,
    phone: Option<String>,
    email: Option<String>,
    active: bool,
    reminder_local_time: NaiveTime,
    birthday_local_time: NaiveTime,
    cash_auto_close_local_time: Option<NaiveTime>,
    cash_auto_open_local_time: Option<NaiveTime>,
    confirmation_delay_s: i32,
    copy_confirmations_to: Vec<String>,
    backup_window_start: NaiveTime,
    slot_grid_minutes: i32,
    min_booking_notice_s: i32,
    max_booking_advance_s: i32,
    min_cancel_notice_s: i32,
    hold_ttl_s: i32,
    online_booking_enabled: bool,
}

impl TryFrom<BranchRow> for Branch {
    type Error = Failure;

    fn try_from(row: BranchRow) -> Result<Self, Failure> {
        let seconds = |n: i32| chrono::Duration::seconds(i64::from(n));
        Ok(Self {
            zone: zone(&row.time_zone)?,
            id: row.id,
            version: row.version,
            name: row.name,
            address: row.address,
            phone: row.phone,
            email: row.email,
            active: row.active,
            reminder_local_time: row.reminder_local_time,
            birthday_local_time: row.birthday_local_time,
            cash_auto_close_local_time: row.cash_auto_close_local_time,
            cash_auto_open_local_time: row.cash_auto_open_local_time,
            confirmation_delay: seconds(row.confirmation_delay_s),
            copy_confirmations_to: row.copy_confirmations_to,
            backup_window_start: row.backup_window_start,
            slot_grid_minutes: row.slot_grid_minutes,
            min_booking_notice: seconds(row.min_booking_notice_s),
            max_booking_advance: seconds(row.max_booking_advance_s),
            min_cancel_notice: seconds(row.min_cancel_notice_s),
            hold_ttl: seconds(row.hold_ttl_s),
            online_booking_enabled: row.online_booking_enabled,
        })
    }
}

/// Where something is, as it is kept and as mails print it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the API describes each")]
pub struct Address {
    pub line1: String,
    pub line2: Option<String>,
    pub city: Option<String>,
    pub region: Option<String>,
    pub postal_code: Option<String>,
    pub country: String,
    pub latitude: Option<Decimal>,
    pub longitude: Option<Decimal>,
}

impl Branch {
    /// The address in its parts.
    ///
    /// # Errors
    /// A fault: what is stored is no address of ours.
    pub fn address(&self) -> Result<Option<Address>, Failure> {
        let address = self.address.clone().map(serde_json::from_value).transpose();
        address.map_err(|error| Failure::fault(format!("address of a branch: {error}")))
    }

    /// Whether a patient can no longer cancel an appointment that starts then alone.
    #[must_use]
    pub fn is_too_late_to_cancel(&self, start: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        now + self.min_cancel_notice > start
    }
}

/// A zone name from the database, which only holds names that were checked when they came in.
///
/// # Errors
/// A fault: this binary's zone rules do not know the name.
pub fn zone(name: &str) -> Result<Tz, Failure> {
    name.parse().map_err(|_| Failure::fault(format!("the zone rules of this binary do not know `{name}`")))
}

/// What kind of thing can be booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the API describes each")]
pub enum ResourceKind {
    Professional,
    Room,
    Equipment,
    Vehicle,
}

impl ResourceKind {
    /// The word in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Professional => "PROFESSIONAL",
            Self::Room => "ROOM",
            Self::Equipment => "EQUIPMENT",
            Self::Vehicle => "VEHICLE",
        }
    }

    /// The kind that the database's word names.
    ///
    /// # Errors
    /// A fault: the word is in no CHECK of ours.
    pub fn parse(word: &str) -> Result<Self, Failure> {
        [Self::Professional, Self::Room, Self::Equipment, Self::Vehicle]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| Failure::fault(format!("unknown resource kind `{word}`")))
    }
}

/// Whatever can be booked: a person, a room, a thing.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Who or what.
    pub id: Uuid,
    /// For optimistic updates.
    pub version: i32,
    /// Kind.
    pub kind: ResourceKind,
    /// Shown to people.
    pub name: String,
    /// `#RRGGBB`.
    pub color: String,
    /// How many appointments it takes at once.
    pub capacity: i32,
    /// Whether it can be booked at all.
    pub active: bool,
    /// Where it stands; a professional works in `branch_ids`.
    pub branch_id: Option<Uuid>,
    /// What only professionals have.
    pub professional: Option<ProfessionalDetail>,
}

impl Resource {
    /// Whether it carries out a treatment: a professional may be limited to some, anything else takes part in all.
    #[must_use]
    pub fn offers(&self, treatment: Uuid) -> bool {
        self.professional
            .as_ref()
            .is_none_or(|one| one.treatment_ids.is_empty() || one.treatment_ids.contains(&treatment))
    }

    /// Where it can be booked: a professional works in branches, anything else stands in one.
    #[must_use]
    pub fn branches(&self) -> &[Uuid] {
        self.professional.as_ref().map_or(self.branch_id.as_slice(), |one| &one.branch_ids)
    }

    /// Whether patients may book it alone.
    #[must_use]
    pub fn accepts_online(&self) -> bool {
        self.professional.as_ref().is_none_or(|one| one.accepts_online)
    }
}

/// What only professionals have.
#[derive(Clone, Debug)]
pub struct ProfessionalDetail {
    /// The login of the professional.
    pub user_id: Option<Uuid>,
    /// Specialties.
    pub specialties: Vec<String>,
    /// For the booking page.
    pub bio: Option<String>,
    /// For the booking page.
    pub photo_url: Option<String>,
    /// Whether patients may book alone.
    pub accepts_online: bool,
    /// Where the professional works.
    pub branch_ids: Vec<Uuid>,
    /// Empty: every treatment.
    pub treatment_ids: Vec<Uuid>,
}

#[derive(FromQueryResult)]
pub(super) struct ResourceRow {
    id: Uuid,
    version: i32,
    kind: String,
    name: String,
    color: String,
    capacity: i32,
    active: bool,
    branch_id: Option<Uuid>,
    user_id: Option<Uuid>,
    specialties: Option<Vec<String>>,
    bio: Option<String>,
    photo_url: Option<String>,
    accepts_online: Option<bool>,
    branch_ids: Vec<Uuid>,
    treatment_ids: Vec<Uuid>,
}

impl TryFrom<ResourceRow> for Resource {
    type Error = Failure;

    fn try_from(row: ResourceRow) -> Result<Self, Failure> {
        let kind = ResourceKind::parse(&row.kind)?;
        let professional = row.accepts_online.map(|accepts_online| ProfessionalDetail {
            user_id: row.user_id,
            specialties: row.specialties.unwrap_or_default(),
            bio: row.bio,
            photo_url: row.photo_url,
            accepts_online,
            branch_ids: row.branch_ids,
            treatment_ids: row.treatment_ids,
        });
        Ok(Self {
            id: row.id,
            version: row.version,
            kind,
            name: row.name,
            color: row.color,
            capacity: row.capacity,
            active: row.active,
            branch_id: row.branch_id,
            professional,
        })
    }
}

/// What a treatment needs besides the patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Of this kind …
    pub kind: ResourceKind,
    /// … so many …
    pub quantity: i32,
    /// … of these; empty: of any.
    pub any_of: Vec<Uuid>,
}

/// What is booked and sold.
#[derive(Clone, Debug)]
pub struct Treatment {
    /// Which.
    pub id: Uuid,
    /// For optimistic updates.
    pub version: i32,
    /// Shown to people.
    pub name: String,
    /// Category.
    pub category_id: Option<Uuid>,
    /// Elapsed minutes, buffers not included.
    pub duration_minutes: i32,
    /// Minutes that its resources are busy before the start.
    pub buffer_before_minutes: i32,
    /// Minutes that its resources are busy after the end.
    pub buffer_after_minutes: i32,
    /// Price.
    pub price: Money,
    /// Percent.
    pub tax_rate: Decimal,
    /// Whether patients may book it alone.
    pub online_bookable: bool,
    /// Whether an online booking waits for the centre's approval.
    pub requires_approval: bool,
    /// How many patients take part at once.
    pub capacity: i32,
    /// What it needs; empty: what the centre's operating mode says.
    pub requirements: Vec<Requirement>,
    /// Part of the price to be paid in advance, percent.
    pub deposit_percent: Option<Decimal>,
    /// Amount to be paid in advance.
    pub deposit_fixed: Option<Money>,
    /// How long before the start a deposit is paid back.
    pub deposit_refundable_until: Option<chrono::Duration>,
    /// Whether it is still offered.
    pub active: bool,
}

#[derive(FromQueryResult)]
pub(super) struct TreatmentRow {
    id: Uuid,
    version: i32,
    name: String,
    category_id: Option<Uuid>,
    duration_minutes: i32,
    buffer_before_minutes: i32,
    buffer_after_minutes: i32,
    price_minor: i64,
    currency: String,
    tax_rate: String,
    online_bookable: bool,
    requires_approval: bool,
    capacity: i32,
    deposit_percent: Option<String>,
    deposit_fixed_minor: Option<i64>,
    deposit_refundable_until_s: Option<i32>,
    active: bool,
    requirements: Value,
}

#[derive(serde::Deserialize)]
struct RequirementRow {
    kind: String,
    quantity: i32,
    any_of: Vec<Uuid>,
}

impl TryFrom<TreatmentRow> for Treatment {
    type Error = Failure;

    fn try_from(row: TreatmentRow) -> Result<Self, Failure> {
        let requirements: Vec<RequirementRow> = serde_json::from_value(row.requirements)
            .map_err(|error| Failure::fault(format!("treatment requirements: {error}")))?;
        let decimal = |text: &str| {
            Decimal::from_str_exact(text).map_err(|error| Failure::fault(format!("numeric column: {error}")))
        };
        Ok(Self {
            requirements: requirements
                .into_iter()
                .map(|row| {
                    Ok(Requirement {
                        kind: ResourceKind::parse(&row.kind)?,
                        quantity: row.quantity,
                        any_of: row.any_of,
                    })
                })
                .collect::<Result<_, Failure>>()?,
            id: row.id,
            version: row.version,
            name: row.name,
            category_id: row.category_id,
            duration_minutes: row.duration_minutes,
            buffer_before_minutes: row.buffer_before_minutes,
            buffer_after_minutes: row.buffer_after_minutes,
            deposit_fixed: row.deposit_fixed_minor.map(|minor| Money { minor, currency: row.currency.clone() }),
            price: Money { minor: row.price_minor, currency: row.currency },
            tax_rate: decimal(&row.tax_rate)?,
            online_bookable: row.online_bookable,
            requires_approval: row.requires_approval,
            capacity: row.capacity,
            deposit_percent: row.deposit_percent.as_deref().map(decimal).transpose()?,
            deposit_refundable_until: row.deposit_refundable_until_s.map(|s| chrono::Duration::seconds(i64::from(s))),
            active: row.active,
        })
    }
}

/// How the centre works: what `bookAppointment` must name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatingMode {
    /// A professional must be named; a room is found.
    ByProfessional,
    /// A room must be named; a professional may be.
    ByRoom,
}

impl OperatingMode {
    /// The word in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ByProfessional => "BY_PROFESSIONAL",
            Self::ByRoom => "BY_ROOM",
        }
    }

    /// What a treatment needs that says nothing of its own.
    #[must_use]
    pub fn needs(self) -> ResourceKind {
        match self {
            Self::ByProfessional => ResourceKind::Professional,
            Self::ByRoom => ResourceKind::Room,
        }
    }

    /// The mode that the database's word names; anything else works by professional.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        if word == "BY_ROOM" { Self::ByRoom } else { Self::ByProfessional }
    }
}

/// Who the centre is.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct CentreProfile {
    pub trade_name: String,
    pub legal_name: String,
    pub country: String,
    pub currency: String,
    pub locale: String,
    pub default_zone: Tz,
    pub vertical: String,
    pub operating_mode: OperatingMode,
    pub logo_url: Option<String>,
    pub booking_policies: Option<String>,
    pub daily_appointment_quota: i32,
    pub clinical_record: bool,
    pub version: i32,
    pub updated_at: chrono::DateTime<Utc>,
}

#[derive(FromQueryResult)]
pub(super) struct ProfileRow {
    trade_name: String,
    legal_name: String,
    country: String,
    currency: String,
    locale: String,
    default_time_zone: String,
    vertical: String,
    operating_mode: String,
    logo_url: Option<String>,
    booking_policies: Option<String>,
    daily_appointment_quota: i32,
    clinical_record: bool,
    version: i32,
    updated_at: chrono::DateTime<Utc>,
}

impl TryFrom<ProfileRow> for CentreProfile {
    type Error = Failure;

    fn try_from(row: ProfileRow) -> Result<Self, Failure> {
        Ok(Self {
            default_zone: zone(&row.default_time_zone)?,
            operating_mode: OperatingMode::parse(&row.operating_mode),
            trade_name: row.trade_name,
            legal_name: row.legal_name,
            country: row.country,
            currency: row.currency,
            locale: row.locale,
            vertical: row.vertical,
            logo_url: row.logo_url,
            booking_policies: row.booking_policies,
            daily_appointment_quota: row.daily_appointment_quota,
            clinical_record: row.clinical_record,
            version: row.version,
            updated_at: row.updated_at,
        })
    }
}
