//! What the contract says: operations, and fields with `@auth`.

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};

/// A field that the matrix has to know.
pub struct Published {
    /// `Query.agenda`
    pub name: String,
    /// Permissions of its `@auth`; none: it has none.
    pub requires: Option<Vec<String>>,
    pub description: String,
}

impl Published {
    pub fn says(&self, words: &str) -> bool {
        self.description.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().contains(words)
    }
}

/// All operations, and all other fields that have an `@auth`.
pub fn fields() -> Vec<Published> {
    let document = parse_schema(horae::schema::sdl()).unwrap();
    let mut found = Vec::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(named) = definition else { continue };
        let parent = named.node.name.node;
        let TypeKind::Object(object) = named.node.kind else { continue };
        for field in object.fields {
            let field = field.node;
            let requires = field.directives.iter().find(|one| one.node.name.node == "auth").map(|one| {
                let argument = one.node.get_argument("requires").expect("@auth requires something");
                let list = argument.node.clone().into_json().unwrap();
                let words: Vec<String> = serde_json::from_value(list).unwrap();
                assert!(!words.is_empty(), "{parent}.{}: @auth requires something", field.name.node);
                words
            });
            let is_operation = matches!(parent.as_str(), "Query" | "Mutation" | "Subscription");
            if is_operation || requires.is_some() {
                found.push(Published {
                    name: format!("{parent}.{}", field.name.node),
                    requires,
                    description: field.description.map(|text| text.node).unwrap_or_default(),
                });
            }
        }
    }
    found
}
