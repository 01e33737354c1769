//! [`Shared`]: one answer for all sockets that ask the same question of an event with the same rights.
//!
//! An answer depends on the event and its moment, on the selection with its fragments and variables, and on what the
//! caller may see. Nothing else may flow into it: a field below a stream's payload must not depend on who the caller
//! is beyond [`Rights`].

use std::{borrow::Cow, fmt::Write, sync::Arc};

use async_graphql::{
    Context, ContextSelectionSet, Name, OutputType, Positioned, ServerError, ServerResult, Value,
    parser::types::{BaseType, Field},
    registry::Registry,
};
use sha2::{Digest, Sha256};

use crate::{
    auth::Actor,
    domain::identity::authenticate::Rights,
    events::{AnswerKey, Event, Unshared},
};

/// An item of a stream whose answer may be somebody else's too.
pub struct Shared<T> {
    item: T,
    /// The event it tells of; none: it is the subscriber's alone.
    event: Option<Arc<Event>>,
    key: AnswerKey,
}

impl<T> Shared<T> {
    /// What `item` becomes for `key` is kept with the event.
    pub fn new(item: T, event: Option<Arc<Event>>, key: AnswerKey) -> Self {
        Self { item, event, key }
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
        let Some(event) = &self.event else { return Box::pin(self.item.resolve(ctx, field)).await };
        if let Some(value) = event.answers.made::<Value>(&self.key) {
            return Ok(Value::clone(&value));
        }
        let make = || async {
            let value = self.item.resolve(ctx, field).await.map_err(|error| Unshared(Own::Failed(error)))?;
            let whole = ctx.query_env.errors.lock().is_ok_and(|errors| errors.is_empty());
            if whole { Ok(value) } else { Err(Unshared(Own::Partly(value))) }
        };
        // In a box, because a stream keeps room for this between its events.
        match Box::pin(event.answers.get(&self.key, make)).await {
            Ok(value) => Ok(Value::clone(&value)),
            Err(Unshared(Own::Partly(value))) => Ok(value),
            Err(Unshared(Own::Failed(error))) => Err(error),
        }
    }
}

/// Names what the answers to this operation depend on besides the event. Made once per stream.
pub fn answer_key(ctx: &Context<'_>, actor: &Actor) -> AnswerKey {
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
    Sha256::digest(question.as_bytes()).into()
}
