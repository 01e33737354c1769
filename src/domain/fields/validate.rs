//! Values of fields, as somebody sends them and as they are kept.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::{FieldDefinition, value};
use crate::domain::refusal::Refusal;

/// Values by the keys of their fields, in the form in which they are kept.
pub type Values = BTreeMap<String, Value>;

/// A value as somebody sent it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Given {
    /// Of which field.
    pub key: String,
    /// Null takes the value away.
    pub value: Value,
}

/// An attachment that a value names: whoever keeps the value makes sure that it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Which.
    pub id: Uuid,
    /// The key of the field that names it.
    pub key: String,
    /// Where it was named, as a path into the input.
    pub path: String,
}

/// Values that fit their fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckedValues {
    /// What was given and nothing else, in normal form; null: taken away.
    pub values: Values,
    /// The attachments that they name.
    pub attachments: Vec<Attached>,
}

/// Checks the values that were given against their fields; `at` is the path of the list in the input, `open` finds the
/// centre's attachment behind an id of the API. Everything that is wrong is told at once, each at its place.
///
/// A key that is not defined is NOT_FOUND, so a field that is gone cannot be written by mistake.
///
/// # Errors
/// Values that do not fit.
pub fn validate_values(
    definitions: &[FieldDefinition],
    given: &[Given],
    at: &str,
    open: &dyn Fn(&str) -> Option<Uuid>,
) -> Result<CheckedValues, Vec<Refusal>> {
    let mut checked = CheckedValues::default();
    let mut refusals = Vec::new();
    let mut seen = BTreeSet::new();
    for (n, Given { key, value }) in given.iter().enumerate() {
        let Some(field) = definitions.iter().find(|field| field.key == *key) else {
            refusals.push(Refusal::not_found(&format!("{at}.{n}.key")));
            continue;
        };
        if !seen.insert(key) {
            refusals.push(Refusal::invalid(&format!("{at}.{n}.key"), "give each field only once"));
            continue;
        }
        match value::checked(field, value, open) {
            Ok(kept) => {
                let path = format!("{at}.{n}.value");
                let named =
                    kept.attachments.iter().map(|id| Attached { id: *id, key: key.clone(), path: path.clone() });
                checked.attachments.extend(named);
                checked.values.insert(key.clone(), kept.value);
            }
            Err((place, message)) => {
                refusals.push(Refusal::invalid(&format!("{at}.{n}.value{place}"), message));
            }
        }
    }
    if refusals.is_empty() { Ok(checked) } else { Err(refusals) }
}

/// The required fields that have no value.
pub fn missing<'a>(
    definitions: &'a [FieldDefinition],
    values: &'a Values,
) -> impl Iterator<Item = &'a FieldDefinition> {
    let empty = |key: &str| values.get(key).is_none_or(Value::is_null);
    definitions.iter().filter(move |field| field.required && field.kind.is_written() && empty(&field.key))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::fields::{FieldType, calculated};

    fn field(key: &str, kind: FieldType) -> FieldDefinition {
        let options = match kind {
            FieldType::SingleChoice | FieldType::MultiChoice => ["bajo", "medio", "alto"].map(str::to_owned).to_vec(),
            FieldType::Table => vec!["Dosis".to_owned()],
            _ => Vec::new(),
        };
        FieldDefinition {
            key: key.to_owned(),
            label: key.to_owned(),
            kind,
            required: false,
            options,
            unit: None,
            min: None,
            max: None,
            expression: None,
            sensitive: false,
            visible_to: None,
            position: 0,
        }
    }

    const FILE: &str = "0191e0c0-0000-7000-8000-000000000001";

    fn open(word: &str) -> Option<Uuid> {
        (word == "attachment").then(|| Uuid::parse_str(FILE).unwrap_or_default())
    }

    fn judge(field: FieldDefinition, value: Value) -> Result<Value, Vec<String>> {
        let given = [Given { key: field.key.clone(), value }];
        validate_values(std::slice::from_ref(&field), &given, "values", &open)
            .map(|mut checked| checked.values.remove(&field.key).unwrap_or_default())
            .map_err(|refusals| refusals.into_iter().map(|r| r.field.unwrap_or_default().join(".")).collect())
    }

    #[test]
    fn every_type_has_a_normal_form() {
        use FieldType as T;
        for (kind, written, kept) in [
            (T::Text, json!(" hola "), json!("hola")),
            (T::Text, json!("  "), json!(null)),
            (T::LongText, json!("a\nb "), json!("a\nb")),
            (T::Integer, json!("7"), json!(7)),
            (T::Decimal, json!(36.60), json!("36.6")),
            (T::Boolean, json!(false), json!(false)),
            (T::Date, json!("2026-07-15"), json!("2026-07-15")),
            (T::DateTime, json!("2026-07-15T08:00:00-04:00"), json!("2026-07-15T08:00:00-04:00")),
            (T::SingleChoice, json!("alto"), json!("alto")),
            (T::MultiChoice, json!(["alto", "bajo"]), json!(["bajo", "alto"])),
            (T::MultiChoice, json!([]), json!(null)),
            (T::File, json!("attachment"), json!([FILE])),
            (T::Photo, json!(["attachment", "attachment"]), json!([FILE])),
            (
                T::BodyMap,
                json!([{ "x": 0.5, "y": 0.5, "view": "FRONT" }]),
                json!([{ "x": 0.5, "y": 0.5, "view": "FRONT" }]),
            ),
            (T::Table, json!([{ "Dosis": "1" }]), json!([{ "Dosis": "1" }])),
            (T::Calculated, json!(null), json!(null)),
        ] {
            assert_eq!(judge(field("f", kind), written.clone()), Ok(kept.clone()), "{kind:?} {written}");
            // What is kept passes as it is, but for attachments, which are named by other words outside.
            if !kind.is_attachment() {
                assert_eq!(judge(field("f", kind), kept.clone()), Ok(kept), "{kind:?}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_at_its_place() {
        use FieldType as T;
        let here = "values.0.value";
        for (kind, bad, place) in [
            (T::Text, json!("a\nb"), here),
            (T::Text, json!(1), here),
            (T::Text, json!("x".repeat(501)), here),
            (T::LongText, json!("a\u{0}"), here),
            (T::Integer, json!(1.5), here),
            (T::Decimal, json!("1,5"), here),
            (T::Boolean, json!("true"), here),
            (T::Date, json!("2026-02-30"), here),
            (T::Date, json!(20_260_230), here),
            (T::DateTime, json!("2026-07-15T08:00:00"), here),
            (T::SingleChoice, json!("otro"), here),
            (T::SingleChoice, json!(["alto"]), here),
            (T::MultiChoice, json!("alto"), here),
            (T::MultiChoice, json!(["alto", "otro"]), "values.0.value.1"),
            (T::MultiChoice, json!(["alto", "alto", "alto", "alto"]), here),
            (T::File, json!("another"), here),
            (T::Photo, json!(["attachment", "another"]), "values.0.value.1"),
            (T::Photo, json!(vec!["attachment"; 21]), here),
            (T::BodyMap, json!([{ "x": 2, "y": 0, "view": "FRONT" }]), "values.0.value.0.x"),
            (T::Signature, json!({ "name": "Ana" }), "values.0.value.strokes"),
            (T::Calculated, json!("1"), here),
            (T::Section, json!("x"), here),
            (T::Table, json!([{ "Color": "x" }]), "values.0.value.0"),
        ] {
            assert_eq!(judge(field("f", kind), bad.clone()), Err(vec![place.to_owned()]), "{kind:?} {bad}");
        }
    }

    #[test]
    fn a_number_lies_within_its_bounds() {
        let bounded = FieldDefinition { min: Some(30.into()), max: Some(45.into()), ..field("t", FieldType::Decimal) };
        for (number, fits) in [("30", true), ("45.0", true), ("29.99", false), ("45.01", false)] {
            assert_eq!(judge(bounded.clone(), json!(number)).is_ok(), fits, "{number}");
        }
        let whole = FieldDefinition { kind: FieldType::Integer, ..bounded };
        assert!(judge(whole.clone(), json!(31)).is_ok() && judge(whole, json!(46)).is_err());
    }

    #[test]
    fn unknown_and_repeated_keys_are_refused_together() {
        let given = |key: &str| Given { key: key.to_owned(), value: json!("x") };
        let refusals =
            validate_values(&[field("a", FieldType::Text)], &[given("a"), given("b"), given("a")], "v", &open)
                .err()
                .unwrap_or_default();
        let told: Vec<_> = refusals.into_iter().map(|refusal| refusal.field.unwrap_or_default().join(".")).collect();
        assert_eq!(told, ["v.1.key", "v.2.key"]);
    }

    #[test]
    fn a_blank_does_not_fill_a_required_field() {
        let required = |key: &str, kind| FieldDefinition { required: true, ..field(key, kind) };
        let fields =
            [required("a", FieldType::Text), required("b", FieldType::Boolean), required("c", FieldType::Section)];
        let values = Values::from([("a".to_owned(), Value::Null), ("b".to_owned(), json!(false))]);
        assert_eq!(missing(&fields, &values).map(|field| field.key.as_str()).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn calculated_fields_follow_from_the_others() {
        let bmi = FieldDefinition {
            expression: Some("weight / (height * height)".to_owned()),
            ..field("bmi", FieldType::Calculated)
        };
        let fields = [field("weight", FieldType::Integer), field("height", FieldType::Decimal), bmi];
        let mut values = Values::from([("weight".to_owned(), json!(70)), ("height".to_owned(), json!("1.75"))]);
        assert_eq!(calculated(&fields, &values), Values::from([("bmi".to_owned(), json!("22.857143"))]));
        values.insert("height".to_owned(), json!("0"));
        assert_eq!(calculated(&fields, &values), Values::from([("bmi".to_owned(), Value::Null)]));
    }
}
