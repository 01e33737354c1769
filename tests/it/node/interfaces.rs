//! `Node`, `Versioned` and `Timestamped` say truly what a type has.

use std::collections::BTreeMap;

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use serde_json::json;

use super::House;

/// Types that have an id and are no nodes: the centre is the caller's own.
const NO_NODES: [&str; 1] = ["TenantSummary"];

#[test]
fn whoever_has_the_fields_implements_the_interface() {
    let document = parse_schema(horae::schema::sdl()).unwrap();
    let mut objects = BTreeMap::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(named) = definition else { continue };
        let TypeKind::Object(object) = named.node.kind else { continue };
        let fields: Vec<String> =
            object.fields.iter().map(|field| format!("{}: {}", field.node.name.node, field.node.ty.node)).collect();
        let implements: Vec<String> = object.implements.iter().map(|name| name.node.to_string()).collect();
        objects.insert(named.node.name.node.to_string(), (fields, implements));
    }
    for (name, (fields, implements)) in &objects {
        for (interface, needed) in [
            ("Node", &["id: ID!"][..]),
            ("Versioned", &["version: Int!"]),
            ("Timestamped", &["createdAt: DateTime!", "updatedAt: DateTime!"]),
        ] {
            let has = needed.iter().all(|field| fields.iter().any(|found| found == field));
            let expected = has && !(interface == "Node" && NO_NODES.contains(&name.as_str()));
            assert_eq!(implements.iter().any(|one| one == interface), expected, "{name} and {interface}");
        }
    }
}

#[tokio::test]
async fn a_fragment_on_an_interface_applies_to_whoever_implements_it() {
    let house = House::build().await;
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) {
        __typename ... on Versioned { version } ... on Timestamped { createdAt updatedAt }
        ... on BookableResource { name } ... on Appointment { branch { name } patient { givenNames } } } }";
    let found = house.people.admin.ok(query, json!({"ids": house.ids()})).await["nodes"].clone();
    let at = |what: &str| found[house.things.iter().position(|thing| thing.what == what).unwrap()].clone();
    let then = "2026-07-13T12:00:00+00:00";
    assert_eq!(at("room"), json!({"__typename": "Room", "version": 1, "name": "Box"}));
    assert_eq!(at("category"), json!({"__typename": "TreatmentCategory"}));
    assert_eq!(at("patient"), json!({"__typename": "Patient", "version": 1, "createdAt": then, "updatedAt": then}));
    let local = "2026-07-13T08:00:00-04:00";
    assert_eq!(
        at("visit"),
        json!({"__typename": "Appointment", "version": 1, "createdAt": local, "updatedAt": local,
            "branch": {"name": "Norte"}, "patient": {"givenNames": "Rosa"}})
    );
    let types = "{ node: __type(name: \"Versioned\") { possibleTypes { name } } user: __type(name: \"User\") { interfaces { name } } }";
    let known = house.people.admin.ok(types, json!({})).await;
    assert_eq!(known["user"]["interfaces"], json!([{"name": "Node"}, {"name": "Versioned"}, {"name": "Timestamped"}]));
    assert_eq!(known["node"]["possibleTypes"].as_array().unwrap().len(), 11);
}
