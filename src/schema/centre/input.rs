//! What clients send, and how it becomes the use cases' input. In every input an absent value stays as it is (or takes
//! its default, when the object is new); an explicit null takes away what may be absent.

use async_graphql::{ID, InputObject, MaybeUndefined};

use super::{resource::ResourceKind, tenant::OperatingMode, window::WeeklyWindowInput};
use crate::{
    domain::{
        centre::{
            Patch, list, model, update_profile, upsert_branch, upsert_professional, upsert_room, upsert_treatment,
        },
        refusal::{Failure, Refusal},
    },
    schema::{
        id::Kind,
        money::MoneyInput,
        request::Reader,
        scalar::{CountryCode, Decimal, Duration, EmailAddress, LocalTime, Locale, PhoneNumber, TimeZone, Url},
    },
};

fn patch<T>(value: MaybeUndefined<T>) -> Patch<T> {
    match value {
        MaybeUndefined::Undefined => Patch::Keep,
        MaybeUndefined::Null => Patch::Clear,
        MaybeUndefined::Value(value) => Patch::Set(value),
    }
}

fn amount(money: MoneyInput) -> upsert_treatment::Amount {
    upsert_treatment::Amount { amount: money.amount.0, currency: money.currency.0 }
}

/// Where something is.
#[derive(InputObject, Clone, Debug)]
pub struct AddressInput {
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

impl From<AddressInput> for model::Address {
    fn from(input: AddressInput) -> Self {
        let AddressInput { line1, line2, city, region, postal_code, country, latitude, longitude } = input;
        Self {
            line1,
            line2,
            city,
            region,
            postal_code,
            country: country.0,
            latitude: latitude.map(|degrees| degrees.0),
            longitude: longitude.map(|degrees| degrees.0),
        }
    }
}

/// A branch to create (without id) or to change. An absent value stays, or takes its default.
#[derive(InputObject, Clone, Debug)]
pub struct BranchInput {
    /// Which to change.
    pub id: Option<ID>,
    /// The version that you read; required with an id.
    pub version: Option<i32>,
    /// Shown to people, up to 200 characters.
    pub name: String,
    /// A change moves every future appointment to the instant that its wall time has in the new zone.
    pub time_zone: TimeZone,
    /// Where it is; null takes it away.
    pub address: MaybeUndefined<AddressInput>,
    /// Telephone for patients; null takes it away.
    pub phone: MaybeUndefined<PhoneNumber>,
    /// Mail address for patients; null takes it away.
    pub email: MaybeUndefined<EmailAddress>,
    /// Whether it is in use; a new one is.
    pub active: Option<bool>,
    /// When it is open. Replaces all windows there are.
    pub opening_hours: Option<Vec<WeeklyWindowInput>>,
    /// When nobody is to be offered or sold anything by mail. Replaces all windows there are. Such mails do not go out yet;
    /// those about appointments go by their own times.
    pub quiet_hours: Option<Vec<WeeklyWindowInput>>,
    /// When reminders go out; 08:00 unless you say otherwise.
    pub reminder_local_time: Option<LocalTime>,
    /// When birthday greetings go out; 08:00 unless you say otherwise. Kept; nothing goes by it yet.
    pub birthday_local_time: Option<LocalTime>,
    /// When open cash sessions are closed; null: never. Kept; nothing goes by it yet.
    pub cash_auto_close_local_time: MaybeUndefined<LocalTime>,
    /// When cash sessions are opened; null: never. Kept; nothing goes by it yet.
    pub cash_auto_open_local_time: MaybeUndefined<LocalTime>,
    /// How long after a booking its confirmation is sent, up to a day; 5 minutes unless you say otherwise. Earlier where
    /// that would be less than an hour before the appointment.
    pub confirmation_delay: Option<Duration>,
    /// Who gets a copy of every confirmation, up to 10.
    pub copy_confirmations_to: Option<Vec<EmailAddress>>,
    /// When backups may begin; 03:00 unless you say otherwise. Kept; nothing goes by it yet.
    pub backup_window_start: Option<LocalTime>,
    /// Minutes between the starts of free slots, 5 to 240; 15 unless you say otherwise.
    pub slot_grid_minutes: Option<i32>,
    /// How long before the start a patient can still book; an hour unless you say otherwise.
    pub min_booking_notice: Option<Duration>,
    /// How far ahead a patient can book; 90 days unless you say otherwise.
    pub max_booking_advance: Option<Duration>,
    /// How long before the start a patient can still cancel; a day unless you say otherwise.
    pub min_cancel_notice: Option<Duration>,
    /// How long a slot is held while somebody types, 30 seconds to 15 minutes; 5 minutes unless you say otherwise.
    pub hold_ttl: Option<Duration>,
    /// Whether patients may book alone; a new one says yes.
    pub online_booking_enabled: Option<bool>,
}

impl BranchInput {
    pub(super) fn open(self, reader: &Reader) -> Result<upsert_branch::Input, Failure> {
        let windows = |windows: Option<Vec<WeeklyWindowInput>>| {
            windows.map(|windows| windows.into_iter().map(Into::into).collect())
        };
        Ok(upsert_branch::Input {
            id: reader.ids.decode_opt(Kind::Branch, self.id.as_ref(), "id")?,
            version: self.version,
            name: self.name,
            zone: self.time_zone.0,
            address: patch(self.address).map(Into::into),
            phone: patch(self.phone).map(|phone| phone.0),
            email: patch(self.email).map(|email| email.0),
            active: self.active,
            opening_hours: windows(self.opening_hours),
            quiet_hours: windows(self.quiet_hours),
            reminder_local_time: self.reminder_local_time.map(|time| time.0),
            birthday_local_time: self.birthday_local_time.map(|time| time.0),
            cash_auto_close_local_time: patch(self.cash_auto_close_local_time).map(|time| time.0),
            cash_auto_open_local_time: patch(self.cash_auto_open_local_time).map(|time| time.0),
            confirmation_delay: self.confirmation_delay.map(|delay| delay.0.as_delta()),
            copy_confirmations_to: self
                .copy_confirmations_to
                .map(|copies| copies.into_iter().map(|email| email.0).collect()),
            backup_window_start: self.backup_window_start.map(|time| time.0),
            slot_grid_minutes: self.slot_grid_minutes,
            min_booking_notice: self.min_booking_notice.map(|notice| notice.0.as_delta()),
            max_booking_advance: self.max_booking_advance.map(|advance| advance.0.as_delta()),
            min_cancel_notice: self.min_cancel_notice.map(|notice| notice.0.as_delta()),
            hold_ttl: self.hold_ttl.map(|ttl| ttl.0.as_delta()),
            online_booking_enabled: self.online_booking_enabled,
        })
    }
}

/// A professional to create (without id) or to change. An absent value stays, or takes its default.
#[derive(InputObject, Clone, Debug)]
pub struct ProfessionalInput {
    /// Which to change.
    pub id: Option<ID>,
    /// The version that you read; required with an id.
    pub version: Option<i32>,
    /// Shown to people, up to 200 characters.
    pub name: String,
    /// Colour in the agenda, `#RRGGBB`.
    pub color: Option<String>,
    /// Up to 20, of up to 100 characters.
    pub specialties: Option<Vec<String>>,
    /// Where the professional works; at least one. Replaces all there are; a branch where patients are booked with the
    /// professional cannot be left out.
    pub branch_ids: Vec<ID>,
    /// What the professional does; an empty list: every treatment. Replaces all there are.
    pub treatment_ids: Option<Vec<ID>>,
    /// Whether patients may book the professional alone; a new one says yes.
    pub accepts_online: Option<bool>,
    /// The professional's login; null takes it away.
    pub user_id: MaybeUndefined<ID>,
    /// For the booking page, up to 2000 characters; null takes it away.
    pub bio: MaybeUndefined<String>,
    /// For the booking page; null takes it away.
    pub photo_url: MaybeUndefined<Url>,
    /// True brings back who was deactivated; `deactivateResource` does the opposite.
    pub active: Option<bool>,
}

impl ProfessionalInput {
    pub(super) fn open(self, reader: &Reader) -> Result<upsert_professional::Input, Failure> {
        let ids = &reader.ids;
        Ok(upsert_professional::Input {
            id: ids.decode_opt(Kind::Resource, self.id.as_ref(), "id")?,
            version: self.version,
            name: self.name,
            color: self.color,
            specialties: self.specialties,
            branch_ids: ids.decode_all(Kind::Branch, &self.branch_ids, "branchIds")?,
            treatment_ids: self
                .treatment_ids
                .map(|list| ids.decode_all(Kind::Treatment, &list, "treatmentIds"))
                .transpose()?,
            accepts_online: self.accepts_online,
            user_id: patch(self.user_id).try_map(|id| ids.decode(Kind::User, &id, "userId"))?,
            bio: patch(self.bio),
            photo_url: patch(self.photo_url).map(|url| url.0),
            active: self.active,
        })
    }
}

/// A room or a piece of equipment to create (without id) or to change. An absent value stays, or takes its default.
#[derive(InputObject, Clone, Debug)]
pub struct RoomInput {
    /// Which to change.
    pub id: Option<ID>,
    /// The version that you read; required with an id.
    pub version: Option<i32>,
    /// Where it stands. Cannot change while it is booked.
    pub branch_id: ID,
    /// Shown to people, up to 200 characters.
    pub name: String,
    /// Colour in the agenda, `#RRGGBB`.
    pub color: Option<String>,
    /// How many appointments it takes at once, 1 to 200; a new one takes 1.
    pub capacity: Option<i32>,
    /// True brings back what was deactivated; `deactivateResource` does the opposite.
    pub active: Option<bool>,
}

impl RoomInput {
    pub(super) fn open(self, reader: &Reader, thing: upsert_room::Thing) -> Result<upsert_room::Input, Failure> {
        Ok(upsert_room::Input {
            thing,
            id: reader.ids.decode_opt(Kind::Resource, self.id.as_ref(), "id")?,
            version: self.version,
            branch_id: reader.ids.decode(Kind::Branch, &self.branch_id, "branchId")?,
            name: self.name,
            color: self.color,
            capacity: self.capacity,
            active: self.active,
        })
    }
}

/// What a treatment needs besides the patient.
#[derive(InputObject, Clone, Debug)]
pub struct ResourceRequirementInput {
    /// Of this kind …
    pub kind: ResourceKind,
    /// … so many at once, 1 to 20 …
    pub quantity: i32,
    /// … of these; absent or empty: of any.
    pub any_of: Option<Vec<ID>>,
}

/// What is to be paid in advance: a part of the price or an amount, not both.
#[derive(InputObject, Clone, Debug)]
pub struct DepositPolicyInput {
    /// Percent of the price, 0 to 100.
    pub percent: Option<Decimal>,
    /// Amount, in the centre's currency, not more than the price.
    pub fixed: Option<MoneyInput>,
    /// How long before the start it is still paid back; absent: never.
    pub refundable_until: Option<Duration>,
}

/// A treatment to create (without id) or to change. An absent value stays, or takes its default.
#[derive(InputObject, Clone, Debug)]
pub struct TreatmentInput {
    /// Which to change.
    pub id: Option<ID>,
    /// The version that you read; required with an id.
    pub version: Option<i32>,
    /// Shown to people, up to 200 characters.
    pub name: String,
    /// The heading it is listed under; null takes it away.
    pub category_id: MaybeUndefined<ID>,
    /// Elapsed minutes, 5 to 1440, buffers not included.
    pub duration_minutes: i32,
    /// Minutes that its resources are busy before the start, 0 to 480.
    pub buffer_before_minutes: Option<i32>,
    /// Minutes that its resources are busy after the end, 0 to 480.
    pub buffer_after_minutes: Option<i32>,
    /// Price, tax included, in the centre's currency.
    pub price: MoneyInput,
    /// Percent, 0 to 100.
    pub tax_rate: Option<Decimal>,
    /// Whether patients may book it alone; a new one says yes.
    pub online_bookable: Option<bool>,
    /// Whether an online booking waits for the centre's approval; a new one says no.
    pub requires_approval: Option<bool>,
    /// How many patients take part in a group session, 1 to 500; a new one takes 1. Kept; nothing goes by it yet.
    pub capacity: Option<i32>,
    /// What it needs besides the patient, up to 10. Replaces all there are.
    pub requirements: Option<Vec<ResourceRequirementInput>>,
    /// What is to be paid in advance; null: nothing.
    pub deposit_policy: MaybeUndefined<DepositPolicyInput>,
    /// Whether it is offered; a new one is.
    pub active: Option<bool>,
}

impl TreatmentInput {
    pub(super) fn open(self, reader: &Reader) -> Result<upsert_treatment::Input, Failure> {
        let ids = &reader.ids;
        let requirement = |(at, input): (usize, ResourceRequirementInput)| -> Result<model::Requirement, Refusal> {
            let any_of = input.any_of.unwrap_or_default();
            let any_of = ids.decode_all(Kind::Resource, &any_of, &format!("requirements.{at}.anyOf"))?;
            Ok(model::Requirement { kind: input.kind.into(), quantity: input.quantity, any_of })
        };
        let requirements =
            self.requirements.map(|list| list.into_iter().enumerate().map(requirement).collect::<Result<Vec<_>, _>>());
        Ok(upsert_treatment::Input {
            id: ids.decode_opt(Kind::Treatment, self.id.as_ref(), "id")?,
            version: self.version,
            name: self.name,
            category_id: patch(self.category_id)
                .try_map(|id| ids.decode(Kind::TreatmentCategory, &id, "categoryId"))?,
            duration_minutes: self.duration_minutes,
            buffer_before_minutes: self.buffer_before_minutes,
            buffer_after_minutes: self.buffer_after_minutes,
            price: amount(self.price),
            tax_rate: self.tax_rate.map(|rate| rate.0),
            online_bookable: self.online_bookable,
            requires_approval: self.requires_approval,
            capacity: self.capacity,
            requirements: requirements.transpose()?,
            deposit: patch(self.deposit_policy).map(|deposit| upsert_treatment::Deposit {
                percent: deposit.percent.map(|percent| percent.0),
                fixed: deposit.fixed.map(amount),
                refundable_until: deposit.refundable_until.map(|until| until.0.as_delta()),
            }),
            active: self.active,
        })
    }
}

/// What to change of the centre's profile; an absent value stays.
#[derive(InputObject, Clone, Debug)]
pub struct TenantProfileInput {
    /// The name that patients know.
    pub trade_name: Option<String>,
    /// The name on invoices.
    pub legal_name: Option<String>,
    /// An uploaded picture; null takes the logo away. Give `logoUrl` while no upload of this centre can be named.
    pub logo_attachment_id: MaybeUndefined<ID>,
    /// Where the logo is; null takes it away.
    pub logo_url: MaybeUndefined<Url>,
    /// Language of mails.
    pub locale: Option<Locale>,
    /// Decides wall-clock questions that concern no branch. Branches keep theirs.
    pub default_time_zone: Option<TimeZone>,
    /// What `bookAppointment` must name.
    pub operating_mode: Option<OperatingMode>,
    /// Whether the centre keeps clinical records. When it does not, they are `FORBIDDEN` to everybody; those that there
    /// are stay, and are there again when it does.
    pub clinical_record: Option<bool>,
}

impl TenantProfileInput {
    pub(super) fn open(self) -> Result<update_profile::Input, Failure> {
        let logo_url = match (self.logo_attachment_id, patch(self.logo_url)) {
            // Files are private; a logo is for everybody.
            (MaybeUndefined::Value(_), _) => return Err(Refusal::not_found("logoAttachmentId").into()),
            (MaybeUndefined::Null, Patch::Keep) => Patch::Clear,
            (_, logo_url) => logo_url.map(|url| url.0),
        };
        Ok(update_profile::Input {
            trade_name: self.trade_name,
            legal_name: self.legal_name,
            logo_url,
            locale: self.locale.map(|locale| locale.0),
            default_zone: self.default_time_zone.map(|zone| zone.0),
            operating_mode: self.operating_mode.map(Into::into),
            clinical_record: self.clinical_record,
        })
    }
}

/// Which professionals, rooms or pieces of equipment.
#[derive(InputObject, Clone, Debug, Default)]
pub struct ResourceFilter {
    /// That work or stand there.
    pub branch_id: Option<ID>,
    /// That can be used for this treatment.
    pub treatment_id: Option<ID>,
    /// In use, or out of use.
    pub active: Option<bool>,
    /// With this in the name, whatever the case and the accents; up to 200 characters.
    pub text: Option<String>,
}

impl ResourceFilter {
    pub(super) fn open(self, reader: &Reader) -> Result<list::ResourceFilter, Refusal> {
        Ok(list::ResourceFilter {
            branch: reader.ids.decode_opt(Kind::Branch, self.branch_id.as_ref(), "filter.branchId")?,
            treatment: reader.ids.decode_opt(Kind::Treatment, self.treatment_id.as_ref(), "filter.treatmentId")?,
            active: self.active,
            text: self.text,
        })
    }
}

/// Which treatments.
#[derive(InputObject, Clone, Debug, Default)]
pub struct TreatmentFilter {
    /// That somebody who works there does, or that need nobody: only a room or equipment.
    pub branch_id: Option<ID>,
    /// Under this heading.
    pub category_id: Option<ID>,
    /// That patients may book alone, or may not.
    pub online_bookable: Option<bool>,
    /// Still offered, or no more.
    pub active: Option<bool>,
    /// With this in the name, whatever the case and the accents; up to 200 characters.
    pub text: Option<String>,
}

impl TreatmentFilter {
    pub(super) fn open(self, reader: &Reader) -> Result<list::TreatmentFilter, Refusal> {
        Ok(list::TreatmentFilter {
            branch: reader.ids.decode_opt(Kind::Branch, self.branch_id.as_ref(), "filter.branchId")?,
            category: reader.ids.decode_opt(Kind::TreatmentCategory, self.category_id.as_ref(), "filter.categoryId")?,
            online_bookable: self.online_bookable,
            active: self.active,
            text: self.text,
        })
    }
}
