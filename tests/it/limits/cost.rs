//! What an operation costs, before it runs.

use std::collections::BTreeSet;

use async_graphql::{
    Variables,
    parser::{
        parse_query, parse_schema,
        types::{TypeDefinition, TypeKind, TypeSystemDefinition},
    },
};
use axum::http::StatusCode;
use horae::schema::limits::{assess, attempts};
use serde_json::{Value, json};

use super::Caller;
use crate::support::app::TestApp;

fn cost(document: &str, variables: Value) -> u64 {
    let document = parse_query(document).unwrap();
    assess::assess(&document, None, &Variables::from_json(variables), &horae::schema::registry()).cost
}

#[test]
fn weights_times_pages() {
    for (document, variables, expected) in [
        ("{ __typename }", json!({}), 1),
        ("{ viewer { permissions } }", json!({}), 1),
        ("{ viewer { user { name } } }", json!({}), 2),
        // A page of 50 and in each of them one more object; the frame and values are free.
        ("{ branches(first: 50) { nodes { name openingHours { day } } pageInfo { hasNextPage } } }", json!({}), 50),
        ("{ rooms(first: 50) { edges { cursor node { branch { name } } } } }", json!({}), 100),
        ("query($n: Int) { rooms(first: $n) { nodes { branch { name } } } }", json!({"n": 7}), 14),
        ("query($n: Int = 9) { rooms(last: $n) { nodes { name } } }", json!({}), 9),
        ("query($n: Int) { rooms(last: $n) { nodes { name } } }", json!({}), 100),
        ("{ rooms { nodes { name } } }", json!({}), 100),
        ("{ rooms(first: -5) { nodes { name } } }", json!({}), 1),
        ("{ branches(first: 10) { nodes { rooms(first: 10) { nodes { branch { name } } } } } }", json!({}), 210),
        ("{ a: timeZones { id } b: timeZones { id } }", json!({}), 10),
        (
            "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Room { branch { name } } } }",
            json!({"ids": ["a", "b", "c"]}),
            6,
        ),
        ("query($ids: [ID!]!) { nodes(ids: $ids) { ... on Versioned { version } } }", json!({"ids": ["a", "b"]}), 2),
        (
            "{ ...A ...A } fragment A on Query { rooms(first: 5) { ...B } } fragment B on RoomConnection { nodes { branch { name } } }",
            json!({}),
            20,
        ),
        ("{ ... on Query { rooms(first: 5) { nodes { ... on Room { branch { name } } } } } }", json!({}), 10),
        ("mutation { logout { ok userErrors { code } } }", json!({}), 10),
        (
            "subscription { bookingReceived { __typename ... on BookingReceived { appointment { code } } } }",
            json!({}),
            11,
        ),
        ("query A { viewer { permissions } } query B { rooms(first: 100) { nodes { name } } }", json!({}), 1),
        ("{ nothing { of { the } kind } }", json!({}), 1),
    ] {
        assert_eq!(cost(document, variables), expected, "{document}");
    }
    let greedy = format!(
        "{{ rooms(first: {0}) {{ nodes {{ branch {{ rooms(first: {0}) {{ nodes {{ name }} }} }} }} }} }}",
        i64::MAX
    );
    assert_eq!(cost(&greedy, json!({})), u64::MAX, "sums saturate");
}

/// The executor resolves a field as often as it is given, whatever it is called in the answer.
#[test]
fn what_is_asked_for_again_is_paid_for() {
    let slots = |fields: &str| {
        format!("query($i: AvailabilityInput!) {{ publicAvailability(tenantSlug: \"x\", input: $i) {{ {fields} }} }}")
    };
    let aliases = (0..30).fold(String::new(), |all, n| all + &format!("t{n}: token "));
    for (fields, expected) in [
        ("start end token professional { name } price { amount currency }".to_owned(), 21),
        // Each time more is a hundred values, of which twenty cost 1.
        ("token token".to_owned(), 25),
        ("a: token b: token".to_owned(), 25),
        (aliases, 20 + 29 * 5),
        ("token ".repeat(9_900), 20 + 9_899 * 5),
        ("token ... { token ... on Slot { token } }".to_owned(), 30),
        // With all that is below: of the second price itself and its three values.
        ("price { amount } price { amount currency amount }".to_owned(), 40),
        ("price { amount amount }".to_owned(), 25),
    ] {
        assert_eq!(cost(&slots(&fields), json!({})), expected, "{fields:.200}");
    }
    let spread = |fields: &str, fragment: &str| format!("{} fragment F on {fragment}", slots(fields));
    assert_eq!(cost(&spread(&"...F ".repeat(99), "Slot { token }"), json!({})), 20 + 98 * 5);
    assert_eq!(cost(&spread("...F token", "Slot { ...G } fragment G on Slot { a: token token }"), json!({})), 30);

    let page = |fields: &str| format!("{{ rooms(first: 100) {{ nodes {{ {fields} }} }} }}");
    assert_eq!(cost(&page("name"), json!({})), 100);
    assert_eq!(cost(&page("id name ... on Room { id } ... on Room { id name }"), json!({})), 115);
    // Few values more are free, and of the members of an interface an object is one only.
    assert_eq!(cost("{ rooms(first: 9) { nodes { id id id } } }", json!({})), 9);
    let nodes = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Room { id name } ... on Branch { id name } } }";
    assert_eq!(cost(nodes, json!({"ids": vec!["x"; 100]})), 100);
    assert!(cost(&format!("{{ __schema {{ types {{ {} }} }} }}", "name ".repeat(9_900)), json!({})) > 100_000);
    assert_eq!(cost("{ viewer { permissions } __schema { types { name fields { name } } } }", json!({})), 51);
}

#[tokio::test]
async fn repeating_a_slots_token_is_refused_at_once() {
    let app = TestApp::start().await;
    let page = Caller::new(&app, &app.page("alfa").await, "192.0.2.1");
    let document = |fields: &str| {
        format!(
            "query($i: AvailabilityInput!) {{ publicAvailability(tenantSlug: \"alfa\", input: $i) {{ {fields} }} }}"
        )
    };
    let range = json!({"from": "2026-07-14T08:00:00-04:00", "to": "2026-07-15T08:00:00-04:00"});
    let input = json!({"i": {"branchId": "x", "treatmentIds": ["x"], "range": range, "limit": 500}});
    for fields in ["token ".repeat(9_900), "... { token } ".repeat(1_500)] {
        let answer = page.ask(&document(&fields), input.clone()).await;
        assert_eq!(answer.code(), "COST_LIMIT", "{:#}", answer.body);
    }
    let answer = page.ask(&document("start end token"), input).await;
    assert_eq!(answer.body["extensions"]["cost"]["requested"], 20, "{:#}", answer.body);
    assert_ne!(answer.code(), "COST_LIMIT", "{:#}", answer.body);
}

#[tokio::test]
async fn the_audit_trail_is_not_checked_many_times_at_once() {
    let app = TestApp::start().await;
    let admin = Caller::new(&app, &app.admin("alfa").await, "192.0.2.1");
    let checks = |n: usize| (0..n).fold(String::new(), |all, n| all + &format!("a{n}: verifyAuditChain {{ ok }} "));
    assert_eq!(admin.ask(&format!("{{ {} }}", checks(30)), json!({})).await.code(), "COST_LIMIT");
    let answer = admin.ask(&format!("{{ {} }}", checks(1)), json!({})).await;
    assert_eq!(answer.body["data"]["a0"]["ok"], true, "{:#}", answer.body);
}

#[tokio::test]
async fn every_answer_tells_cost_bucket_and_request() {
    let app = TestApp::start_with(&[("HORAE_COST_CAPACITY", "2000"), ("HORAE_COST_PER_SECOND", "100")]).await;
    let admin = Caller::new(&app, &app.admin("alfa").await, "192.0.2.1");
    let bucket = |remaining: u32| json!({"capacity": 2000, "remaining": remaining, "restorePerSecond": 100});
    let answer = admin.ask("{ rooms(first: 20) { nodes { name branch { name } } } }", json!({})).await;
    assert_eq!(answer.body["extensions"]["cost"], json!({"requested": 40, "limit": 1000, "bucket": bucket(1960)}));
    assert_eq!(answer.headers["x-request-id"], answer.body["extensions"]["requestId"].as_str().unwrap());
    // Refusals too, of whatever kind.
    let answer = admin.ask("{ rooms(first: 20) { nodes { nothing } } }", json!({})).await;
    assert_eq!(answer.body["extensions"]["cost"]["bucket"], bucket(1920), "{:#}", answer.body);
    let answer = admin.ask("{ rooms(first: 1000) { nodes { branch { name } } } }", json!({})).await;
    assert_eq!(answer.body["extensions"]["cost"], json!({"requested": 2000, "limit": 1000, "bucket": bucket(1920)}));
    assert_eq!((answer.status, answer.code()), (StatusCode::OK, "COST_LIMIT"));
    let newer = "application/graphql-response+json";
    let answer = admin.ask_for(newer, "{ rooms(first: 1000) { nodes { branch { name } } } }", json!({})).await;
    assert_eq!((answer.status, answer.code()), (StatusCode::BAD_REQUEST, "COST_LIMIT"));
}

/// TN-10: no bulk extraction with one query.
#[tokio::test]
async fn pages_and_costs_bound_what_one_query_can_take() {
    let app = TestApp::start().await;
    let admin = Caller::new(&app, &app.admin("alfa").await, "192.0.2.1");
    let aliases: String = (0..30)
        .map(|n| format!("a{n}: appointments(first: 100, filter: {{}}) {{ nodes {{ patient {{ email }} }} }} "))
        .collect();
    assert_eq!(admin.ask(&format!("{{ {aliases} }}"), json!({})).await.code(), "COST_LIMIT");
    for list in ["branches", "professionals", "rooms", "equipment", "treatments", "suppressions"] {
        for size in ["first: 101", "last: 101", "first: 0", "first: 10, last: 10"] {
            let answer = admin.ask(&format!("{{ {list}({size}) {{ nodes {{ id }} }} }}"), json!({})).await;
            assert_eq!(answer.code(), "INVALID", "{list}({size}) {:#}", answer.body);
        }
        let answer = admin.ask(&format!("{{ {list} {{ nodes {{ id }} }} }}"), json!({})).await;
        assert_eq!(answer.code(), "INVALID", "a list without a size: {list} {:#}", answer.body);
    }
}

#[tokio::test]
async fn only_who_is_logged_in_is_told_about_the_schema() {
    let app = TestApp::start().await;
    let usual = include_str!("../../../src/http/graphql/limits/introspection.graphql");
    let (user, page) = (app.admin("alfa").await, app.page("alfa").await);
    let answer = user.send(usual, json!({})).await;
    assert!(answer.get("errors").is_none() && answer["data"]["__schema"]["types"].is_array(), "{answer:#}");
    for nobody in [app.anonymous(), page] {
        for document in [
            usual,
            "{ a: __schema { types { name } } }",
            "{ ...F } fragment F on Query { __type(name: \"Query\") { name } }",
        ] {
            assert_eq!(nobody.error_code(document, json!({})).await, "FORBIDDEN", "{document}");
        }
        let answer = nobody.send("{ viewerr { id } }", json!({})).await;
        assert_eq!(answer["errors"][0]["message"], "Unknown field \"viewerr\" on type \"Query\".");
        assert_eq!(nobody.send("{ __typename }", json!({})).await["data"]["__typename"], "Query");
    }
    let answer = user.send("{ viewerr { id } }", json!({})).await;
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("Did you mean \"viewer\"?"), "{answer:#}");
}

fn types() -> Vec<TypeDefinition> {
    let document = parse_schema(horae::schema::sdl()).unwrap();
    let types = document.definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(named) => Some(named.node),
        _ => None,
    });
    types.collect()
}

#[test]
fn the_contract_tells_what_differs_from_the_rule() {
    let sdl = horae::schema::sdl();
    assert!(sdl.contains("directive @cost(") && sdl.contains("@cost(weight: 50)"), "published in the SDL");
    let mut told = BTreeSet::new();
    for named in types() {
        let TypeKind::Object(object) = named.kind else { continue };
        for field in object.fields {
            let field = field.node;
            for directive in field.directives.iter().filter(|directive| directive.node.name.node == "cost") {
                told.insert(format!("{}.{}", named.name.node, field.name.node));
                let Some(multipliers) = directive.node.get_argument("multipliers") else { continue };
                let Value::Array(names) = multipliers.node.clone().into_json().unwrap() else { panic!("a list") };
                for name in names {
                    let known =
                        field.arguments.iter().any(|argument| argument.node.name.node == name.as_str().unwrap());
                    assert!(known, "{}.{}: no argument {name}", named.name.node, field.name.node);
                }
            }
        }
    }
    assert!(told.contains("Query.agenda") && told.contains("Query.publicAvailability"), "{told:?}");
}

/// A mutation that takes a word which opens something must be on the list of those whose tries are counted.
#[test]
fn tries_of_every_secret_are_counted() {
    let all = types();
    let inputs: Vec<(String, Vec<String>)> = all
        .iter()
        .filter_map(|named| match &named.kind {
            TypeKind::InputObject(input) => {
                let fields = input.fields.iter().map(|field| field.node.name.node.to_string());
                Some((named.name.node.to_string(), fields.collect()))
            }
            _ => None,
        })
        .collect();
    let mutation = all.iter().find(|named| named.name.node == "Mutation").unwrap();
    let TypeKind::Object(mutation) = &mutation.kind else { panic!("an object") };
    // A held slot's token opens nothing, and a code of an item is none of a person.
    let opens = |name: &str| {
        let name = name.to_lowercase();
        (name.contains("token") && name != "slottoken") || name.contains("password") || name == "challengeid"
    };
    let mut seen = 0;
    for field in &mutation.fields {
        let field = &field.node;
        let takes = field.arguments.iter().any(|argument| {
            let ty = argument.node.ty.node.to_string();
            let input = inputs.iter().find(|(name, _)| *name == ty.trim_end_matches('!'));
            // By themselves these are a second factor's code and the password that was.
            let name = argument.node.name.node.as_str();
            opens(name)
                || matches!(name, "code" | "current")
                || input.is_some_and(|(_, fields)| fields.iter().any(|name| opens(name)))
        });
        if takes {
            seen += 1;
            assert!(attempts::is_counted(&field.name.node), "nobody counts the tries of {}", field.name.node);
        }
    }
    assert!(seen >= 4, "login, refreshSession, patientConfirm and patientCancel at least, not {seen}");
}
