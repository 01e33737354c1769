//! [`FieldDefinition`]: one field that a centre has defined.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::auth::{Permission, PermissionSet};

/// What a field holds. The words are the API's and the database's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the API describes each")]
pub enum FieldType {
    Text,
    LongText,
    Integer,
    Decimal,
    Boolean,
    Date,
    #[serde(rename = "DATETIME")]
    DateTime,
    SingleChoice,
    MultiChoice,
    File,
    Photo,
    BodyMap,
    Signature,
    Calculated,
    Section,
    Table,
}

impl FieldType {
    /// Every type.
    pub const ALL: [Self; 16] = [
        Self::Text,
        Self::LongText,
        Self::Integer,
        Self::Decimal,
        Self::Boolean,
        Self::Date,
        Self::DateTime,
        Self::SingleChoice,
        Self::MultiChoice,
        Self::File,
        Self::Photo,
        Self::BodyMap,
        Self::Signature,
        Self::Calculated,
        Self::Section,
        Self::Table,
    ];

    /// The word in the database and in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::LongText => "LONG_TEXT",
            Self::Integer => "INTEGER",
            Self::Decimal => "DECIMAL",
            Self::Boolean => "BOOLEAN",
            Self::Date => "DATE",
            Self::DateTime => "DATETIME",
            Self::SingleChoice => "SINGLE_CHOICE",
            Self::MultiChoice => "MULTI_CHOICE",
            Self::File => "FILE",
            Self::Photo => "PHOTO",
            Self::BodyMap => "BODY_MAP",
            Self::Signature => "SIGNATURE",
            Self::Calculated => "CALCULATED",
            Self::Section => "SECTION",
            Self::Table => "TABLE",
        }
    }

    /// The type that the database's word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether expressions can count with it.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Decimal)
    }

    /// Whether somebody writes it; the others are headings, or follow from the rest.
    #[must_use]
    pub fn is_written(self) -> bool {
        !matches!(self, Self::Calculated | Self::Section)
    }

    /// Whether its value is a list of attachments.
    #[must_use]
    pub fn is_attachment(self) -> bool {
        matches!(self, Self::File | Self::Photo)
    }
}

/// One field that a centre has defined. Its JSON is what the database keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldDefinition {
    /// Names the field among its neighbours, in values and in expressions.
    pub key: String,
    /// Shown to people.
    pub label: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Whether it has to be filled.
    pub required: bool,
    /// Choices, columns of a table, views of a body; empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Unit of a number, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Smallest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Decimal>,
    /// Largest number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Decimal>,
    /// How a calculated field follows from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// Whether its values are kept encrypted and never told by logs, events and the trail.
    #[serde(default)]
    pub sensitive: bool,
    /// Words of the permissions of which one is needed to see it; none: whoever sees the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible_to: Option<Vec<String>>,
    /// Lower comes first.
    pub position: i32,
}

impl FieldDefinition {
    /// The permissions of which one is needed to see it; none: whoever sees the rest. Words that this binary does not
    /// know open nothing.
    #[must_use]
    pub fn visible_to(&self) -> Option<Vec<Permission>> {
        self.visible_to.as_ref().map(|words| PermissionSet::of_words(words).iter().collect())
    }

    /// Whether somebody with these permissions sees its values, among its neighbours. A calculated field is seen by who
    /// sees all that it is calculated from, because it tells of them.
    #[must_use]
    pub fn is_visible(&self, neighbours: &[Self], held: PermissionSet) -> bool {
        let seen = |field: &Self| {
            field.visible_to.as_ref().is_none_or(|words| PermissionSet::of_words(words).iter().any(|p| held.has(p)))
        };
        seen(self)
            && super::expression::names(self.expression.as_deref())
                .iter()
                .all(|name| neighbours.iter().find(|field| field.key == *name).is_none_or(seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_the_database_are_those_of_the_api() {
        for kind in FieldType::ALL {
            assert_eq!(FieldType::parse(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).ok(), Some(kind.as_str().into()));
        }
    }

    #[test]
    fn a_calculated_field_is_seen_by_who_sees_what_it_is_made_of() {
        let number = |key: &str, visible_to: Option<&str>| FieldDefinition {
            key: key.to_owned(),
            label: key.to_owned(),
            kind: FieldType::Decimal,
            required: false,
            options: Vec::new(),
            unit: None,
            min: None,
            max: None,
            expression: None,
            sensitive: false,
            visible_to: visible_to.map(|word| vec![word.to_owned()]),
            position: 0,
        };
        let total = FieldDefinition {
            kind: FieldType::Calculated,
            expression: Some("fee * 2".to_owned()),
            ..number("total", None)
        };
        let all = [number("fee", Some("FINANCE_READ")), number("sessions", None), total.clone()];
        let held = PermissionSet::of_words(&["PATIENT_READ"]);
        assert!(!all[0].is_visible(&all, held) && all[1].is_visible(&all, held) && !total.is_visible(&all, held));
        assert!(total.is_visible(&all, PermissionSet::of_words(&["FINANCE_READ"])));
        let unknown = number("x", Some("NO_SUCH_PERMISSION"));
        assert!(!unknown.is_visible(&all, PermissionSet::all()));
    }
}
