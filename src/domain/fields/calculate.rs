//! Calculated fields.

use serde_json::Value;

use super::{FieldDefinition, FieldType, Values, expression::Expression, number};

/// What the calculated fields are, given the values of the others. A field without a result is null.
#[must_use]
pub fn calculated(definitions: &[FieldDefinition], values: &Values) -> Values {
    let number = |name: &str| {
        let field = definitions.iter().find(|field| field.key == name && field.kind.is_number())?;
        values.get(&field.key).and_then(number::kept)
    };
    let result = |field: &FieldDefinition| {
        let expression = Expression::parse(field.expression.as_deref()?).ok()?;
        expression.result(&number).map(|number| Value::from(number.to_string()))
    };
    definitions
        .iter()
        .filter(|field| field.kind == FieldType::Calculated)
        .map(|field| (field.key.clone(), result(field).unwrap_or(Value::Null)))
        .collect()
}
