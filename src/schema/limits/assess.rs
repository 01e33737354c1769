//! What an operation costs, from its document, its variables and the schema alone. Fragments are written out wherever
//! they are spread, as the executor runs them; the transport has made sure that little comes of it.

use std::collections::HashSet;

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
/// A page whose size is not given, or given by a variable that is not there; and a list whose length no argument tells.
const UNKNOWN_PAGE: u64 = 100;
/// The executor resolves a field as often as it is given, also where one answer serves all. So many values that an
/// object was asked for before cost 1: a client whose fragments share some names hardly notices.
const VALUES_AGAIN: u64 = 20;
/// How many types or fields a list of the schema about itself may have.
const NAMES_OF_SCHEMA: u64 = 1_000;

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
    /// The mutations that it asks for, each as often as it would run.
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
        Assessor { document, operation, variables, registry, within: Vec::new(), found: Assessment::default() };
    let root = root.and_then(|name| registry.types.get(name));
    let Amount { cost, again, .. } = assessor.set(root, &operation.selection_set.node, &mut Seen::new());
    Assessment { cost: cost.saturating_add(again / VALUES_AGAIN).max(1), ..assessor.found }
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

/// What an object, or a field of it with all that is below, amounts to.
#[derive(Clone, Copy, Default)]
struct Amount {
    cost: u64,
    /// Values that are resolved.
    values: u64,
    /// Those of them that the same object was asked for before, under whatever alias.
    again: u64,
}

impl Amount {
    fn and(self, other: Self) -> Self {
        Self {
            cost: self.cost.saturating_add(other.cost),
            values: self.values.saturating_add(other.values),
            again: self.again.saturating_add(other.again),
        }
    }
}

/// Fields that an object was asked for, each with the type that it was asked as: of the members of a union an object is
/// one only.
type Seen<'a> = HashSet<(&'a str, &'a str)>;

struct Assessor<'a> {
    document: &'a ExecutableDocument,
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    registry: &'a Registry,
    /// The fragments that are being looked at, each within the one before.
    within: Vec<&'a Name>,
    found: Assessment,
}

impl<'a> Assessor<'a> {
    fn set(&mut self, on: Option<&'a MetaType>, set: &'a SelectionSet, seen: &mut Seen<'a>) -> Amount {
        set.items.iter().fold(Amount::default(), |sum, selection| {
            sum.and(match &selection.node {
                Selection::Field(field) => {
                    let amount = self.field(on, &field.node);
                    // At the root everything is paid for each time.
                    let is_first = on.is_some_and(|on| self.root(on).is_some())
                        || seen.insert((on.map_or("", MetaType::name), field.node.name.node.as_str()));
                    if is_first { amount } else { Amount { again: amount.values, ..amount } }
                }
                Selection::InlineFragment(inline) => {
                    let condition = inline.node.type_condition.as_ref();
                    let narrowed =
                        condition.map_or(on, |condition| self.registry.types.get(condition.node.on.node.as_str()));
                    self.set(narrowed, &inline.node.selection_set.node, seen)
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, seen),
            })
        })
    }

    fn fragment(&mut self, name: &Name, seen: &mut Seen<'a>) -> Amount {
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else { return Amount::default() };
        // A fragment within itself is refused elsewhere.
        if self.within.contains(&name) {
            return Amount::default();
        }
        self.within.push(name);
        let on = self.registry.types.get(fragment.node.type_condition.node.on.node.as_str());
        let amount = self.set(on, &fragment.node.selection_set.node, seen);
        self.within.pop();
        amount
    }

    fn field(&mut self, on: Option<&'a MetaType>, field: &'a Field) -> Amount {
        let name = field.name.node.as_str();
        let introspects = matches!(name, "__schema" | "__type");
        self.found.introspects |= introspects;
        let meta = on.and_then(|on| Some((on, on.field_by_name(name)?)));
        let inner = meta.and_then(|(_, meta)| self.registry.types.get(MetaTypeName::concrete_typename(&meta.ty)));
        if let Some((on, _)) = meta
            && self.registry.mutation_type.as_deref() == Some(on.name())
        {
            self.note(field);
        }
        let below = self.set(inner, &field.selection_set.node, &mut Seen::new());
        let (cost, size) = match meta {
            _ if introspects => (INTROSPECTION_WEIGHT, NAMES_OF_SCHEMA),
            Some((on, meta)) => {
                let price = Price::of(meta, on, inner, self.root(on));
                let times = self.times(field, &price.multipliers);
                let is_list = price.multipliers.is_empty() && meta.ty.starts_with('[') && !is_frame(on);
                let cost = price.weight.saturating_add(below.cost).saturating_mul(times);
                (cost, if is_list { UNKNOWN_PAGE } else { times })
            }
            None if name == "__typename" => (0, 1),
            // Validation names the field that does not exist.
            None => (1, 1),
        };
        Amount {
            cost,
            values: below.values.saturating_mul(size).saturating_add(1),
            again: below.again.saturating_mul(size),
        }
    }

    fn root(&self, on: &MetaType) -> Option<Root> {
        let name = Some(on.name());
        if self.registry.mutation_type.as_deref() == name || self.registry.subscription_type.as_deref() == name {
            return Some(Root::Acts);
        }
        (self.registry.query_type == on.name()).then_some(Root::Asks)
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
