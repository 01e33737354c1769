//! Values that are not of their type: where in the input each stands, and what it should have been.
//!
//! The executor's validation finds them before anything runs and says where in its message alone; [`located`] puts the
//! path into `extensions.field` and adds what the type says of itself. Two things it finds only while it runs, when the
//! path is lost: an Int beyond 32 bits, and null for a variable that takes none. [`check_variables`] finds them before in
//! variables, `literals` in the document.

mod literals;

use async_graphql::parser::types::OperationDefinition;
use async_graphql::registry::{MetaType, MetaTypeName, Registry};
use async_graphql::{ErrorExtensionValues, ServerError, Value, Variables};

use super::code;
pub(super) use literals::{check_literals, may_hold_wide_integer};

/// Why an Int is refused that has the right form.
const TOO_WIDE: &str = "an Int has 32 bits";

/// Longest part of the executor's own words that is repeated: they may quote the value.
const MAX_REASON: usize = 200;

/// Names the value that a validation error is about, if it is about a value.
pub(super) fn located(registry: &Registry, error: ServerError) -> ServerError {
    match parse(&error.message) {
        Some((path, reason)) => {
            let reason = match registry.types.get(expected(&reason)).and_then(description) {
                Some(description) => format!("{reason}: {description}"),
                None => reason,
            };
            wrong(error, path, &reason)
        }
        None => error,
    }
}

/// The path and the reason in `Invalid value for argument "input.start", expected type "DateTime"`.
fn parse(message: &str) -> Option<(Vec<String>, String)> {
    let told = message
        .strip_prefix("Invalid value for argument \"")
        .or_else(|| message.strip_prefix("Invalid default value for argument: \""))?;
    let (path, reason) = told.split_once("\", ")?;
    let mut path: Vec<String> = path.split('.').map(str::to_owned).collect();
    // Of a field that is missing, or that its type does not have, the executor names the object.
    for object_lacks in ["field \"", "unknown field \""] {
        path.extend(reason.strip_prefix(object_lacks).and_then(|rest| rest.split('"').next()).map(str::to_owned));
    }
    Some((path, reason.chars().take(MAX_REASON).collect()))
}

/// The type that was expected, without its marks of list and non-null.
fn expected(reason: &str) -> &str {
    let word = reason.strip_prefix("expected type \"").and_then(|rest| rest.split('"').next()).unwrap_or_default();
    word.trim_matches(['[', ']', '!'])
}

/// What a scalar says of itself; the types of the language need no explanation.
fn description(named: &MetaType) -> Option<String> {
    match named {
        MetaType::Scalar { name, description: Some(text), .. }
            if !matches!(name.as_str(), "Int" | "Float" | "String" | "Boolean" | "ID") =>
        {
            Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        _ => None,
    }
}

fn wrong(mut error: ServerError, path: Vec<String>, reason: &str) -> ServerError {
    error.message = format!("{}: {reason}", path.join("."));
    error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("field", path);
    code::labelled(error, code::BAD_USER_INPUT)
}

/// Judges what validation leaves to execution in the variables of the operation that is to run.
pub(super) fn check_variables(
    registry: &Registry,
    operation: &OperationDefinition,
    variables: &Variables,
) -> Result<(), ServerError> {
    for definition in &operation.variable_definitions {
        let default = definition.node.default_value.as_ref().map(|value| &value.node);
        let value = variables.get(&definition.node.name.node).or(default);
        let (name, of) = (definition.node.name.node.to_string(), definition.node.var_type.node.to_string());
        let refuse = |path, reason: &str| Err(wrong(ServerError::new("", Some(definition.pos)), path, reason));
        match value {
            None | Some(Value::Null) if of.ends_with('!') => {
                return refuse(vec![name], &format!("expected type \"{of}\", found nothing"));
            }
            None => {}
            Some(value) => {
                let mut path = vec![name];
                if has_wide_integer(registry, &of, value, &mut path) {
                    return refuse(path, TOO_WIDE);
                }
            }
        }
    }
    Ok(())
}

/// Whether an Int beyond 32 bits stands anywhere in the value; `path` then leads to it.
fn has_wide_integer(registry: &Registry, of: &str, value: &Value, path: &mut Vec<String>) -> bool {
    match (MetaTypeName::create(of), value) {
        (MetaTypeName::NonNull(of), _) => has_wide_integer(registry, of, value, path),
        (MetaTypeName::List(of), Value::List(values)) => {
            values.iter().enumerate().any(|(at, value)| within(at.to_string(), registry, of, value, path))
        }
        (MetaTypeName::List(of), _) => has_wide_integer(registry, of, value, path),
        (MetaTypeName::Named("Int"), Value::Number(number)) => {
            number.as_i64().is_some_and(|number| i32::try_from(number).is_err())
        }
        (MetaTypeName::Named(of), Value::Object(fields)) => {
            let Some(MetaType::InputObject { input_fields, .. }) = registry.types.get(of) else { return false };
            fields.iter().any(|(name, value)| {
                input_fields
                    .get(name.as_str())
                    .is_some_and(|field| within(name.to_string(), registry, &field.ty, value, path))
            })
        }
        (MetaTypeName::Named(_), _) => false,
    }
}

fn within(step: String, registry: &Registry, of: &str, value: &Value, path: &mut Vec<String>) -> bool {
    path.push(step);
    let found = has_wide_integer(registry, of, value, path);
    if !found {
        path.pop();
    }
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn reads_the_path_from_what_validation_says() {
        for (message, path) in [
            (r#"Invalid value for argument "input.items.0.start", expected type "DateTime""#, "input.items.0.start"),
            (r#"Invalid value for argument "to", enumeration type "S" does not contain the value "a", "b""#, "to"),
            (r#"Invalid value for argument "input", unknown field "x" of type "In""#, "input.x"),
            (
                r#"Invalid value for argument "input", field "key" of type "K!" is required but not provided"#,
                "input.key",
            ),
            (r#"Invalid default value for argument: "n", expected type "Int""#, "n"),
        ] {
            assert_eq!(parse(message).unwrap().0.join("."), path);
        }
        assert_eq!(parse("Unknown argument \"x\" on field \"y\""), None);
        assert_eq!(expected("expected type \"[DateTime!]!\""), "DateTime");
    }
}
