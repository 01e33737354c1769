//! How large a document may be before anything expensive looks at it.
//!
//! The executor's own validation inlines fragments without remembering them and looks at its limits only afterwards:
//! ten fragments that each spread the next one eight times (less than 1 KB) took 20 GB. So the document is measured
//! here, before validation, in time linear in its text: first lexically (`scan`), because the parser recurses, then
//! structurally (`measure`), each fragment once.
//!
//! What a document *costs* (database work, list sizes) does not belong here.

mod documents;
mod guard;
mod measure;
mod scan;
mod subscription;

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Request, ServerError};

pub use documents::Documents;
pub use guard::DocumentGuard;

use super::code;

/// Brackets of any kind that may be open at once. The parser refuses selections nested deeper than 64 but recurses
/// without bound on lists, objects and types, so it never sees more than this.
const MAX_NESTING: usize = 64;

/// Levels of selection sets, inline fragments and fragment spreads on one path. Bounds recursion over chains of
/// fragments, which no bracket count sees.
const MAX_LEVELS: usize = 64;

/// Depth allowed below `__schema` and `__type`: the introspection query of graphql-js needs 14.
const MAX_INTROSPECTION_DEPTH: usize = 20;

/// How often `fields`, `interfaces`, `possibleTypes` and `inputFields` may be nested in each other below `__schema`
/// and `__type`. Each level multiplies the answer by the size of the schema; usual introspection needs one.
const MAX_INTROSPECTION_LISTS: usize = 2;

/// Bounds on one GraphQL document. Exceeding one is the client's error and is answered before validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentLimits {
    /// Lexical tokens in the document's text.
    pub max_tokens: usize,
    /// Fields and fragments after every spread was written out, over all operations and fragments.
    pub max_expanded: usize,
    /// Fields on one path from the root, leaves included. Introspection has a bound of its own.
    pub max_depth: usize,
    /// Aliases in one operation after every spread was written out.
    pub max_aliases: usize,
    /// Directives in one operation after every spread was written out.
    pub max_directives: usize,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self { max_tokens: 10_000, max_expanded: 10_000, max_depth: 12, max_aliases: 30, max_directives: 100 }
    }
}

/// Left in a request's data when its document was measured, so that it is not done twice.
struct Measured;

impl DocumentLimits {
    /// Parses the request's document, unless that has been done, and measures it.
    ///
    /// # Errors
    /// A GraphQL error with `extensions.code` for a document that does not parse or exceeds a bound.
    pub fn check(&self, request: &mut Request) -> Result<(), ServerError> {
        if request.data.contains_key(&std::any::TypeId::of::<Measured>()) {
            return Ok(());
        }
        scan::scan(&request.query, self.max_tokens, MAX_NESTING)
            .map_err(|refused| code::labelled(ServerError::new(refused.to_string(), None), code::PARSE_FAILED))?;
        let document = request.parsed_query().map_err(|error| code::labelled(shorten(error), code::PARSE_FAILED))?;
        // In this order: gathering follows spreads, which are known by then to end.
        let gathered = measure::check(document, self)
            .and_then(|()| subscription::gather(document))
            .map_err(|refused| code::labelled(refused.into_server_error(), code::VALIDATION_FAILED))?;
        if let Some(gathered) = gathered {
            request.set_parsed_query(gathered);
        }
        is_measured(request);
        Ok(())
    }
}

/// The request's document fits; nobody need look at it again.
fn is_measured(request: &mut Request) {
    request.data.insert(Measured);
}

/// The kind of the operation that this request would run, if its document parses and the choice is unambiguous.
pub(crate) fn operation_type(request: &mut Request) -> Option<OperationType> {
    chosen_of(request).map(|operation| operation.ty)
}

/// The operation that this request would run, if its document parses and the choice is unambiguous.
fn chosen_of(request: &mut Request) -> Option<&OperationDefinition> {
    let name = request.operation_name.clone();
    let document = request.parsed_query().ok()?;
    chosen(document, name.as_deref())
}

pub(super) fn chosen<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Option<&'a OperationDefinition> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(&operation.node),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name).map(|found| &found.node),
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            match (all.next(), all.next()) {
                (Some(only), None) => Some(&only.node),
                _ => None,
            }
        }
    }
}

/// The parser's message quotes the whole line in which it failed, which for a minified document is all of it.
fn shorten(mut error: ServerError) -> ServerError {
    let reason = error.message.lines().last().unwrap_or_default().trim().trim_start_matches("= ");
    let reason: String = reason.chars().take(200).collect();
    error.message = format!("Syntax error: {reason}");
    error
}

#[cfg(test)]
mod tests;
