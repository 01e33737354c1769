//! What an operation costs, from its document, its variables and the schema alone. Every fragment is looked at once:
//! what lies below a field counts a fixed number of times, so a fragment costs the same wherever it is spread.

use std::collections::HashMap;

use async_graphql::{
    Name, Value, Variables,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
    },
    registry::{MetaField, MetaType, MetaTypeName, Registry},
};

/// Of a change or a subscription.
const ROOT_WEIGHT: u64 = 10;
/// The schema about itself, however much of it; how deep it may go is bounded elsewhere.
const INTROSPECTION_WEIGHT: u64 = 50;
/// A page whose size is not given, or given by a variable that is not there.
const UNKNOWN_PAGE: u64 = 100;

/// A mutation at the root, with the values of its arguments.
#[derive(Debug)]
pub struct Asked {
    /// Its name.
    pub field: String,
    /// Its arguments, variables put in.
    pub arguments: serde_json::Map<String, serde_json::Value>,
}

/// What is known of an operation before it runs.
#[derive(Debug, Default)]
pub struct Assessment {
    /// Its cost; at least 1.
    pub cost: u64,
    /// Whether it asks the schema about itself.
    pub introspects: bool,
    /// The mutations that it asks for.
    pub mutations: Vec<Asked>,
}

/// Assesses the operation of this name, or the only one. A document of several without a name runs none of them.
pub fn assess(
    document: &ExecutableDocument,
    operation_name: Option<&str>,
    variables: &Variables,
    registry: &Registry,
) -> Assessment {
    let Some(operation) = chosen(document, operation_name) else {
        return Assessment { cost: 1, ..Assessment::default() };
    };
    let root = match operation.ty {
        OperationType::Query => Some(&registry.query_type),
        OperationType::Mutation => registry.mutation_type.as_ref(),
        OperationType::Subscription => registry.subscription_type.as_ref(),
    };
    let mut assessor =
        Assessor { document, operation, variables, registry, fragments: HashMap::new(), found: Assessment::default() };
    let root = root.and_then(|name| registry.types.get(name));
    let cost = assessor.set(root, &operation.selection_set.node);
    Assessment { cost: cost.max(1), ..assessor.found }
}

fn chosen<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Option<&'a OperationDefinition> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(&operation.node),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name).map(|found| &found.node),
        (DocumentOperations::Multiple(operations), None) => {
            let mut all = operations.values();
            all.next().filter(|_| all.next().is_none()).map(|only| &only.node)
        }
    }
}

struct Assessor<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    registry: &'a Registry,
    fragments: HashMap<&'a Name, u64>,
    found: Assessment,
}

impl<'a> Assessor<'a> {
    fn set(&mut self, on: Option<&'a MetaType>, set: &'a SelectionSet) -> u64 {
        let mut sum = 0_u64;
        for selection in &set.items {
            sum = sum.saturating_add(match &selection.node {
                Selection::Field(field) => self.field(on, &field.node),
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    let narrowed =
                        condition.map_or(on, |condition| self.registry.types.get(condition.node.on.node.as_str()));
                    self.set(narrowed, &inline.node.selection_set.node)
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node),
            });
        }
        sum
    }

    fn fragment(&mut self, name: &Name) -> u64 {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else { return 0 };
        if let Some(known) = self.fragments.get(name) {
            return *known;
        }
        // Holds for a fragment within itself, which is refused elsewhere.
        self.fragments.insert(name, 0);
        let on = self.registry.types.get(fragment.node.type_condition.node.on.node.as_str());
        let cost = self.set(on, &fragment.node.selection_set.node);
        self.fragments.insert(name, cost);
        cost
    }

    fn field(&mut self, on: Option<&'a MetaType>, field: &'a Field) -> u64 {
        let name = field.name.node.as_str();
        match name {
            "__typename" => return 0,
            "__schema" | "__type" => {
                self.found.introspects = true;
                return INTROSPECTION_WEIGHT;
            }
            _ => {}
        }
        let Some((on, meta)) = on.and_then(|on| Some((on, on.field_by_name(name)?))) else {
            // Validation names the field that does not exist.
            return 1;
        };
        let is_mutation = self.registry.mutation_type.as_deref() == Some(on.name());
        if is_mutation {
            self.note(field);
        }
        let on_root = if is_mutation || self.registry.subscription_type.as_deref() == Some(on.name()) {
            Some(Root::Acts)
        } else {
            (self.registry.query_type == on.name()).then_some(Root::Asks)
        };
        let inner = self.registry.types.get(MetaTypeName::concrete_typename(&meta.ty));
        let price = Price::of(meta, on, inner, on_root);
        let times = self.times(field, &price.multipliers);
        let below = self.set(inner, &field.selection_set.node);
        price.weight.saturating_add(below).saturating_mul(times)
    }

    fn note(&mut self, field: &Field) {
        let arguments = field.arguments.iter().filter_map(|(name, value)| {
            let value = value.node.clone().into_const_with(|variable| self.variable(&variable).ok_or(())).ok()?;
            Some((name.node.to_string(), value.into_json().ok()?))
        });
        let asked = Asked { field: field.name.node.to_string(), arguments: arguments.collect() };
        self.found.mutations.push(asked);
    }

    /// How often what is below the field counts.
    fn times(&self, field: &Field, multipliers: &[String]) -> u64 {
        let given: Vec<u64> = multipliers
            .iter()
            .filter_map(|name| {
                let value = field.get_argument(name)?.node.clone();
                size(&value.into_const_with(|variable| self.variable(&variable).ok_or(())).ok()?)
            })
            .collect();
        match (multipliers.is_empty(), given.is_empty()) {
            (true, _) => 1,
            (false, true) => UNKNOWN_PAGE,
            (false, false) => given.into_iter().fold(1, u64::saturating_mul),
        }
    }

    fn variable(&self, name: &Name) -> Option<Value> {
        let given = self.variables.get(name).cloned();
        given.or_else(|| {
            let mut definitions = self.operation.variable_definitions.iter();
            let definition = definitions.find(|definition| definition.node.name.node == *name)?;
            definition.node.default_value.as_ref().map(|value| value.node.clone())
        })
    }
}

/// Which root a field is of.
#[derive(Clone, Copy)]
enum Root {
    /// Changes, or listens.
    Acts,
    Asks,
}

/// What a field costs once, and which arguments multiply it.
struct Price {
    weight: u64,
    multipliers: Vec<String>,
}

impl Price {
    fn of(meta: &MetaField, on: &MetaType, inner: Option<&MetaType>, on_root: Option<Root>) -> Self {
        let said = meta.directive_invocations.iter().find(|directive| directive.name == "cost");
        let weight = said.and_then(|said| match said.args.get("weight")? {
            Value::Number(weight) => weight.as_u64(),
            _ => None,
        });
        let multipliers = said.and_then(|said| match said.args.get("multipliers")? {
            Value::List(names) => Some(names.iter().filter_map(text).collect()),
            _ => None,
        });
        let pages =
            || ["first", "last"].iter().filter(|name| meta.args.contains_key(**name)).map(|name| (*name).to_owned());
        let multipliers: Vec<String> = multipliers.unwrap_or_else(|| pages().collect());
        let usual = || match on_root {
            Some(Root::Acts) => ROOT_WEIGHT,
            Some(Root::Asks) => 1,
            None if !multipliers.is_empty() => 1,
            None => u64::from(inner.is_some_and(is_loaded) && !is_frame(on)),
        };
        Self { weight: weight.unwrap_or_else(usual), multipliers }
    }
}

fn size(value: &Value) -> Option<u64> {
    match value {
        Value::Null => None,
        Value::Number(number) => Some(number.as_i64().and_then(|n| u64::try_from(n).ok()).unwrap_or(1).max(1)),
        Value::List(items) => Some(u64::try_from(items.len()).unwrap_or(u64::MAX).max(1)),
        _ => Some(1),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// Whether it is a row of its own. A value, like an amount of money, comes with what it is part of.
fn is_loaded(inner: &MetaType) -> bool {
    matches!(inner, MetaType::Union { .. }) || inner.field_by_name("id").is_some()
}

/// Whether the field is how a page hands out its rows, which have been paid for with the page.
fn is_frame(on: &MetaType) -> bool {
    on.name().ends_with("Connection") || on.name().ends_with("Edge")
}
