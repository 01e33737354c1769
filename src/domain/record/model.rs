//! Templates and entries as they are read.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::domain::{
    fields::{FieldDefinition, Values},
    refusal::{Code, Detail, Failure, Refusal},
};

/// A version of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Which.
    pub id: Uuid,
    /// Goes up with every change; entries keep that of the published version they were written in.
    pub version: i32,
    /// Shown to people.
    pub name: String,
    /// Which specialty uses it.
    pub specialty: Option<String>,
    /// Whether entries can be written in this version.
    pub published: bool,
    /// Its fields, in their order.
    pub fields: Vec<FieldDefinition>,
}

/// Where an entry is. The words are the API's and the database's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryStatus {
    /// Being written.
    Draft,
    /// Final.
    Signed,
    /// Final, and a newer entry stands in its place.
    Amended,
    /// Given up before it was signed.
    Voided,
}

impl EntryStatus {
    /// The word in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Signed => "SIGNED",
            Self::Amended => "AMENDED",
            Self::Voided => "VOIDED",
        }
    }

    /// The status that the database's word names.
    ///
    /// # Errors
    /// A word that is none.
    pub(super) fn parse(word: &str) -> Result<Self, Failure> {
        [Self::Draft, Self::Signed, Self::Amended, Self::Voided]
            .into_iter()
            .find(|status| status.as_str() == word)
            .ok_or_else(|| Failure::fault(format!("an entry has the unknown status `{word}`")))
    }

    /// Where it can go from here.
    fn allowed(self) -> &'static [Self] {
        match self {
            Self::Draft => &[Self::Signed, Self::Voided],
            Self::Signed => &[Self::Amended],
            Self::Amended | Self::Voided => &[],
        }
    }

    /// Refuses a step that there is not.
    ///
    /// # Errors
    /// `INVALID_TRANSITION`.
    pub(super) fn go(self, to: Self) -> Result<(), Refusal> {
        let allowed = self.allowed();
        if allowed.contains(&to) {
            return Ok(());
        }
        let hint = match self {
            Self::Draft => "sign or void it first",
            Self::Signed => "it is signed and never changes; amend it",
            Self::Amended => "it has been amended; amend the entry that stands in its place",
            Self::Voided => "it was given up; write another one",
        };
        let detail = Detail::Transition {
            from: self.as_str().to_owned(),
            to: to.as_str().to_owned(),
            allowed: allowed.iter().map(|one| one.as_str().to_owned()).collect(),
        };
        let message = format!("an entry does not go from {} to {}: {hint}", self.as_str(), to.as_str());
        Err(Refusal { detail, ..Refusal::new(Code::InvalidTransition, message).at("id") })
    }
}

/// Somebody who wrote, signed or gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// User.
    pub id: Uuid,
    /// How to show it.
    pub name: String,
}

/// That it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom.
    pub by: Person,
    /// Keyed hash of everything that was signed.
    pub hash: Vec<u8>,
    /// Whether what is there now is what was signed.
    pub genuine: bool,
}

/// That it was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voided {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom.
    pub by: Person,
    /// Why.
    pub reason: String,
}

/// An entry, opened for its reader.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which.
    pub id: Uuid,
    /// Goes up with every change.
    pub version: i32,
    /// Whose: the patient that it was written about.
    pub patient: Uuid,
    /// The form it is written in.
    pub template: Arc<Template>,
    /// The visit it belongs to.
    pub appointment: Option<Uuid>,
    /// Who began it.
    pub author: Person,
    /// Where it is.
    pub status: EntryStatus,
    /// When it was begun.
    pub at: DateTime<Utc>,
    /// What it stands in the place of.
    pub amends: Option<Uuid>,
    /// Why it does.
    pub amendment_reason: Option<String>,
    /// That it was signed.
    pub signed: Option<Signed>,
    /// That it was given up.
    pub voided: Option<Voided>,
    /// The values that the reader may see.
    pub values: Values,
    /// The fields that the reader may see.
    pub seen: Vec<FieldDefinition>,
    /// The files that are listed with it, and those that values name which the reader may see.
    pub attachments: Vec<Uuid>,
}
