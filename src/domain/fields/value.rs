//! One value of one field, in its normal form. Refusals say how to write it and never what was written.

use serde_json::Value;
use uuid::Uuid;

use super::{FieldDefinition, FieldType, attachment, drawing, number, table};
use crate::domain::{listed::listed, time};

/// Longest text on one line.
const MAX_LINE: usize = 500;
/// Longest text of several lines.
const MAX_TEXT: usize = 20_000;

/// A value in its normal form, and the attachments that it names. Null when there is nothing in it.
pub(super) struct Kept {
    pub(super) value: Value,
    pub(super) attachments: Vec<Uuid>,
}

/// Checks a value against its field. A refusal has its place below the value and what to do.
pub(super) fn checked(
    field: &FieldDefinition,
    value: &Value,
    open: &dyn Fn(&str) -> Option<Uuid>,
) -> Result<Kept, (String, String)> {
    let here = |message: String| (String::new(), message);
    if value.is_null() {
        return Ok(Kept { value: Value::Null, attachments: Vec::new() });
    }
    if field.kind.is_attachment() {
        let attachments = attachment::attachments(value, open)?;
        let value = attachments.iter().map(ToString::to_string).collect();
        return Ok(Kept { value: emptied(value), attachments });
    }
    let value = match field.kind {
        FieldType::Text => line(value, MAX_LINE).map_err(here)?,
        FieldType::LongText => paragraph(value).map_err(here)?,
        FieldType::Integer => {
            let number = number::integer(value).map_err(here)?;
            number::within(number.into(), field.min, field.max).map_err(here)?;
            number.into()
        }
        FieldType::Decimal => {
            let number = number::decimal(value).map_err(here)?;
            number::within(number, field.min, field.max).map_err(here)?;
            number.to_string().into()
        }
        FieldType::Boolean => value.as_bool().map(Value::Bool).ok_or_else(|| here("give true or false".to_owned()))?,
        FieldType::Date => {
            let date = value.as_str().ok_or_else(|| here("write a date such as 2026-07-15".to_owned()))?;
            time::parse_local_date(date).map_err(|error| here(error.to_string()))?.to_string().into()
        }
        FieldType::DateTime => {
            let text = value.as_str().ok_or_else(|| here("write an instant with offset".to_owned()))?;
            let instant = time::parse_instant(text).map_err(|error| here(error.to_string()))?;
            instant.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true).into()
        }
        FieldType::SingleChoice => choice(field, value).map_err(here)?.into(),
        FieldType::MultiChoice => choices(field, value)?,
        FieldType::BodyMap => drawing::body_map(value, &field.options)?,
        FieldType::Signature => drawing::signature(value)?,
        FieldType::Table => table::rows(value, &field.options)?,
        FieldType::Calculated => return Err(here("this field is calculated; leave it out".to_owned())),
        FieldType::Section => return Err(here("this is a heading; it has no value".to_owned())),
        FieldType::File | FieldType::Photo => return Err(here("give the id of an attachment".to_owned())),
    };
    Ok(Kept { value: emptied(value), attachments: Vec::new() })
}

/// What has nothing in it is nothing: a required field is not filled by a blank.
fn emptied(value: Value) -> Value {
    match &value {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Array(list) if list.is_empty() => Value::Null,
        _ => value,
    }
}

fn line(value: &Value, max: usize) -> Result<Value, String> {
    let text = value.as_str().ok_or_else(|| "write a text".to_owned())?.trim();
    if text.chars().count() > max || text.chars().any(char::is_control) {
        return Err(format!("write at most {max} characters on one line, without control characters"));
    }
    Ok(text.into())
}

fn paragraph(value: &Value) -> Result<Value, String> {
    let text = value.as_str().ok_or_else(|| "write a text".to_owned())?.trim();
    if text.chars().count() > MAX_TEXT || text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(format!("write at most {MAX_TEXT} characters, without control characters"));
    }
    Ok(text.into())
}

fn choice(field: &FieldDefinition, value: &Value) -> Result<String, String> {
    let chosen = value.as_str().and_then(|word| field.options.iter().find(|option| *option == word));
    chosen.cloned().ok_or_else(|| format!("choose one of: {}", listed(&field.options)))
}

/// In the order of the field's options, each once.
fn choices(field: &FieldDefinition, value: &Value) -> Result<Value, (String, String)> {
    let list = value.as_array().ok_or_else(|| (String::new(), "give a list of choices".to_owned()))?;
    if list.len() > field.options.len() {
        return Err((String::new(), "choose each only once".to_owned()));
    }
    let mut chosen = Vec::with_capacity(list.len());
    for (at, word) in list.iter().enumerate() {
        chosen.push(choice(field, word).map_err(|message| (format!(".{at}"), message))?);
    }
    Ok(field.options.iter().filter(|option| chosen.contains(option)).map(String::as_str).collect())
}
