//! Fields that a centre defines itself, for patients and for record templates alike, and their values.

use std::sync::Arc;

use async_graphql::{Enum, ID, InputObject, SimpleObject};
use serde_json::Value;

use super::{
    id::{GlobalIds, Kind},
    identity::types::PermissionCode,
    request::Reader,
    scalar::{Decimal, Json},
};
use crate::domain::fields::{DefinitionInput, FieldDefinition, Given, Values};

/// What a field of the centre's own holds, and how its value is written.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::fields::FieldType")]
pub enum FieldType {
    /// A text on one line, up to 500 characters.
    Text,
    /// A text of several lines, up to 20000 characters.
    LongText,
    /// A whole number.
    Integer,
    /// An exact decimal, in quotes: `"36.6"`.
    Decimal,
    /// `true` or `false`.
    Boolean,
    /// A date: `"2026-07-15"`.
    Date,
    /// An instant with offset: `"2026-07-15T08:00:00-04:00"`.
    #[graphql(name = "DATETIME")]
    DateTime,
    /// One of the options.
    SingleChoice,
    /// A list of options, each once.
    MultiChoice,
    /// Attachments: the id of one, or a list of ids. A list in answers.
    File,
    /// Photographs: as `FILE`.
    Photo,
    /// Marks on a picture of the body: a list of `{ x, y, view, label }` with x and y from 0 (left, top) to 1. The views are
    /// the options, or FRONT, BACK, LEFT and RIGHT; the label may be left out.
    BodyMap,
    /// A signature: `{ name, strokes }`, each stroke a list of points `[x, y]` from 0 to 1.
    Signature,
    /// A number that follows from others by an expression; nobody writes it. Null where it has no result.
    Calculated,
    /// A heading; it has no value.
    Section,
    /// A list of rows, each an object whose keys are the columns, which are the options.
    Table,
}

/// A field that the centre has defined.
#[derive(SimpleObject, Clone, Debug)]
pub struct TemplateField {
    /// Names it among its neighbours, in values and in expressions.
    pub key: String,
    /// Shown to people.
    pub label: String,
    /// What it holds.
    pub r#type: FieldType,
    /// Whether it has to be filled.
    pub required: bool,
    /// What can be chosen, the columns of a table, or the views of a body.
    pub options: Option<Vec<String>>,
    /// Unit of a number, for people.
    pub unit: Option<String>,
    /// Smallest number.
    pub min: Option<Decimal>,
    /// Largest number.
    pub max: Option<Decimal>,
    /// How a `CALCULATED` field follows from others.
    pub expression: Option<String>,
    /// Whether its values are kept encrypted, and masked in logs, events and the audit trail.
    pub sensitive: bool,
    /// The permissions of which one is needed to see its values; null: whoever sees the rest, but a sensitive field of
    /// patients needs RECORD_READ.
    pub visible_to: Option<Vec<PermissionCode>>,
    /// Lower comes first.
    pub position: i32,
}

impl From<FieldDefinition> for TemplateField {
    fn from(field: FieldDefinition) -> Self {
        let visible_to = field.visible_to().map(|all| all.into_iter().map(Into::into).collect());
        let FieldDefinition {
            key,
            label,
            kind,
            required,
            options,
            unit,
            min,
            max,
            expression,
            sensitive,
            visible_to: _,
            position,
        } = field;
        Self {
            key,
            label,
            r#type: kind.into(),
            required,
            options: (!options.is_empty()).then_some(options),
            unit,
            min: min.map(Decimal),
            max: max.map(Decimal),
            expression,
            sensitive,
            visible_to,
            position,
        }
    }
}

/// A field to define.
#[derive(InputObject, Clone, Debug)]
pub struct TemplateFieldInput {
    /// Names it among its neighbours: 1 to 64 letters without accents, digits and `_`, beginning with a letter.
    pub key: String,
    /// Shown to people, up to 200 characters.
    pub label: String,
    /// What it holds.
    pub r#type: FieldType,
    /// Whether it has to be filled; absent: not.
    pub required: Option<bool>,
    /// What can be chosen, the columns of a table, or the views of a body.
    pub options: Option<Vec<String>>,
    /// Unit of a number, up to 20 characters.
    pub unit: Option<String>,
    /// Smallest number of an `INTEGER` or `DECIMAL`.
    pub min: Option<Decimal>,
    /// Largest number of an `INTEGER` or `DECIMAL`.
    pub max: Option<Decimal>,
    /// How a `CALCULATED` field follows from `INTEGER` and `DECIMAL` fields of the same set: their keys, numbers, `+ - * /`
    /// and parentheses, as in `weight / (height * height)`.
    pub expression: Option<String>,
    /// Whether its values are kept encrypted, and masked in logs, events and the audit trail; absent: not.
    pub sensitive: Option<bool>,
    /// The permissions of which one is needed to see its values; absent: whoever sees the rest, but a sensitive field of
    /// patients needs RECORD_READ.
    pub visible_to: Option<Vec<PermissionCode>>,
    /// Lower comes first, 0 to 10000.
    pub position: i32,
}

impl From<TemplateFieldInput> for DefinitionInput {
    fn from(input: TemplateFieldInput) -> Self {
        Self {
            key: input.key,
            label: input.label,
            kind: input.r#type.into(),
            required: input.required.unwrap_or_default(),
            options: input.options,
            unit: input.unit,
            min: input.min.map(|number| number.0),
            max: input.max.map(|number| number.0),
            expression: input.expression,
            sensitive: input.sensitive.unwrap_or_default(),
            visible_to: input.visible_to.map(|all| all.into_iter().map(Into::into).collect()),
            position: input.position,
        }
    }
}

/// The value of a field that the centre has defined.
#[derive(SimpleObject, Clone, Debug)]
pub struct CustomFieldValue {
    /// Of which field.
    pub key: String,
    /// The field's label.
    pub label: String,
    /// Its value, written as its type says; null: none.
    pub value: Option<Json>,
}

/// A value for a field that the centre has defined.
#[derive(InputObject, Clone, Debug)]
pub struct CustomFieldValueInput {
    /// Of which field.
    pub key: String,
    /// Its value, written as its type says; null takes it away.
    pub value: Option<Json>,
}

impl From<CustomFieldValueInput> for Given {
    fn from(input: CustomFieldValueInput) -> Self {
        Self { key: input.key, value: input.value.map(|value| value.0).unwrap_or_default() }
    }
}

/// The values of these fields, in their order, as the API writes them.
#[must_use]
pub fn values<'a>(
    reader: &Arc<Reader>,
    fields: impl IntoIterator<Item = &'a FieldDefinition>,
    values: &Values,
) -> Vec<CustomFieldValue> {
    let shown = |field: &FieldDefinition| {
        let value = values.get(&field.key).filter(|value| !value.is_null())?;
        Some(Json(if field.kind.is_attachment() { attachments(&reader.ids, value) } else { value.clone() }))
    };
    let fields = fields.into_iter().filter(|field| field.kind != crate::domain::fields::FieldType::Section);
    fields
        .map(|field| CustomFieldValue { key: field.key.clone(), label: field.label.clone(), value: shown(field) })
        .collect()
}

/// Attachments are kept by their own ids and shown by those of the API.
fn attachments(ids: &GlobalIds, kept: &Value) -> Value {
    let shown = |id: &Value| {
        let id = uuid::Uuid::parse_str(id.as_str()?).ok()?;
        Some(Value::String(ids.encode(Kind::Attachment, id).0))
    };
    kept.as_array().map(|all| all.iter().filter_map(shown).collect()).unwrap_or_default()
}

/// Finds the attachment behind an id of the API, for `validate_values`.
pub fn attachment_opener(reader: &Arc<Reader>) -> impl Fn(&str) -> Option<uuid::Uuid> + Send + Sync + 'static {
    let ids = reader.ids.clone();
    move |word| ids.open(Kind::Attachment, &ID(word.to_owned()))
}
