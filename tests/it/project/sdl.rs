//! The published contract is what the code serves, and it is a manual: everything in it is described.

use std::{fs, path::Path};

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};

/// `HORAE_UPDATE_SDL=1 cargo test sdl` rewrites the file.
#[test]
fn schema_graphql_is_what_the_code_serves() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
    let served = horae::schema::sdl();
    if std::env::var_os("HORAE_UPDATE_SDL").is_some() {
        fs::write(&path, &served).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == served,
        "schema.graphql is not what the code serves; if the change is meant, run HORAE_UPDATE_SDL=1 cargo test --test it sdl"
    );
}

#[test]
fn everything_in_the_schema_is_described() {
    let document = parse_schema(horae::schema::sdl()).unwrap();
    let mut missing = Vec::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(named) = definition else { continue };
        let named = named.node;
        let name = named.name.node.to_string();
        let mut check = |what: String, described: bool| {
            if !described {
                missing.push(what);
            }
        };
        check(name.clone(), named.description.is_some());
        match named.kind {
            TypeKind::Object(object) => fields(&name, object.fields, &mut check),
            TypeKind::Interface(interface) => fields(&name, interface.fields, &mut check),
            TypeKind::InputObject(input) => {
                for field in input.fields {
                    check(format!("{name}.{}", field.node.name.node), field.node.description.is_some());
                }
            }
            TypeKind::Enum(values) => {
                for value in values.values {
                    check(format!("{name}.{}", value.node.value.node), value.node.description.is_some());
                }
            }
            TypeKind::Scalar | TypeKind::Union(_) => {}
        }
    }
    assert!(missing.is_empty(), "without a description: {missing:#?}");
}

fn fields(
    name: &str,
    fields: Vec<async_graphql::Positioned<async_graphql::parser::types::FieldDefinition>>,
    check: &mut impl FnMut(String, bool),
) {
    for field in fields {
        let field = field.node;
        check(format!("{name}.{}", field.name.node), field.description.is_some());
        for argument in field.arguments {
            check(
                format!("{name}.{}({})", field.name.node, argument.node.name.node),
                argument.node.description.is_some(),
            );
        }
    }
}
