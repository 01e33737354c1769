//! What somebody sends about a patient, and the patient that comes of it.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{
    document::Document,
    model::{Consent, Patient},
};
use crate::domain::{
    centre::{Patch, check::Check},
    contact,
    fields::{Attached, CheckedValues, FieldDefinition, Given, Values, missing, validate_values},
    refusal::Refusal,
};

/// Longest name of any kind, file number and source.
const MAX_NAME: usize = 200;
/// Most telephone numbers, comments, guardians.
pub(super) const MAX_PHONES: usize = 5;
const MAX_COMMENTS: usize = 50;
const MAX_GUARDIANS: usize = 5;
/// Longest comment.
const MAX_COMMENT: usize = 2_000;
/// The first year that a patient is born in: old lists also name who has died long ago.
const FIRST_BIRTH: i32 = 1850;

/// Whether a patient is attended. MERGED is not for people to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the API describes each")]
pub enum Status {
    Active,
    Inactive,
    Deceased,
    Merged,
}

impl Status {
    /// The word in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Deceased => "DECEASED",
            Self::Merged => "MERGED",
        }
    }
}

/// A document as somebody typed it.
#[derive(Clone, Debug, Serialize)]
pub struct TypedDocument {
    /// `RUT`, `DNI` and so on.
    pub kind: String,
    /// With or without dots.
    pub number: String,
    /// Country of two capital letters.
    pub country: String,
}

/// A patient to create or to change. Absent values stay, or take their defaults.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are described in the API")]
pub struct PatientInput {
    pub file_number: Patch<String>,
    pub given_names: String,
    pub paternal_surname: Patch<String>,
    pub maternal_surname: Patch<String>,
    pub document: Patch<TypedDocument>,
    pub is_foreign: Option<bool>,
    pub email: Patch<String>,
    pub phones: Option<Vec<String>>,
    pub sex: Option<String>,
    pub birth_date: Patch<NaiveDate>,
    pub status: Option<Status>,
    pub usual_professional: Patch<Uuid>,
    pub category: Patch<Uuid>,
    pub referral_source: Patch<String>,
    pub rating: Patch<i32>,
    pub comments: Option<Vec<String>>,
    pub custom: Option<Vec<Given>>,
    pub guardians: Option<Vec<Uuid>>,
    pub marketing_consent: Option<bool>,
    pub marketing_source: Option<String>,
}

/// What the input is judged by.
pub(super) struct Rules<'a> {
    /// Now.
    pub now: DateTime<Utc>,
    /// The centre's country, whose telephone numbers need no code.
    pub country: &'a str,
    /// The centre's own fields that the caller sees.
    pub fields: &'a [FieldDefinition],
    /// Finds attachments by the ids of the API.
    pub attachment: &'a (dyn Fn(&str) -> Option<Uuid> + Send + Sync),
    /// Whether the patient is a new one.
    pub is_new: bool,
    /// How consent comes in, unless the input says.
    pub source: &'a str,
}

/// A patient as a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    pub file_number: Option<String>,
    pub given_names: String,
    pub paternal_surname: Option<String>,
    pub maternal_surname: Option<String>,
    pub document: Option<Document>,
    pub is_foreign: bool,
    pub email: Option<String>,
    pub phones: Vec<String>,
    pub sex: String,
    pub birth_date: Option<NaiveDate>,
    pub status: String,
    pub usual_professional: Option<Uuid>,
    pub category: Option<Uuid>,
    pub referral_source: Option<String>,
    pub rating: Option<i16>,
    pub comments: Vec<String>,
    /// Values of fields that are not sensitive …
    pub custom: Values,
    /// … and of those that are, which lie sealed.
    pub sealed: Values,
    pub guardians: Vec<Uuid>,
    pub marketing: Consent,
}

impl Draft {
    /// Nobody yet.
    pub(super) fn new() -> Self {
        Self {
            file_number: None,
            given_names: String::new(),
            paternal_surname: None,
            maternal_surname: None,
            document: None,
            is_foreign: false,
            email: None,
            phones: Vec::new(),
            sex: "UNKNOWN".to_owned(),
            birth_date: None,
            status: Status::Active.as_str().to_owned(),
            usual_professional: None,
            category: None,
            referral_source: None,
            rating: None,
            comments: Vec::new(),
            custom: Values::new(),
            sealed: Values::new(),
            guardians: Vec::new(),
            marketing: Consent::default(),
        }
    }

    /// As the patient is, without what lies sealed.
    pub(super) fn of(patient: &Patient) -> Self {
        let (brief, profile) = (&patient.brief, &patient.profile);
        let document = brief.document.clone().map(|(kind, number, country)| Document { kind, number, country });
        Self {
            file_number: brief.file_number.clone(),
            given_names: brief.given_names.clone(),
            paternal_surname: brief.paternal_surname.clone(),
            maternal_surname: brief.maternal_surname.clone(),
            document,
            is_foreign: brief.is_foreign,
            email: brief.email.clone(),
            phones: brief.phones.clone(),
            sex: brief.sex.clone(),
            birth_date: brief.birth_date,
            status: brief.status.clone(),
            usual_professional: profile.usual_professional,
            category: profile.category,
            referral_source: profile.referral_source.clone(),
            rating: profile.rating,
            comments: profile.comments.clone(),
            custom: profile.custom.clone(),
            sealed: Values::new(),
            guardians: profile.guardians.clone(),
            marketing: profile.marketing.clone(),
        }
    }

    /// As the input wants it, and the attachments that it names. What does not fit is noted, each at its place.
    pub(super) fn apply(self, check: &mut Check, input: PatientInput, rules: &Rules<'_>) -> (Self, Vec<Attached>) {
        let line = |check: &mut Check, name: &str, patch: Patch<String>, before: Option<String>| {
            check.patch(patch.blank_is_away(), |check, text| check.line(name, &text, MAX_NAME)).over(before)
        };
        let document = match input.document {
            Patch::Keep => self.document,
            Patch::Clear => None,
            Patch::Set(typed) => check.ok(Document::read(&typed.kind, &typed.number, &typed.country, "document")),
        };
        // What there is already is not judged anew: it would stand in the way of every other change.
        let refusal = input.birth_date.value().and_then(|date| birth_refusal(*date, rules.now, "birthDate"));
        if let Some(refusal) = refusal {
            check.add(refusal);
        }
        let birth_date = input.birth_date.over(self.birth_date);
        let rating = check.patch(input.rating, |check, stars| {
            check.range("rating", stars, 1..=5, "stars");
            i16::try_from(stars).unwrap_or_default()
        });
        if input.status == Some(Status::Merged) {
            check.add(Refusal::invalid("status", "merge patients with mergePatients"));
        }
        let phones = match input.phones {
            None => self.phones,
            Some(typed) => phones(check, "phones", &typed, rules.country),
        };
        let comments = match input.comments {
            None => self.comments,
            Some(written) => comments(check, &written),
        };
        // A merged patient may have more, and keeps them.
        if let Some(guardians) = &input.guardians {
            check.count("guardianIds", guardians.len(), MAX_GUARDIANS);
        }
        let guardians = input.guardians.unwrap_or(self.guardians);
        let source = input.marketing_source.map(|source| check.line("marketingConsentSource", &source, MAX_NAME));
        let ((custom, sealed), attached) = custom(check, input.custom, (self.custom, self.sealed), rules);
        let draft = Self {
            file_number: line(check, "fileNumber", input.file_number, self.file_number),
            given_names: check.line("givenNames", &input.given_names, MAX_NAME),
            paternal_surname: line(check, "paternalSurname", input.paternal_surname, self.paternal_surname),
            maternal_surname: line(check, "maternalSurname", input.maternal_surname, self.maternal_surname),
            document,
            is_foreign: input.is_foreign.unwrap_or(self.is_foreign),
            email: input.email.over(self.email),
            phones,
            sex: input.sex.unwrap_or(self.sex),
            birth_date,
            status: input.status.map_or(self.status, |status| status.as_str().to_owned()),
            usual_professional: input.usual_professional.over(self.usual_professional),
            category: input.category.over(self.category),
            referral_source: line(check, "referralSource", input.referral_source, self.referral_source),
            rating: rating.over(self.rating),
            comments,
            custom,
            sealed,
            guardians,
            marketing: consent(self.marketing, input.marketing_consent, source, rules),
        };
        (draft, attached)
    }
}

/// Why nobody is born then, if nobody is.
pub(super) fn birth_refusal(date: NaiveDate, now: DateTime<Utc>, field: &str) -> Option<Refusal> {
    if date.year() < FIRST_BIRTH {
        let message = format!("nobody here is born before {FIRST_BIRTH}; write the year with four digits");
        return Some(Refusal::invalid(field, message));
    }
    let tomorrow = now.date_naive() + chrono::TimeDelta::days(1);
    (date > tomorrow).then(|| Refusal::invalid(field, "nobody is born in the future"))
}

/// In E.164, each once. `at` is the list's place in the input.
pub(super) fn phones(check: &mut Check, at: &str, typed: &[String], country: &str) -> Vec<String> {
    if !check.count(at, typed.len(), MAX_PHONES) {
        return Vec::new();
    }
    let mut kept = Vec::with_capacity(typed.len());
    for (n, text) in typed.iter().enumerate() {
        match contact::phone_in(country, text) {
            Some(phone) if kept.contains(&phone) => {}
            Some(phone) => kept.push(phone),
            None => {
                let message = format!(
                    "this is not a telephone number of {country}; write others with their country's code, like +56223456789"
                );
                check.add(Refusal::invalid(&format!("{at}.{n}"), message));
            }
        }
    }
    kept
}

fn comments(check: &mut Check, written: &[String]) -> Vec<String> {
    if !check.count("comments", written.len(), MAX_COMMENTS) {
        return Vec::new();
    }
    let written = written.iter().enumerate();
    let kept = written.map(|(n, text)| check.paragraph(&format!("comments.{n}"), text, MAX_COMMENT));
    kept.filter(|text| !text.is_empty()).collect()
}

/// The values there were, open and sealed ones, with those that were given in their places; and the attachments that are
/// named. A new patient has all required ones; a change may not take one away, but need not fill one that was defined since.
fn custom(
    check: &mut Check,
    given: Option<Vec<Given>>,
    (mut open, mut sealed): (Values, Values),
    rules: &Rules<'_>,
) -> ((Values, Values), Vec<Attached>) {
    let given = given.unwrap_or_default();
    let CheckedValues { values, attachments } =
        match validate_values(rules.fields, &given, "customFields", rules.attachment) {
            Ok(checked) => checked,
            Err(refusals) => {
                refusals.into_iter().for_each(|refusal| check.add(refusal));
                return ((open, sealed), Vec::new());
            }
        };
    for (key, value) in values {
        let sensitive = rules.fields.iter().any(|field| field.key == key && field.sensitive);
        let of = if sensitive { &mut sealed } else { &mut open };
        if value.is_null() {
            of.remove(&key)
        } else {
            of.insert(key, value)
        };
    }
    let all: Values = open.iter().chain(&sealed).map(|(key, value)| (key.clone(), value.clone())).collect();
    for field in missing(rules.fields, &all) {
        let at = given.iter().position(|given| given.key == field.key);
        if at.is_some() || rules.is_new {
            let place = at.map_or("customFields".to_owned(), |at| format!("customFields.{at}.value"));
            check.add(Refusal::required(&place, format!("fill the field `{}`", field.key)));
        }
    }
    ((open, sealed), attachments)
}

/// Said again, it stays as it was said first.
fn consent(before: Consent, said: Option<bool>, source: Option<String>, rules: &Rules<'_>) -> Consent {
    match said {
        Some(granted) if before.at.is_none() || before.granted != granted || source.is_some() => {
            Consent { granted, at: Some(rules.now), source: Some(source.unwrap_or_else(|| rules.source.to_owned())) }
        }
        _ => before,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn nobody_is_born_in_the_future_or_in_a_year_of_two_digits() {
        let now: DateTime<Utc> = "2026-07-13T12:00:00Z".parse().unwrap();
        for (date, refused) in [
            ("0005-06-15", true),
            ("1849-12-31", true),
            ("1850-01-01", false),
            ("1985-12-31", false),
            ("2026-07-14", false),
            ("2026-07-15", true),
        ] {
            let refusal = birth_refusal(date.parse().unwrap(), now, "birthDate");
            assert_eq!(refusal.is_some(), refused, "{date}");
        }
    }
}
