//! One answer for all who ask the same of an event with the same rights, and an own one where it matters who asks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition},
};
use horae::{
    auth::BuiltinRole,
    events::{Delivery, Topic, Wanted},
    schema::live::PERSONAL,
};
use serde_json::json;

use super::{Desk, next, ready};
use crate::support::{app::TestApp, socket::Socket};

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_does_for_all_who_ask_alike_unless_it_matters_who_asks() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let clients = [app.admin("alfa").await, app.user("alfa", BuiltinRole::Administrator).await];
    let questions = [
        ("id patient { givenNames customFields { key } } history(first: 1) { nodes { action } }", "", 1),
        ("patient { record { retainUntil } }", "", 0),
        ("patient { ... @include(if: true) { mine: record { retainUntil } } }", "", 0),
        ("items { professional { user { email } } }", "", 0),
        (
            "patient { ...One }",
            "fragment One on Patient { id guardians { ...Two } } fragment Two on Patient { record { retainUntil } }",
            0,
        ),
    ];
    for (slot, (asked, fragments, answers)) in questions.into_iter().enumerate() {
        let document = format!(
            "subscription {{ bookingReceived {{ ... on BookingReceived {{ appointment {{ {asked} }} }} }} }} {fragments}"
        );
        let mut sockets = Vec::new();
        for client in &clients {
            let mut socket = Socket::open(&app, client.token.as_deref().unwrap()).await;
            socket.subscribe("1", &document, json!({})).await;
            socket.data().await;
            sockets.push(socket);
        }
        let wanted = Wanted { topic: Topic::Bookings, branches: None, resources: None, after: None };
        let mut stream = app.app.live.subscribe(Arc::clone(&desk.actor), wanted).await.unwrap();
        ready(&mut stream).await;
        desk.book(&app, 0, i32::try_from(slot).unwrap()).await;
        for socket in &mut sockets {
            socket.data().await;
        }
        let Some(Delivery::Appointment(event, _)) = next(&mut stream).await else { panic!("expected a booking") };
        assert_eq!(event.answers.count(), answers, "{document}");
    }
}

/// What lies encrypted is read under the reader's name, and what has a price of its own is made for who asks.
#[test]
fn what_is_noted_or_made_for_somebody_is_of_a_personal_type() {
    let document = parse_schema(horae::schema::sdl()).unwrap();
    let kinds = document.definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(named) => Some((named.node.name.node.to_string(), named.node.kind)),
        _ => None,
    });
    let kinds: BTreeMap<String, TypeKind> = kinds.collect();
    let mut shared = BTreeSet::new();
    let mut open: Vec<String> = ["AgendaStreamEvent", "BookingStreamEvent"].map(str::to_owned).to_vec();
    let mut wrong = Vec::new();
    while let Some(name) = open.pop() {
        if PERSONAL.contains(&name.as_str()) || !shared.insert(name.clone()) {
            continue;
        }
        match kinds.get(&name) {
            Some(TypeKind::Union(union)) => open.extend(union.members.iter().map(|one| one.node.to_string())),
            Some(TypeKind::Object(object)) => {
                for field in object.fields.iter().map(|field| &field.node) {
                    open.push(inner(&field.ty.node));
                    if is_marked(field) {
                        wrong.push(format!("{name}.{}", field.name.node));
                    }
                }
            }
            _ => {}
        }
    }
    assert!(shared.contains("Patient"), "{shared:?}");
    assert!(wrong.is_empty(), "shared with others: {wrong:?}");
}

fn is_marked(field: &FieldDefinition) -> bool {
    field.directives.iter().any(|directive| matches!(directive.node.name.node.as_str(), "sensitive" | "cost"))
}

fn inner(ty: &Type) -> String {
    match &ty.base {
        BaseType::Named(name) => name.to_string(),
        BaseType::List(item) => inner(item),
    }
}
