//! Objects and lists that are resolved in place. The engine puts each field of each object and each item of a list
//! into a heap allocation of its own, because any of them might wait for something. In an agenda hardly one does: its
//! rows are read before. Here a field that has its value at once costs no allocation, and only those behind the first
//! one that waits are taken as the engine takes them, all at the same time.

use std::{borrow::Cow, pin::pin, task::Poll};

use async_graphql::{
    ContainerType, ContextSelectionSet, Name, OutputType, Positioned, ServerResult, Value,
    indexmap::IndexMap,
    parser::types::{Field, Selection},
    registry::Registry,
    resolver_utils::resolve_container,
};
use futures::{
    future::{join, join_all},
    poll,
};

/// An object whose fields are resolved in place. To clients it is the object itself.
#[derive(Clone, Debug)]
pub struct InPlace<T>(pub T);

impl<T: ContainerType> OutputType for InPlace<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        let object = &self.0;
        let Some(fields) = plain(ctx) else { return resolve_container(ctx, object).await };
        let mut values = IndexMap::with_capacity(ctx.item.node.items.len());
        let value = |field| async move {
            let ctx = ctx.with_field(field);
            let name: Name = field.node.response_key().node.clone();
            if field.node.name.node == "__typename" {
                return (name, Ok(Some(Value::from(object.introspection_type_name().as_ref()))));
            }
            (name, object.resolve_field(&ctx).await)
        };
        each(fields, value, |(name, value)| match value {
            Ok(value) => drop(values.insert(name, value.unwrap_or_default())),
            Err(error) => ctx.add_error(error),
        })
        .await;
        Ok(if values.is_empty() { Value::Null } else { Value::Object(values) })
    }
}

/// A list whose items are resolved in place. To clients it is a list as any.
#[derive(Clone, Debug)]
pub struct InPlaceList<T>(pub Vec<T>);

impl<T: OutputType> OutputType for InPlaceList<T> {
    fn type_name() -> Cow<'static, str> {
        <Vec<T> as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Vec<T> as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let mut values = Ok(Vec::with_capacity(self.0.len()));
        let run = |(at, item)| async move {
            let ctx = ctx.with_index(at);
            T::resolve(item, &ctx, field).await.map_err(|error| ctx.set_error_path(error))
        };
        each(self.0.iter().enumerate(), run, |value| match (&mut values, value) {
            (Ok(values), Ok(value)) => values.push(value),
            (Ok(_), Err(error)) => values = Err(error),
            (Err(_), _) => {}
        })
        .await;
        values.map(Value::List)
    }
}

/// The fields of a selection that has nothing else: no fragments, no directives, no name twice. All that is left to the
/// engine.
fn plain<'a>(ctx: &ContextSelectionSet<'a>) -> Option<impl Iterator<Item = &'a Positioned<Field>> + use<'a>> {
    let items: &'a [Positioned<Selection>] = &ctx.item.node.items;
    let simple = |(at, selection)| {
        field(selection).is_some_and(|one| {
            let same = |earlier: &Positioned<Field>| earlier.node.response_key().node == one.node.response_key().node;
            one.node.directives.is_empty() && !items.iter().take(at).filter_map(field).any(same)
        })
    };
    items.iter().enumerate().all(simple).then(|| items.iter().filter_map(field))
}

fn field(selection: &Positioned<Selection>) -> Option<&Positioned<Field>> {
    match &selection.node {
        Selection::Field(field) => Some(field),
        Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
    }
}

/// Runs `run` for each item in the order of the items: one after the other as long as they end at once, and from the
/// first that waits on all the rest together.
async fn each<I, F: Future>(mut items: impl Iterator<Item = I>, run: impl Fn(I) -> F, mut done: impl FnMut(F::Output)) {
    let Some(first) = items.next() else { return };
    let mut current = pin!(run(first));
    loop {
        match poll!(current.as_mut()) {
            Poll::Ready(value) => done(value),
            Poll::Pending => {
                let (value, rest) = join(current, join_all(items.map(run))).await;
                done(value);
                rest.into_iter().for_each(done);
                return;
            }
        }
        let Some(next) = items.next() else { return };
        current.set(run(next));
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Response, Schema};

    use super::{InPlace, InPlaceList};

    #[derive(Clone, Copy)]
    struct Leaf(i32);

    #[Object]
    impl Leaf {
        async fn now(&self) -> i32 {
            self.0
        }

        async fn later(&self) -> i32 {
            tokio::task::yield_now().await;
            self.0
        }

        async fn fails(&self) -> async_graphql::Result<i32> {
            if self.0 == 2 { Err("two is refused".into()) } else { Ok(self.0) }
        }

        async fn nothing(&self) -> Option<async_graphql::Result<i32>> {
            (self.0 == 2).then(|| Err("two is refused".into()))
        }
    }

    struct Tree;

    #[Object]
    impl Tree {
        async fn one(&self) -> InPlace<Leaf> {
            InPlace(Leaf(1))
        }

        async fn two(&self) -> Option<InPlace<Leaf>> {
            Some(InPlace(Leaf(2)))
        }

        async fn all(&self) -> InPlaceList<InPlace<Leaf>> {
            InPlaceList((1..50).map(|at| InPlace(Leaf(at))).collect())
        }
    }

    struct Boxed;

    #[Object(name = "Tree")]
    impl Boxed {
        async fn one(&self) -> Leaf {
            Leaf(1)
        }

        async fn two(&self) -> Option<Leaf> {
            Some(Leaf(2))
        }

        async fn all(&self) -> Vec<Leaf> {
            (1..50).map(Leaf).collect()
        }
    }

    struct QueryInPlace;

    #[Object(name = "Query")]
    impl QueryInPlace {
        async fn tree(&self) -> InPlace<Tree> {
            InPlace(Tree)
        }
    }

    struct QueryBoxed;

    #[Object(name = "Query")]
    impl QueryBoxed {
        async fn tree(&self) -> Boxed {
            Boxed
        }
    }

    fn told(mut response: Response) -> serde_json::Value {
        response.errors.sort_by_key(|error| format!("{:?}", error.path));
        serde_json::to_value(response).unwrap_or_default()
    }

    #[tokio::test]
    async fn in_place_answers_as_the_engine_does() {
        let ours = Schema::new(QueryInPlace, EmptyMutation, EmptySubscription);
        let engine = Schema::new(QueryBoxed, EmptyMutation, EmptySubscription);
        assert_eq!(ours.sdl(), engine.sdl());
        for selection in [
            "one { now }",
            "one { now other: now later }",
            "one { __typename later now fails nothing }",
            "two { now nothing }",
            "two { fails now }",
            "two { later fails nothing }",
            "one { fails } two { now }",
            "all { now }",
            "all { later now }",
            "all { now later __typename }",
            "all { nothing later }",
            "all { now fails }",
            "one { now } one { later }",
            "one { now now }",
            "one { ... on Leaf { now } ...Part }",
            "one { now @skip(if: true) later @include(if: true) }",
            "one { now @skip(if: true) }",
            "__typename",
        ] {
            let document = format!("{{ tree {{ {selection} }} }} fragment Part on Leaf {{ later }}");
            let document = if selection.contains("Part") {
                document
            } else {
                document.split(" fragment").next().unwrap_or_default().to_owned()
            };
            let (ours, engine) = (ours.execute(&*document).await, engine.execute(&*document).await);
            assert_eq!(told(ours), told(engine), "{document}");
        }
    }

    #[tokio::test]
    async fn what_waits_waits_together() {
        let schema = Schema::new(QueryInPlace, EmptyMutation, EmptySubscription);
        let answer = schema.execute("{ tree { all { later now } } }").await;
        let text = answer.data.to_string();
        assert!(text.contains("{later: 1, now: 1}, {later: 2, now: 2}"), "the order of the selection stays: {text}");
    }
}
