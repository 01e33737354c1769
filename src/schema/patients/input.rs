//! What clients send about patients, and how it becomes the use cases' input. An absent value stays as it is (or takes its
//! default, when the patient is new); an explicit null takes away what may be absent.

use std::convert::Infallible;

use async_graphql::{ID, InputObject, InputType, MaybeUndefined};
use uuid::Uuid;

use super::types::{IdDocumentKind, PatientStatus, Sex};
use crate::{
    domain::{
        centre::Patch,
        patients::{input, list},
        refusal::Refusal,
    },
    schema::{
        fields::CustomFieldValueInput,
        id::{GlobalIds, Kind},
        scalar::{CountryCode, EmailAddress, Instant, LocalDate, PhoneNumber},
    },
};

/// An identity document.
#[derive(InputObject, Clone, Debug)]
pub struct IdDocumentInput {
    /// Kind.
    pub kind: IdDocumentKind,
    /// Number; dots, blanks and hyphens do not count.
    pub number: String,
    /// Country that issued it.
    pub country: CountryCode,
}

/// A patient, as somebody types it in. In a change, what is left out stays and a null takes away.
#[derive(InputObject, Clone, Debug)]
pub struct PatientInput {
    /// The centre's own number for the patient.
    pub file_number: MaybeUndefined<String>,
    /// Given names.
    pub given_names: String,
    /// First surname.
    pub paternal_surname: MaybeUndefined<String>,
    /// Second surname.
    pub maternal_surname: MaybeUndefined<String>,
    /// Identity document; unique in the centre.
    pub document: MaybeUndefined<IdDocumentInput>,
    /// Whether the patient is a foreigner.
    pub is_foreign: Option<bool>,
    /// Mail address.
    pub email: MaybeUndefined<EmailAddress>,
    /// Telephone numbers, at most five. Those of the centre's country may do without its code.
    pub phones: Option<Vec<PhoneNumber>>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Date of birth.
    pub birth_date: MaybeUndefined<LocalDate>,
    /// Whether the patient is attended; not in bookings.
    pub status: Option<PatientStatus>,
    /// Who usually attends the patient; not in bookings.
    pub usual_professional_id: MaybeUndefined<ID>,
    /// The heading that the patient is under; not in bookings.
    pub category_id: MaybeUndefined<ID>,
    /// How the patient came to know of the centre.
    pub referral_source: MaybeUndefined<String>,
    /// The centre's opinion, 1 to 5 stars; not in bookings.
    pub rating: MaybeUndefined<i32>,
    /// All that the centre has noted, at most 50 texts; not in bookings.
    pub comments: Option<Vec<String>>,
    /// Values of the fields in `patientFields`; those that are left out stay. Not in bookings.
    pub custom_fields: Option<Vec<CustomFieldValueInput>>,
    /// All who answer for the patient, at most five; not in bookings.
    pub guardian_ids: Option<Vec<ID>>,
    /// Whether the patient agrees to get mailings.
    pub marketing_consent: Option<bool>,
    /// How the patient said so; absent: who wrote it down.
    pub marketing_consent_source: Option<String>,
}

impl PatientInput {
    /// For the domain, with ids opened.
    ///
    /// # Errors
    /// NOT_FOUND for ids that are not this centre's.
    pub fn open(self, ids: &GlobalIds) -> Result<input::PatientInput, Refusal> {
        self.opened(|kind, id, field| ids.decode(kind, id, field))
    }

    /// For a booking, which takes none of the ids: they are refused unread, so that nobody learns anything of them.
    #[must_use]
    pub fn of_a_booking(self) -> input::PatientInput {
        let Ok(input) = self.opened(|_, _, _| Ok::<_, Infallible>(Uuid::nil()));
        input
    }

    fn opened<E>(self, decode: impl Fn(Kind, &ID, &str) -> Result<Uuid, E>) -> Result<input::PatientInput, E> {
        let id = |kind, id: MaybeUndefined<ID>, field: &str| patch(id).try_map(|id| decode(kind, &id, field));
        let guardian = |(at, id): (usize, &ID)| decode(Kind::Patient, id, &format!("guardianIds.{at}"));
        let document = |document: IdDocumentInput| input::TypedDocument {
            kind: word(document.kind),
            number: document.number,
            country: document.country.0,
        };
        Ok(input::PatientInput {
            file_number: patch(self.file_number),
            given_names: self.given_names,
            paternal_surname: patch(self.paternal_surname),
            maternal_surname: patch(self.maternal_surname),
            document: patch(self.document).map(document),
            is_foreign: self.is_foreign,
            email: patch(self.email).map(|email| email.0),
            phones: self.phones.map(|phones| phones.into_iter().map(|phone| phone.0).collect()),
            sex: self.sex.map(word),
            birth_date: patch(self.birth_date).map(|date| date.0),
            status: self.status.map(Into::into),
            usual_professional: id(Kind::Resource, self.usual_professional_id, "usualProfessionalId")?,
            category: id(Kind::PatientCategory, self.category_id, "categoryId")?,
            referral_source: patch(self.referral_source),
            rating: patch(self.rating),
            comments: self.comments,
            custom: self.custom_fields.map(|fields| fields.into_iter().map(Into::into).collect()),
            guardians: self
                .guardian_ids
                .map(|guardians| guardians.iter().enumerate().map(guardian).collect())
                .transpose()?,
            marketing_consent: self.marketing_consent,
            marketing_source: self.marketing_consent_source,
        })
    }
}

/// Which patients; what is left out does not narrow.
#[derive(InputObject, Clone, Debug, Default)]
pub struct PatientFilter {
    /// Words that each begin a part of the name, the document, the mail address, a telephone number or the file number, in
    /// any order, whatever the case, the accents, the dots and the hyphens. Also a telephone number's last four digits.
    pub text: Option<String>,
    /// With exactly this document number, whatever the dots and the hyphens.
    pub document: Option<String>,
    /// Under this heading.
    pub category_id: Option<ID>,
    /// In this state; absent: all but `MERGED`.
    pub status: Option<PatientStatus>,
    /// Who have their birthday on this day; who was born on 29 February has it on the 28th in other years.
    pub birthday_on: Option<LocalDate>,
    /// Who have been attended, last before this day of the branch.
    pub last_visit_before: Option<LocalDate>,
    /// Changed at or after this instant.
    pub updated_since: Option<Instant>,
    /// With exactly this value in a field of `patientFields` that you may see; of several choices, with all of these. It is
    /// the only way to search in a sensitive field.
    pub custom_field: Option<CustomFieldValueInput>,
}

impl PatientFilter {
    /// For the domain, with ids opened.
    ///
    /// # Errors
    /// NOT_FOUND for ids that are not this centre's.
    pub fn open(self, ids: &GlobalIds) -> Result<list::Filter, Refusal> {
        Ok(list::Filter {
            text: self.text,
            document: self.document,
            category: ids.decode_opt(Kind::PatientCategory, self.category_id.as_ref(), "filter.categoryId")?,
            status: self.status.map(Into::into),
            birthday_on: self.birthday_on.map(|date| date.0),
            last_visit_before: self.last_visit_before.map(|date| date.0),
            updated_since: self.updated_since.map(Instant::to_utc),
            custom: self.custom_field.map(Into::into),
        })
    }
}

fn patch<T>(value: MaybeUndefined<T>) -> Patch<T> {
    match value {
        MaybeUndefined::Undefined => Patch::Keep,
        MaybeUndefined::Null => Patch::Clear,
        MaybeUndefined::Value(value) => Patch::Set(value),
    }
}

/// The word of an enum's value.
fn word<T: InputType>(value: T) -> String {
    match value.to_value() {
        async_graphql::Value::Enum(name) => name.to_string(),
        other => other.to_string(),
    }
}
