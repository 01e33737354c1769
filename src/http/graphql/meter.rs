//! What is counted of each operation. Names are the schema's: an operation is called by its root field, never by what
//! its client calls it, so clients cannot make series.

use std::{collections::HashSet, sync::Arc, time::Instant};

use async_graphql::{
    Data, Request, Response, ServerError, Value,
    parser::{
        parse_schema,
        types::{ExecutableDocument, OperationType, Selection, TypeKind, TypeSystemDefinition},
    },
};

use super::{code, limits};
use crate::{http::RequestId, telemetry::operation};

/// The root fields of a schema: the names that operations have in metrics and spans.
#[derive(Debug, Clone, Default)]
pub struct OperationNames(Arc<HashSet<Arc<str>>>);

impl OperationNames {
    /// The root fields of a schema in SDL whose root types have the usual names. Without any, every operation is
    /// called `unknown`.
    #[must_use]
    pub fn of_sdl(sdl: &str) -> Self {
        let Ok(document) = parse_schema(sdl) else { return Self::default() };
        let names = document.definitions.iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(ty)
                if matches!(ty.node.name.node.as_str(), "Query" | "Mutation" | "Subscription") =>
            {
                match &ty.node.kind {
                    TypeKind::Object(object) => Some(&object.fields),
                    _ => None,
                }
            }
            _ => None,
        });
        Self(Arc::new(names.flatten().map(|field| field.node.name.node.as_str().into()).collect()))
    }

    /// The name of the operation that a request would run.
    fn name(&self, document: &ExecutableDocument, chosen: Option<&str>) -> Arc<str> {
        let Some(operation) = limits::chosen(document, chosen) else { return "unknown".into() };
        let mut name: Option<Arc<str>> = None;
        let mut seen = HashSet::new();
        let mut open = vec![&operation.selection_set.node];
        while let Some(set) = open.pop() {
            for selection in &set.items {
                match &selection.node {
                    Selection::Field(field) => {
                        let field = field.node.name.node.as_str();
                        let found = match self.0.get(field) {
                            Some(known) => Arc::clone(known),
                            None if field.starts_with("__") => "introspection".into(),
                            None => "unknown".into(),
                        };
                        match &name {
                            Some(other) if *other != found => return "several".into(),
                            _ => name = Some(found),
                        }
                    }
                    Selection::InlineFragment(inline) => open.push(&inline.node.selection_set.node),
                    Selection::FragmentSpread(spread) => {
                        let fragment = &spread.node.fragment_name.node;
                        if seen.insert(fragment.as_str())
                            && let Some(fragment) = document.fragments.get(fragment)
                        {
                            open.push(&fragment.node.selection_set.node);
                        }
                    }
                }
            }
        }
        name.unwrap_or_else(|| "unknown".into())
    }
}

/// The tenant of a caller as spans show it; put into the request's data by the gate.
#[derive(Debug, Clone)]
pub struct TenantLabel(pub Arc<str>);

impl TenantLabel {
    /// Of an admitted caller.
    pub(super) fn of(data: &Data) -> Option<Self> {
        data.get(&std::any::TypeId::of::<Self>())?.downcast_ref::<Self>().cloned()
    }
}

/// One operation, from its arrival to its answer. One that is dropped before its answer counts as `CANCELLED`.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) name: Arc<str>,
    kind: OperationType,
    transport: &'static str,
    begun: Instant,
    ended: bool,
}

impl Meter {
    /// Of something that may turn out to be an operation.
    pub(super) fn new(transport: &'static str) -> Self {
        Self {
            name: operation::NONE.into(),
            kind: OperationType::Query,
            transport,
            begun: Instant::now(),
            ended: false,
        }
    }

    /// Call it when the document has passed the limits.
    pub(super) fn recognise(&mut self, names: &OperationNames, request: &mut Request) {
        let chosen = request.operation_name.clone();
        let Ok(document) = request.parsed_query() else { return };
        self.name = names.name(document, chosen.as_deref());
        if let Some(operation) = limits::chosen(document, chosen.as_deref()) {
            self.kind = operation.ty;
        }
    }

    pub(super) fn span(&self, request_id: &RequestId, tenant: Option<&TenantLabel>) -> tracing::Span {
        tracing::info_span!(
            "graphql",
            otel.name = %format_args!("{} {}", self.kind, self.name),
            request.id = %request_id,
            graphql.operation = %self.name,
            graphql.kind = %self.kind,
            tenant = tenant.map(|tenant| &*tenant.0),
        )
    }

    /// Names the tenant and the operation in the span of the HTTP request, which began before they were known.
    pub(super) fn label_request(&self, tenant: Option<&TenantLabel>) {
        let request = tracing::Span::current();
        request.record("graphql.operation", &*self.name);
        if let Some(tenant) = tenant {
            request.record("tenant", &*tenant.0);
        }
    }

    /// It was not even looked at.
    pub(super) fn refused(mut self, error: &ServerError) {
        self.answered(Some(&Outcome::of(&Response::from_errors(vec![error.clone()]))));
    }

    /// The operation has been answered, or one more result of it.
    pub(super) fn answered(&mut self, outcome: Option<&Outcome>) {
        let name = &self.name;
        if !std::mem::replace(&mut self.ended, true) {
            let kind = self.kind.to_string();
            metrics::counter!(
                "horae_operations_total",
                "operation" => Arc::clone(name), "kind" => kind, "transport" => self.transport
            )
            .increment(1);
            // A subscription's first answer comes when something happens.
            if self.kind != OperationType::Subscription {
                metrics::histogram!("horae_operation_seconds", "operation" => Arc::clone(name))
                    .record(self.begun.elapsed());
            }
            if let Some(cost) = outcome.and_then(|outcome| outcome.cost) {
                metrics::histogram!("horae_operation_cost", "operation" => Arc::clone(name)).record(cost);
            }
        }
        for code in outcome.iter().flat_map(|outcome| &outcome.codes) {
            let (name, code) = (Arc::clone(name), code.clone());
            metrics::counter!("horae_operation_errors_total", "operation" => name, "code" => code).increment(1);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if !self.ended {
            let wanted = self.kind != OperationType::Subscription;
            let codes = wanted.then(|| "CANCELLED".to_owned()).into_iter().collect();
            self.answered(Some(&Outcome { codes, cost: None }));
        }
    }
}

/// What of an answer is counted. Travels with an HTTP answer to where the operation is.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// The different codes of its errors: words of ours.
    codes: Vec<String>,
    /// What it says that the operation cost.
    cost: Option<f64>,
}

impl Outcome {
    pub(super) fn of(response: &Response) -> Self {
        let code = |error| code::code_of(error).unwrap_or(code::INTERNAL).to_owned();
        let mut codes: Vec<String> = response.errors.iter().map(code).collect();
        codes.sort_unstable();
        codes.dedup();
        Self { codes, cost: cost(response) }
    }
}

/// What the answer says that the operation cost.
fn cost(response: &Response) -> Option<f64> {
    match response.extensions.get("cost")? {
        Value::Object(cost) => match cost.get("requested")? {
            Value::Number(number) => number.as_f64(),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(query: &str, chosen: Option<&str>) -> String {
        let names =
            OperationNames::of_sdl("type Query { a: Int b: Int } type Mutation { c: Int } type Other { d: Int }");
        let mut request = Request::new(query);
        request.operation_name = chosen.map(str::to_owned);
        let mut meter = Meter::new("test");
        meter.recognise(&names, &mut request);
        meter.ended = true;
        meter.name.to_string()
    }

    #[test]
    fn an_operation_has_its_root_fields_name_and_never_the_clients() {
        for (query, chosen, expected) in [
            ("{ a }", None, "a"),
            ("query Ana_Soto { ana: a }", None, "a"),
            ("mutation { c }", None, "c"),
            ("{ ...F } fragment F on Query { b ...F }", None, "b"),
            ("{ ... on Query { a } x: a }", None, "a"),
            ("{ a b }", None, "several"),
            ("{ d }", None, "unknown"),
            ("{ anaSoto }", None, "unknown"),
            ("{ __schema { types { name } } }", None, "introspection"),
            ("query One { a } query Two { b }", Some("Two"), "b"),
            ("query One { a } query Two { b }", Some("AnaSoto"), "unknown"),
            ("{ a", None, "none"),
        ] {
            assert_eq!(name(query, chosen), expected, "{query}");
        }
    }
}
