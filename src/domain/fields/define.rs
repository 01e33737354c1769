//! Definitions of fields, as somebody sends them and as they are kept.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{FieldDefinition, FieldType, expression::Expression};
use crate::{
    auth::Permission,
    domain::{
        centre::check::Check,
        refusal::{Failure, Refusal},
    },
};

/// Most fields of one set.
pub const MAX_FIELDS: usize = 200;
/// Longest key.
const MAX_KEY: usize = 64;
/// Longest label, option, unit.
const MAX_LABEL: usize = 200;
const MAX_OPTION: usize = 120;
const MAX_UNIT: usize = 20;
/// Most choices, columns or views of one field.
const MAX_OPTIONS: usize = 200;

/// A field as somebody sends it.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are described in FieldDefinition and in the API")]
pub struct DefinitionInput {
    pub key: String,
    pub label: String,
    pub kind: FieldType,
    pub required: bool,
    pub options: Option<Vec<String>>,
    pub unit: Option<String>,
    pub min: Option<Decimal>,
    pub max: Option<Decimal>,
    pub expression: Option<String>,
    pub sensitive: bool,
    pub visible_to: Option<Vec<Permission>>,
    pub position: i32,
}

/// Checks a whole set of fields; `at` is the path of the list in the input. In the order in which they are shown.
///
/// # Errors
/// Everything that does not fit, each at its place.
pub fn checked_definitions(inputs: Vec<DefinitionInput>, at: &str) -> Result<Vec<FieldDefinition>, Failure> {
    let mut check = Check::default();
    if !check.count(at, inputs.len(), MAX_FIELDS) {
        return check.done().map(|()| Vec::new());
    }
    let numbers: BTreeMap<String, bool> =
        inputs.iter().filter(|i| i.kind.is_number()).map(|i| (i.key.clone(), i.sensitive)).collect();
    let mut fields: Vec<FieldDefinition> = Vec::with_capacity(inputs.len());
    for (n, input) in inputs.into_iter().enumerate() {
        let at = format!("{at}.{n}");
        if fields.iter().any(|field| field.key == input.key) {
            check.add(Refusal::invalid(&format!("{at}.key"), "another field has this key already"));
        }
        fields.push(definition(&mut check, input, &at, &numbers));
    }
    check.done()?;
    fields.sort_by(|one, other| (one.position, &one.key).cmp(&(other.position, &other.key)));
    Ok(fields)
}

fn definition(
    check: &mut Check,
    input: DefinitionInput,
    at: &str,
    numbers: &BTreeMap<String, bool>,
) -> FieldDefinition {
    let place = |name: &str| format!("{at}.{name}");
    let DefinitionInput {
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
        visible_to,
        position,
    } = input;
    if !is_key(&key) {
        let message = format!("write 1 to {MAX_KEY} letters without accents, digits and _, beginning with a letter");
        check.add(Refusal::invalid(&place("key"), message));
    }
    let label = check.line(&place("label"), &label, MAX_LABEL);
    if required && !kind.is_written() {
        let message = format!("nobody fills a field of the type {}", kind.as_str());
        check.add(Refusal::invalid(&place("required"), message));
    }
    if sensitive && kind == FieldType::Section {
        check.add(Refusal::invalid(&place("sensitive"), "a heading has no value that could be sensitive"));
    }
    let numeric = kind.is_number() || kind == FieldType::Calculated;
    let unit = unit.map(|unit| check.line(&place("unit"), &unit, MAX_UNIT));
    if unit.is_some() && !numeric {
        check.add(Refusal::invalid(&place("unit"), "only numbers have a unit"));
    }
    if let Some(name) = min.map(|_| "min").or(max.map(|_| "max")).filter(|_| !kind.is_number()) {
        check.add(Refusal::invalid(&place(name), "only INTEGER and DECIMAL have bounds"));
    }
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        check.add(Refusal::invalid(&place("max"), "the largest number is below the smallest one"));
    }
    if visible_to.as_ref().is_some_and(Vec::is_empty) {
        let message = "name the permissions of which one is needed, or leave it out";
        check.add(Refusal::invalid(&place("visibleTo"), message));
    }
    check.range(&place("position"), position, 0..=10_000, "place in the list");
    let options = checked_options(check, kind, options, &place("options"));
    let expression = checked_expression(check, kind, expression, sensitive, &place("expression"), numbers);
    let visible_to = visible_to.map(|all| all.into_iter().map(|p| p.as_str().to_owned()).collect());
    FieldDefinition { key, label, kind, required, options, unit, min, max, expression, sensitive, visible_to, position }
}

fn checked_options(check: &mut Check, kind: FieldType, options: Option<Vec<String>>, at: &str) -> Vec<String> {
    let options = options.unwrap_or_default();
    let needed = match kind {
        FieldType::SingleChoice | FieldType::MultiChoice => Some("name what can be chosen"),
        FieldType::Table => Some("name the columns"),
        _ => None,
    };
    match (needed, options.is_empty()) {
        (Some(message), true) => check.add(Refusal::required(at, message)),
        (None, false) if kind != FieldType::BodyMap => {
            check.add(Refusal::invalid(at, format!("a field of the type {} has no options", kind.as_str())));
        }
        _ => {}
    }
    if !check.count(at, options.len(), MAX_OPTIONS) {
        return Vec::new();
    }
    let mut kept: Vec<String> = Vec::with_capacity(options.len());
    for (n, option) in options.iter().enumerate() {
        let option = check.line(&format!("{at}.{n}"), option, MAX_OPTION);
        if kept.contains(&option) {
            check.add(Refusal::invalid(&format!("{at}.{n}"), "this is there already"));
        }
        kept.push(option);
    }
    kept
}

/// Reads an expression and what it is made of: numbers of the same set, and as sensitive as they are, because the
/// result tells of them.
fn checked_expression(
    check: &mut Check,
    kind: FieldType,
    expression: Option<String>,
    sensitive: bool,
    at: &str,
    numbers: &BTreeMap<String, bool>,
) -> Option<String> {
    let Some(text) = expression else {
        if kind == FieldType::Calculated {
            check.add(Refusal::required(at, "write how it is calculated, like weight / (height * height)"));
        }
        return None;
    };
    if kind != FieldType::Calculated {
        check.add(Refusal::invalid(at, "only fields of the type CALCULATED have an expression"));
        return None;
    }
    match Expression::parse(&text) {
        Err(message) => check.add(Refusal::invalid(at, message)),
        Ok(read) => {
            for name in read.fields() {
                match numbers.get(name) {
                    None => {
                        let message = format!("`{name}` is no field of the type INTEGER or DECIMAL");
                        check.add(Refusal::invalid(at, message));
                    }
                    Some(true) if !sensitive => {
                        let message = format!("`{name}` is sensitive, so what is calculated from it has to be");
                        check.add(Refusal::invalid(at, message));
                    }
                    Some(_) => {}
                }
            }
        }
    }
    Some(text.trim().to_owned())
}

fn is_key(key: &str) -> bool {
    key.len() <= MAX_KEY
        && key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(key: &str, kind: FieldType) -> DefinitionInput {
        DefinitionInput {
            key: key.to_owned(),
            label: "Etiqueta".to_owned(),
            kind,
            required: false,
            options: None,
            unit: None,
            min: None,
            max: None,
            expression: None,
            sensitive: false,
            visible_to: None,
            position: 0,
        }
    }

    fn refused(inputs: Vec<DefinitionInput>) -> Vec<String> {
        match checked_definitions(inputs, "fields") {
            Err(Failure::Refused(all)) => all.into_iter().map(|r| r.field.unwrap_or_default().join(".")).collect(),
            _ => Vec::new(),
        }
    }

    fn expression(text: &str) -> DefinitionInput {
        DefinitionInput { expression: Some(text.to_owned()), ..input("result", FieldType::Calculated) }
    }

    #[test]
    fn what_does_not_fit_is_told_at_its_place() {
        use FieldType as T;
        let texts = |all: &[&str]| Some(all.iter().map(|&text| text.to_owned()).collect());
        for (bad, place) in [
            (input("", T::Text), "key"),
            (input("1a", T::Text), "key"),
            (input("año", T::Text), "key"),
            (input(&"a".repeat(65), T::Text), "key"),
            (DefinitionInput { label: " ".to_owned(), ..input("a", T::Text) }, "label"),
            (DefinitionInput { required: true, ..input("a", T::Section) }, "required"),
            (DefinitionInput { required: true, ..expression("1") }, "required"),
            (DefinitionInput { sensitive: true, ..input("a", T::Section) }, "sensitive"),
            (DefinitionInput { unit: Some("kg".to_owned()), ..input("a", T::Text) }, "unit"),
            (DefinitionInput { min: Some(Decimal::ONE), ..input("a", T::Date) }, "min"),
            (DefinitionInput { max: Some(Decimal::ONE), ..input("a", T::Text) }, "max"),
            (DefinitionInput { min: Some(Decimal::TWO), max: Some(Decimal::ONE), ..input("a", T::Integer) }, "max"),
            (DefinitionInput { visible_to: Some(Vec::new()), ..input("a", T::Text) }, "visibleTo"),
            (DefinitionInput { position: -1, ..input("a", T::Text) }, "position"),
            (input("a", T::SingleChoice), "options"),
            (input("a", T::Table), "options"),
            (DefinitionInput { options: texts(&["x"]), ..input("a", T::Text) }, "options"),
            (DefinitionInput { options: texts(&["x", " x "]), ..input("a", T::MultiChoice) }, "options.1"),
            (DefinitionInput { options: texts(&[""]), ..input("a", T::SingleChoice) }, "options.0"),
            (input("a", T::Calculated), "expression"),
            (DefinitionInput { expression: Some("1".to_owned()), ..input("a", T::Text) }, "expression"),
            (expression("1 +"), "expression"),
            (expression("nowhere * 2"), "expression"),
        ] {
            assert_eq!(refused(vec![bad.clone()]), [format!("fields.0.{place}")], "{bad:?}");
        }
        assert_eq!(refused(vec![input("a", T::Text), input("a", T::Date)]), ["fields.1.key"]);
        assert_eq!(refused(vec![input("a", T::Text); 201]), ["fields"]);
    }

    #[test]
    fn what_is_calculated_is_as_sensitive_as_what_it_is_made_of() {
        let secret = DefinitionInput { sensitive: true, ..input("cd4", FieldType::Integer) };
        assert_eq!(refused(vec![secret.clone(), expression("cd4 / 2")]), ["fields.1.expression"]);
        let kept = DefinitionInput { sensitive: true, ..expression("cd4 / 2") };
        assert_eq!(refused(vec![kept, secret]), [""; 0]);
    }

    #[test]
    fn fields_come_in_the_order_of_their_positions_and_survive_json() {
        let late = DefinitionInput {
            position: 2,
            min: Some(Decimal::new(35, 1)),
            unit: Some("kg".to_owned()),
            visible_to: Some(vec![Permission::RecordRead]),
            ..input("late", FieldType::Decimal)
        };
        let fields = checked_definitions(vec![late, input("early", FieldType::Text)], "fields").unwrap_or_default();
        assert_eq!(fields.iter().map(|field| field.key.as_str()).collect::<Vec<_>>(), ["early", "late"]);
        let json = serde_json::to_value(&fields).unwrap_or_default();
        assert_eq!(serde_json::from_value::<Vec<FieldDefinition>>(json).ok(), Some(fields));
    }
}
