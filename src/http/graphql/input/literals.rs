//! Ints beyond 32 bits that are written into the document itself.

use std::convert::Infallible;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::registry::{MetaType, MetaTypeName, Registry};
use async_graphql::{ServerError, Value};

use super::{TOO_WIDE, has_wide_integer, wrong};

/// Digits of the shortest Int that does not fit.
const FEWEST_DIGITS: usize = 10;

/// Judges the arguments of an operation whose document has been measured: it ends, and not too deep.
pub(in crate::http::graphql) fn check_literals(
    registry: &Registry,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
) -> Result<(), ServerError> {
    let root = match operation.ty {
        OperationType::Query => Some(&registry.query_type),
        OperationType::Mutation => registry.mutation_type.as_ref(),
        OperationType::Subscription => registry.subscription_type.as_ref(),
    };
    let on = root.and_then(|name| registry.types.get(name));
    Literals { registry, document }.set(&operation.selection_set.node, on)
}

/// Whether a document can hold such an Int at all; most cannot, and need not be walked.
pub(in crate::http::graphql) fn may_hold_wide_integer(document: &str) -> bool {
    let mut digits = 0;
    document.bytes().any(|byte| {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        digits >= FEWEST_DIGITS
    })
}

struct Literals<'a> {
    registry: &'a Registry,
    document: &'a ExecutableDocument,
}

impl Literals<'_> {
    /// `on`: the type that is selected from; none: validation will say that there is no such.
    fn set(&self, set: &SelectionSet, on: Option<&MetaType>) -> Result<(), ServerError> {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.field(&field.node, on)?,
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref().map(|condition| &condition.node.on.node);
                    let on = condition.map_or(on, |name| self.registry.types.get(name.as_str()));
                    self.set(&inline.node.selection_set.node, on)?;
                }
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                        let on = self.registry.types.get(fragment.node.type_condition.node.on.node.as_str());
                        self.set(&fragment.node.selection_set.node, on)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&self, field: &Field, on: Option<&MetaType>) -> Result<(), ServerError> {
        let known = on.and_then(|on| on.field_by_name(field.name.node.as_str()));
        for (name, value) in &field.arguments {
            let Some(argument) = known.and_then(|field| field.args.get(name.node.as_str())) else { continue };
            // Variables are judged where they are declared.
            let Ok(literal) = value.node.clone().into_const_with(|_| Ok::<_, Infallible>(Value::Null));
            let mut path = vec![name.node.to_string()];
            if has_wide_integer(self.registry, &argument.ty, &literal, &mut path) {
                return Err(wrong(ServerError::new("", Some(value.pos)), path, TOO_WIDE));
            }
        }
        let of = known.and_then(|field| self.registry.types.get(MetaTypeName::concrete_typename(&field.ty)));
        self.set(&field.selection_set.node, of)
    }
}

#[cfg(test)]
mod tests {
    use super::may_hold_wide_integer;

    #[test]
    fn only_ten_digits_in_a_row_can_be_too_many() {
        assert!(may_hold_wide_integer("{a(n:2147483648)}") && may_hold_wide_integer("-9999999999"));
        assert!(!may_hold_wide_integer("{a(n:999999999,m:999999999)}") && !may_hold_wide_integer(""));
    }
}
