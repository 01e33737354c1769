//! Where words that name something go into the API, found in its SDL; and documents for its operations.

use std::collections::{BTreeMap, HashMap};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, InputValueDefinition, Type, TypeKind, TypeSystemDefinition},
};

/// What a word is, which decides how the API must refuse a foreign one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// A global id.
    Id,
    /// A position in a list.
    Page,
    /// A position in the event log.
    Cursor,
    /// A secret word, or a slot.
    Token,
    /// The short name of a centre.
    Slug,
}

/// Texts that look like words of ours and are not: operation, path, why.
const NOT_OURS: &[(&str, &str, &str)] = &[("publicBook", "input.captchaToken", "a captcha service's word")];

/// One place where a word goes in: `bookAppointment(input.items[].treatmentId)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// A root field, or `Type.field`.
    pub(super) operation: String,
    /// Names from the argument inwards; `[]` behind one: a list.
    pub(super) path: Vec<String>,
    pub(super) word: Word,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.operation, self.path.join("."))
    }
}

/// The published contract, by name of its types.
pub(super) struct Sdl {
    types: HashMap<String, TypeKind>,
}

/// The three types that everything begins at, and the words of their operations.
pub(super) const ROOTS: [(&str, &str); 3] =
    [("Query", "query"), ("Mutation", "mutation"), ("Subscription", "subscription")];

impl Sdl {
    pub(super) fn read() -> Self {
        Self::of(&horae::schema::sdl())
    }

    pub(super) fn of(text: &str) -> Self {
        let definitions = parse_schema(text).unwrap().definitions.into_iter();
        let types = definitions.filter_map(|definition| match definition {
            TypeSystemDefinition::Type(named) => Some((named.node.name.node.to_string(), named.node.kind)),
            _ => None,
        });
        Self { types: types.collect() }
    }

    /// Every place, in the order of its name.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut found = Vec::new();
        for (name, kind) in &self.types {
            let TypeKind::Object(object) = kind else { continue };
            for field in &object.fields {
                let field = &field.node;
                let root = ROOTS.iter().any(|(root, _)| root == name);
                let operation = if root { field.name.node.to_string() } else { format!("{name}.{}", field.name.node) };
                for argument in &field.arguments {
                    self.walk(&operation, &mut Vec::new(), &mut Vec::new(), &argument.node, &mut found);
                }
            }
        }
        found.retain(|place| {
            !NOT_OURS.iter().any(|(operation, path, _)| *operation == place.operation && *path == place.path.join("."))
        });
        found.sort();
        found
    }

    fn walk(
        &self,
        operation: &str,
        path: &mut Vec<String>,
        inside: &mut Vec<String>,
        value: &InputValueDefinition,
        found: &mut Vec<Place>,
    ) {
        let (base, list) = named(&value.ty.node);
        let name = value.name.node.to_string();
        path.push(if list { format!("{name}[]") } else { name.clone() });
        if let Some(word) = word(&name, &base) {
            found.push(Place { operation: operation.to_owned(), path: path.clone(), word });
        }
        // An input that holds itself has no end; its places are those of the first round.
        if let Some(TypeKind::InputObject(input)) = self.types.get(&base)
            && !inside.contains(&base)
        {
            inside.push(base);
            for field in &input.fields {
                self.walk(operation, path, inside, &field.node, found);
            }
            inside.pop();
        }
        path.pop();
    }

    fn field(&self, operation: &str) -> Option<(&'static str, &FieldDefinition)> {
        ROOTS.iter().find_map(|(root, word)| {
            let TypeKind::Object(object) = self.types.get(*root)? else { return None };
            let field = object.fields.iter().find(|field| field.node.name.node == operation)?;
            Some((*word, &field.node))
        })
    }

    /// `query`, `mutation` or `subscription`; none: not a root field.
    pub(super) fn word_of(&self, operation: &str) -> Option<&'static str> {
        self.field(operation).map(|(word, _)| word)
    }

    /// Whether a root field answers with pages.
    pub(super) fn has_pages(&self, operation: &str) -> bool {
        self.field(operation).is_some_and(|(_, field)| named(&field.ty.node).0.ends_with("Connection"))
    }

    /// A document that passes every argument of a root field by a variable of the same name, and asks for whatever
    /// needs no argument and lies near.
    pub(super) fn document(&self, operation: &str) -> String {
        let (word, field) = self.field(operation).unwrap_or_else(|| panic!("no root field `{operation}`"));
        let arguments: BTreeMap<String, String> =
            field.arguments.iter().map(|one| (one.node.name.node.to_string(), one.node.ty.node.to_string())).collect();
        let join =
            |parts: Vec<String>| if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) };
        let declared = join(arguments.iter().map(|(name, ty)| format!("${name}: {ty}")).collect());
        let passed = join(arguments.keys().map(|name| format!("{name}: ${name}")).collect());
        let selection = self.selection(&named(&field.ty.node).0, 3);
        format!("{word}{declared} {{ {operation}{passed}{selection} }}")
    }

    /// `{ … }` for an object, nothing for a leaf. Names of fields differ in type between the members of a union, so each
    /// has its own alias there.
    fn selection(&self, name: &str, depth: usize) -> String {
        let fields = |fields: &[async_graphql::Positioned<FieldDefinition>], prefix: &str| {
            let mut parts = vec!["__typename".to_owned()];
            for field in fields {
                let field = &field.node;
                let (base, _) = named(&field.ty.node);
                let leaf = matches!(self.types.get(&base), None | Some(TypeKind::Scalar | TypeKind::Enum(_)));
                if field.arguments.iter().any(|one| !one.node.ty.node.nullable) || base.ends_with("Connection") {
                    continue;
                }
                if leaf || depth > 1 {
                    let alias =
                        if prefix.is_empty() { String::new() } else { format!("{prefix}_{}: ", field.name.node) };
                    parts.push(format!("{alias}{}{}", field.name.node, self.selection(&base, depth - 1)));
                }
            }
            parts.join(" ")
        };
        match self.types.get(name) {
            Some(TypeKind::Object(object)) => format!(" {{ {} }}", fields(&object.fields, "")),
            Some(TypeKind::Interface(interface)) => format!(" {{ {} }}", fields(&interface.fields, "")),
            Some(TypeKind::Union(union)) => {
                let members = union.members.iter().map(|member| {
                    let Some(TypeKind::Object(object)) = self.types.get(member.node.as_str()) else {
                        return String::new();
                    };
                    format!("... on {} {{ {} }}", member.node, fields(&object.fields, &member.node.to_lowercase()))
                });
                format!(" {{ __typename {} }}", members.collect::<Vec<_>>().join(" "))
            }
            _ => String::new(),
        }
    }
}

/// The name at the heart of a type, and whether there is a list around it.
fn named(ty: &Type) -> (String, bool) {
    match &ty.base {
        BaseType::Named(name) => (name.to_string(), false),
        BaseType::List(inner) => (named(inner).0, true),
    }
}

fn word(name: &str, base: &str) -> Option<Word> {
    match (base, name) {
        ("ID", "challengeId") => Some(Word::Token),
        ("ID", _) => Some(Word::Id),
        ("EventCursor", _) => Some(Word::Cursor),
        ("String", "after" | "before") => Some(Word::Page),
        ("String", "tenantSlug") => Some(Word::Slug),
        ("String", name) if ends(name, &["Token", "Word"]) => Some(Word::Token),
        // What has an id's or a cursor's name and is a plain text is one all the same.
        ("String", name) if ends(name, &["Id", "Ids"]) => Some(Word::Id),
        ("String", name) if ends(name, &["Cursor"]) => Some(Word::Page),
        (scalar, _) if ends(scalar, &["Token", "Cursor"]) => Some(Word::Token),
        _ => None,
    }
}

/// `token`, `slotToken`; not `broken`.
fn ends(name: &str, with: &[&str]) -> bool {
    with.iter().any(|end| name.ends_with(end) || name == end.to_lowercase())
}

#[test]
fn every_kind_of_word_is_found_at_any_depth() {
    let sdl = Sdl::of(
        "type Query { list(after: String, filter: Filter): [Thing!]! plain(text: String): Int }
         type Subscription { changed(after: EventCursor): Int }
         type Thing { parts(before: String): Int }
         input Filter { id: ID, deep: [Deep!] }
         input Deep { ids: [ID!]!, slotToken: String, deeper: Filter, name: String, broken: String }
         scalar EventCursor",
    );
    let found: Vec<String> = sdl.places().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "Thing.parts(before)",
            "changed(after)",
            "list(after)",
            "list(filter.deep[].ids[])",
            "list(filter.deep[].slotToken)",
            "list(filter.id)",
        ]
    );
}
