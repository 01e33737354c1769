//! [`Shared`]: one answer for all sockets that ask the same question of an event with the same rights.
//!
//! An answer depends on the event and its moment, on the selection with its fragments and variables, and on what the
//! caller may see. Nothing else may flow into it. So an answer with something of a type that is [`PERSONAL`] is shared
//! with nobody, and a field of any other type below a stream's payload must neither depend on who the caller is beyond
//! [`Rights`] nor note that somebody has looked.

use std::{borrow::Cow, fmt::Write, sync::Arc};

use async_graphql::{
    Context, ContextSelectionSet, Name, OutputType, Positioned, ServerError, ServerResult, Value,
    parser::types::{BaseType, Field, Selection, SelectionSet},
    registry::{MetaType, MetaTypeName, Registry},
};
use sha2::{Digest, Sha256};

use crate::{
    auth::Actor,
    domain::identity::authenticate::Rights,
    events::{AnswerKey, Event, Unshared},
};

/// Types of which everybody gets an answer of the own: each look at a record is noted with its reader's name, links to
/// files are good for one use, and a user sees the own account, whatever the rights.
pub const PERSONAL: &[&str] = &["ClinicalRecord", "RecordEntry", "Attachment", "User"];

/// An item of a stream whose answer may be somebody else's too.
pub struct Shared<T> {
    item: T,
    /// The event it tells of, and under which key it keeps the answer; none: the answer is the subscriber's alone.
    kept: Option<(Arc<Event>, AnswerKey)>,
}

impl<T> Shared<T> {
    /// What `item` becomes for a key is kept with the event.
    pub fn new(item: T, kept: Option<(Arc<Event>, AnswerKey)>) -> Self {
        Self { item, kept }
    }
}

/// Why an answer was not kept.
enum Own {
    /// It is an error.
    Failed(ServerError),
    /// Fields of it failed; the errors are with the operation that made it.
    Partly(Value),
}

impl<T: OutputType> OutputType for Shared<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.item.introspection_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let Some((event, key)) = &self.kept else { return Box::pin(self.item.resolve(ctx, field)).await };
        if let Some(value) = event.answers.made::<Value>(key) {
            return Ok(Value::clone(&value));
        }
        let make = || async {
            let value = self.item.resolve(ctx, field).await.map_err(|error| Unshared(Own::Failed(error)))?;
            let whole = ctx.query_env.errors.lock().is_ok_and(|errors| errors.is_empty());
            if whole { Ok(value) } else { Err(Unshared(Own::Partly(value))) }
        };
        // In a box, because a stream keeps room for this between its events.
        match Box::pin(event.answers.get(key, make)).await {
            Ok(value) => Ok(Value::clone(&value)),
            Err(Unshared(Own::Partly(value))) => Ok(value),
            Err(Unshared(Own::Failed(error))) => Err(error),
        }
    }
}

/// Names what the answers to this operation depend on besides the event; none: on who asks. Made once per stream.
pub fn answer_key(ctx: &Context<'_>, actor: &Actor) -> Option<AnswerKey> {
    if is_personal(ctx) {
        return None;
    }
    let field = &ctx.item.node;
    let environment = ctx.query_env;
    // The words of Debug are no promise between versions, but the key never leaves the process.
    let mut question = format!("{:?}\n{:?}\n", field.name.node, field.selection_set);
    let mut fragments: Vec<_> = environment.fragments.iter().collect();
    fragments.sort_by_key(|(name, _)| name.as_str());
    for (name, fragment) in fragments {
        let _ = writeln!(question, "{name}: {fragment:?}");
    }
    let definitions = &environment.operation.node.variable_definitions;
    for definition in definitions {
        let name = &definition.node.name.node;
        // A cursor says where a stream begins, and nothing below it takes one: it changes no answer, and differs from
        // socket to socket.
        if definition.node.var_type.node.base != BaseType::Named(Name::new("EventCursor")) {
            let value = environment.variables.get(name);
            let _ = writeln!(question, "{name}: {value:?} {:?}", definition.node.default_value);
        }
    }
    let _ = write!(question, "{:?} {:?}", actor.kind, Rights::of(actor));
    Some(Sha256::digest(question.as_bytes()).into())
}

/// Whether something of a personal type is asked for.
fn is_personal(ctx: &Context<'_>) -> bool {
    let types = &ctx.schema_env.registry;
    let named = |name: &str| types.types.get(name);
    let stream = types.subscription_type.as_deref().and_then(named);
    // Each fragment once, wherever it is spread.
    let mut fragments = ctx.query_env.fragments.values().map(|fragment| &fragment.node);
    reaches_personal(types, stream, &ctx.item.node)
        || fragments.any(|fragment| {
            let on = named(&fragment.type_condition.node.on.node);
            selects_personal(types, on, &fragment.selection_set.node)
        })
}

fn reaches_personal(types: &Registry, on: Option<&MetaType>, field: &Field) -> bool {
    let Some(meta) = on.and_then(|on| on.field_by_name(&field.name.node)) else { return false };
    let name = MetaTypeName::concrete_typename(&meta.ty);
    PERSONAL.contains(&name) || selects_personal(types, types.types.get(name), &field.selection_set.node)
}

fn selects_personal(types: &Registry, on: Option<&MetaType>, set: &SelectionSet) -> bool {
    set.items.iter().any(|selection| match &selection.node {
        Selection::Field(field) => reaches_personal(types, on, &field.node),
        Selection::InlineFragment(inline) => {
            let condition = inline.node.type_condition.as_ref();
            let narrowed = condition.map_or(on, |condition| types.types.get(condition.node.on.node.as_str()));
            selects_personal(types, narrowed, &inline.node.selection_set.node)
        }
        Selection::FragmentSpread(_) => false,
    })
}
