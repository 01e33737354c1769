//! The one root field of a subscription, gathered from wherever its document writes it.
//!
//! The executor opens a stream for each field that stands directly at the root. One that stands in a fragment there would
//! get none, and the subscription would end at once without a word; one that is written twice would get two, and every
//! event would come twice, each time with half of its fields.

use std::collections::HashSet;

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet, TypeCondition,
};
use async_graphql::{Name, Positioned};

use super::measure::Refused;

/// The same document with its subscriptions' root fields gathered; none where each stands alone already. Expects a
/// document that has been measured: its fragments do not go round in circles.
///
/// # Errors
/// For a subscription with several root fields, or with conditions at its root, which the specification forbids.
pub(super) fn gather(document: &ExecutableDocument) -> Result<Option<ExecutableDocument>, Refused> {
    let mut gathered = Vec::new();
    for (name, operation) in document.operations.iter() {
        if operation.node.ty == OperationType::Subscription
            && let Some(root) = Root::of(document, operation)?
        {
            gathered.push((name.cloned(), root));
        }
    }
    if gathered.is_empty() {
        return Ok(None);
    }
    let mut document = document.clone();
    let mut unfolded = HashSet::new();
    for (name, root) in gathered {
        use async_graphql::parser::types::DocumentOperations::{Multiple, Single};
        let operation = match (&mut document.operations, name) {
            (Single(operation), _) => Some(operation),
            (Multiple(operations), Some(name)) => operations.get_mut(&name),
            (Multiple(_), None) => None,
        };
        if let Some(operation) = operation {
            let set = &mut operation.node.selection_set;
            set.node.items =
                root.field.map(|field| Positioned::new(Selection::Field(field), set.pos)).into_iter().collect();
            unfolded.extend(root.fragments);
        }
    }
    // Validation objects to fragments that nobody uses; those that nobody used before are its business.
    let used = used(&document);
    document.fragments.retain(|name, _| used.contains(name) || !unfolded.contains(name));
    Ok(Some(document))
}

/// What stands at the root of a subscription.
#[derive(Default)]
struct Root {
    field: Option<Positioned<Field>>,
    /// Fragments whose fields stand there.
    fragments: HashSet<Name>,
    /// Whether a fragment is missing or is one of another type. Validation says so.
    is_broken: bool,
}

impl Root {
    /// None where one field stands there alone, or where validation will refuse the document.
    fn of(document: &ExecutableDocument, operation: &Positioned<OperationDefinition>) -> Result<Option<Self>, Refused> {
        let set = &operation.node.selection_set.node;
        if let [Positioned { node: Selection::Field(field), .. }] = set.items.as_slice()
            && field.node.directives.is_empty()
        {
            return Ok(None);
        }
        let mut root = Self::default();
        root.read(document, set, operation)?;
        Ok((!root.is_broken).then_some(root))
    }

    fn read(
        &mut self,
        document: &ExecutableDocument,
        set: &SelectionSet,
        operation: &Positioned<OperationDefinition>,
    ) -> Result<(), Refused> {
        for selection in &set.items {
            if !selection.node.directives().is_empty() {
                let message = "A subscription must have no directives at its root.";
                return Err(Refused::new(message, Some(selection.pos)));
            }
            match &selection.node {
                Selection::Field(field) => self.add(field, operation)?,
                Selection::InlineFragment(inline) => {
                    self.is_broken |= inline.node.type_condition.as_ref().is_some_and(is_foreign);
                    self.read(document, &inline.node.selection_set.node, operation)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let Some(fragment) = document.fragments.get(name) else {
                        self.is_broken = true;
                        continue;
                    };
                    self.is_broken |= is_foreign(&fragment.node.type_condition);
                    if self.fragments.insert(name.clone()) {
                        self.read(document, &fragment.node.selection_set.node, operation)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, field: &Positioned<Field>, operation: &Positioned<OperationDefinition>) -> Result<(), Refused> {
        let Some(first) = &mut self.field else {
            self.field = Some(field.clone());
            return Ok(());
        };
        if !is_same(&first.node, &field.node) {
            return Err(Refused::new("A subscription must select exactly one root field.", Some(operation.pos)));
        }
        first.node.selection_set.node.items.extend(field.node.selection_set.node.items.iter().cloned());
        Ok(())
    }
}

/// Whether it is for another type than subscriptions are of.
fn is_foreign(condition: &Positioned<TypeCondition>) -> bool {
    condition.node.on.node != "Subscription"
}

/// Whether two fields ask the same and answer under the same key.
fn is_same(one: &Field, other: &Field) -> bool {
    let key = |field: &Field| field.response_key().node.clone();
    let arguments = |field: &Field| {
        let mut arguments: Vec<_> =
            field.arguments.iter().map(|(name, value)| (name.node.clone(), value.node.to_string())).collect();
        arguments.sort();
        arguments
    };
    key(one) == key(other) && one.name.node == other.name.node && arguments(one) == arguments(other)
}

/// The fragments that operations spread, directly or by others.
fn used(document: &ExecutableDocument) -> HashSet<Name> {
    let mut used = HashSet::new();
    let mut open: Vec<&SelectionSet> =
        document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node).collect();
    while let Some(set) = open.pop() {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => open.push(&field.node.selection_set.node),
                Selection::InlineFragment(inline) => open.push(&inline.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if let Some(fragment) = document.fragments.get(name)
                        && used.insert(name.clone())
                    {
                        open.push(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
    used
}
