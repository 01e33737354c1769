//! What a parsed document expands to, each fragment measured once.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet};
use async_graphql::{Pos, Positioned, ServerError};

use super::{DocumentLimits, MAX_INTROSPECTION_DEPTH, MAX_INTROSPECTION_LISTS, MAX_LEVELS};

/// Why a document is not handed to validation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    message: String,
    at: Option<Pos>,
}

impl Refused {
    pub(super) fn new(message: impl Into<String>, at: Option<Pos>) -> Self {
        Self { message: message.into(), at }
    }

    pub(super) fn into_server_error(self) -> ServerError {
        ServerError::new(self.message, self.at)
    }
}

/// Sizes of one selection set with all spreads written out. Sums saturate: they double with every fragment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    selections: usize,
    aliases: usize,
    directives: usize,
    /// Fields on the longest path, not counting what lies below `__schema` and `__type`.
    depth: usize,
    /// Fields on the longest path below `__schema` and `__type`.
    introspection_depth: usize,
    /// Schema lists nested in each other; means something only below `__schema` and `__type`.
    lists: usize,
    introspection_lists: usize,
    /// Selection sets, inline fragments and spreads on the longest path.
    levels: usize,
}

impl Size {
    /// Adds what stands beside in the same selection set.
    fn beside(&mut self, other: Self) {
        self.selections = self.selections.saturating_add(other.selections);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.directives = self.directives.saturating_add(other.directives);
        self.depth = self.depth.max(other.depth);
        self.introspection_depth = self.introspection_depth.max(other.introspection_depth);
        self.lists = self.lists.max(other.lists);
        self.introspection_lists = self.introspection_lists.max(other.introspection_lists);
        self.levels = self.levels.max(other.levels);
    }
}

enum Fragment {
    InProgress,
    Known(Size),
}

struct Measurer<'a> {
    document: &'a ExecutableDocument,
    known: HashMap<&'a str, Fragment>,
}

/// Measures all operations and fragments, used or not: validation visits them all.
pub(super) fn check(document: &ExecutableDocument, limits: &DocumentLimits) -> Result<(), Refused> {
    let mut measurer = Measurer { document, known: HashMap::with_capacity(document.fragments.len()) };
    let mut total = 0_usize;
    for (name, fragment) in &document.fragments {
        let size = measurer.fragment(name.as_str(), fragment, 0)?;
        total = total.saturating_add(size.selections);
        // Depth is judged where the fragment is used: one on `__Type` may be as deep as introspection is.
        if size.levels > MAX_LEVELS {
            return too_nested(fragment.pos);
        }
    }
    for (_, operation) in document.operations.iter() {
        let mut size = measurer.set(&operation.node.selection_set, 1)?;
        size.directives = size.directives.saturating_add(operation.node.directives.len());
        total = total.saturating_add(size.selections);
        within(size, operation.pos, limits)?;
    }
    if total > limits.max_expanded {
        return Err(Refused::new(
            format!("The document expands to more than {} selections.", limits.max_expanded),
            None,
        ));
    }
    Ok(())
}

fn within(size: Size, at: Pos, limits: &DocumentLimits) -> Result<(), Refused> {
    let refuse = |what: String| Err(Refused::new(what, Some(at)));
    if size.levels > MAX_LEVELS {
        return too_nested(at);
    }
    if size.depth > limits.max_depth {
        return refuse(format!("The operation is deeper than {} fields.", limits.max_depth));
    }
    if size.introspection_depth > MAX_INTROSPECTION_DEPTH || size.introspection_lists > MAX_INTROSPECTION_LISTS {
        return refuse("The introspection is nested too deep.".to_owned());
    }
    if size.aliases > limits.max_aliases {
        return refuse(format!("The operation uses more than {} aliases.", limits.max_aliases));
    }
    if size.directives > limits.max_directives {
        return refuse(format!("The operation uses more than {} directives.", limits.max_directives));
    }
    Ok(())
}

fn too_nested<T>(at: Pos) -> Result<T, Refused> {
    Err(Refused::new(format!("Fragments and selections are nested deeper than {MAX_LEVELS} levels."), Some(at)))
}

impl<'a> Measurer<'a> {
    fn fragment(
        &mut self,
        name: &'a str,
        fragment: &'a Positioned<FragmentDefinition>,
        level: usize,
    ) -> Result<Size, Refused> {
        match self.known.get(name) {
            Some(Fragment::Known(size)) => return Ok(*size),
            Some(Fragment::InProgress) => {
                let message = format!("Cannot spread fragment \"{name}\" within itself.");
                return Err(Refused::new(message, Some(fragment.pos)));
            }
            None => {}
        }
        self.known.insert(name, Fragment::InProgress);
        let mut size = self.set(&fragment.node.selection_set, level + 1)?;
        size.directives = size.directives.saturating_add(fragment.node.directives.len());
        self.known.insert(name, Fragment::Known(size));
        Ok(size)
    }

    /// `level` counts the calls on the stack, so that a long chain of fragments cannot exhaust it.
    fn set(&mut self, set: &'a Positioned<SelectionSet>, level: usize) -> Result<Size, Refused> {
        if level > MAX_LEVELS {
            return too_nested(set.pos);
        }
        let mut sum = Size::default();
        for selection in &set.node.items {
            let mut size = match &selection.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let mut size = self.set(&field.selection_set, level + 1)?;
                    match field.name.node.as_str() {
                        "__schema" | "__type" => {
                            size.introspection_depth = size.introspection_depth.max(size.depth);
                            size.introspection_lists = size.introspection_lists.max(size.lists);
                            size.depth = 1;
                            size.lists = 0;
                        }
                        "fields" | "interfaces" | "possibleTypes" | "inputFields" => {
                            size.depth = size.depth.saturating_add(1);
                            size.lists = size.lists.saturating_add(1);
                        }
                        _ => size.depth = size.depth.saturating_add(1),
                    }
                    size.aliases = size.aliases.saturating_add(usize::from(field.alias.is_some()));
                    size
                }
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set, level + 1)?,
                Selection::FragmentSpread(spread) => {
                    let document = self.document;
                    match document.fragments.get_key_value(&spread.node.fragment_name.node) {
                        Some((name, fragment)) => self.fragment(name.as_str(), fragment, level + 1)?,
                        // Validation names the fragment that does not exist.
                        None => Size::default(),
                    }
                }
            };
            size.levels = size.levels.saturating_add(1);
            size.selections = size.selections.saturating_add(1);
            size.directives = size.directives.saturating_add(selection.node.directives().len());
            sum.beside(size);
        }
        Ok(sum)
    }
}
