//! `totalCount` is the truth, within the caller's sight and the list's filter, and costs nothing where nobody asks.

use std::collections::BTreeSet;

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use serde_json::{Value, json};

use super::House;
use crate::support::{app::Client, fixtures::Booking};

/// Every list: the field, the arguments besides the page, and what it is of.
const LISTS: [(&str, &str, &str); 21] = [
    ("Query.apiKeys", "", ""),
    ("Query.appointments", r#"filter: {range: {from: "2026-07-01T00:00:00Z", to: "2026-08-01T00:00:00Z"}},"#, ""),
    ("Query.auditEntries", "", ""),
    ("Query.branches", "", ""),
    ("Query.emailMessages", "", ""),
    ("Query.equipment", "", ""),
    ("Query.patients", "", ""),
    ("Patient.appointments", "", "patient"),
    ("Query.professionals", "", ""),
    ("Query.rooms", "", ""),
    ("Query.sessions", "", ""),
    ("Query.suppressions", "", ""),
    ("Query.treatments", "", ""),
    ("Query.users", "", ""),
    ("Branch.professionals", "", "branch"),
    ("Branch.rooms", "", "branch"),
    ("Appointment.history", "", "visit"),
    ("Query.recordTemplates", "", ""),
    ("ClinicalRecord.entries", "", "patient"),
    ("ClinicalRecord.attachments", "", "patient"),
    // Behind those two, which leave lines in it.
    ("ClinicalRecord.accessLog", "", "patient"),
];

/// What is asked of a page of a list.
async fn ask(house: &House, list: (&str, &str, &str), page: &str, asked: &str) -> Value {
    let (name, arguments, of) = list;
    let (_, field) = name.split_once('.').unwrap();
    let list = format!("list: {field}({arguments} {page}) {{ {asked} }}");
    let Some(parent) = house.things.iter().find(|thing| thing.what == of) else {
        return house.people.admin.ok(&format!("{{ {list} }}"), json!({})).await["list"].clone();
    };
    let (id, typename) = (house.people.id(parent.kind, parent.id), parent.typename);
    if name.starts_with("ClinicalRecord.") {
        let document = format!("{{ node(id: \"{id}\") {{ ... on {typename} {{ record {{ {list} }} }} }} }}");
        return house.people.admin.ok(&document, json!({})).await["node"]["record"]["list"].clone();
    }
    let document = format!("{{ node(id: \"{id}\") {{ ... on {typename} {{ {list} }} }} }}");
    house.people.admin.ok(&document, json!({})).await["node"]["list"].clone()
}

#[tokio::test]
async fn every_list_tells_how_many_there_are_with_one_more_statement() {
    let house = furnished().await;
    for one in LISTS {
        let rows = ask(&house, one, "first: 100", "nodes { __typename }").await["nodes"].clone();
        let expected = rows.as_array().unwrap().len();
        assert!(expected > 1, "{} has too few rows to show anything", one.0);
        for page in ["first: 1", "last: 1", "first: 100"] {
            let page = ask(&house, one, page, "nodes { __typename } totalCount").await;
            assert_eq!(page["totalCount"], expected, "{}", one.0);
        }
        let after = ask(&house, one, "first: 1", "pageInfo { endCursor }").await;
        let after = format!("first: 1, after: {}", after["pageInfo"]["endCursor"]);
        let page = ask(&house, one, &after, "... { many: totalCount }").await;
        assert_eq!(page["many"], expected, "{} from its middle", one.0);

        let mut statements = Vec::new();
        for asked in ["nodes { __typename }", "nodes { __typename } totalCount"] {
            // The look at open connections may fall into a round, so the best of some counts.
            let mut fewest = u64::MAX;
            for _ in 0..3 {
                let before = house.people.centre.cx.db.statements();
                ask(&house, one, "first: 2", asked).await;
                fewest = fewest.min(house.people.centre.cx.db.statements() - before);
            }
            statements.push(fewest);
        }
        assert_eq!(statements[1], statements[0] + 1, "{}", one.0);
    }
}

#[test]
fn every_connection_of_the_schema_is_asked_here() {
    let document = parse_schema(horae::schema::sdl()).unwrap();
    let mut lists = BTreeSet::new();
    for definition in document.definitions {
        let TypeSystemDefinition::Type(named) = definition else { continue };
        let TypeKind::Object(object) = named.node.kind else { continue };
        for field in object.fields {
            if field.node.ty.node.to_string().ends_with("Connection!") {
                lists.insert(format!("{}.{}", named.node.name.node, field.node.name.node));
            }
        }
    }
    assert_eq!(lists, LISTS.iter().map(|list| list.0.to_owned()).collect());
}

/// A house with more than one of everything that is listed.
async fn furnished() -> House {
    let house = House::build().await;
    let centre = &house.people.centre;
    let eva = centre.professional("Eva", house.north).await;
    centre.room("Sala", house.north, 1).await;
    centre.equipment("Torno", house.south).await;
    let peeling = centre.treatment("Peeling", 60).await;
    let rosa = centre.patient("Rosa", "Lagos").await;
    let soto = house.things.iter().find(|thing| thing.what == "patient").unwrap().id;
    for hour in 13..16 {
        let start = format!("2026-07-16T{hour}:00:00Z");
        let patient = if hour == 15 { soto } else { rosa };
        centre.book(Booking::new(house.north, patient, peeling, &start, 30).with(eva)).await;
    }
    let visit = house.things.iter().find(|thing| thing.what == "visit").unwrap().id;
    for sql in [
        "INSERT INTO record_templates (id, created_at, updated_at) SELECT $1, created_at, created_at FROM record_templates LIMIT 1",
        "INSERT INTO record_template_versions (template_id, version, name, fields, published_at)
             SELECT $1, 1, 'Otra', '[]', published_at FROM record_template_versions LIMIT 1",
        "INSERT INTO record_entries (id, patient_id, template_id, template_version, author_id, status, at, updated_at)
             SELECT $1, patient_id, template_id, 1, author_id, 'DRAFT', at, at FROM record_entries LIMIT 1",
        "INSERT INTO attachments (id, patient_id, status, file_name, mime_type, size_bytes, sha256, created_at, uploaded_at)
             SELECT $1, patient_id, 'READY', 'b.png', 'image/png', 1, sha256, created_at, uploaded_at FROM attachments LIMIT 1",
    ] {
        let twin = house.things.iter().find(|thing| thing.what == "room").unwrap().id;
        centre.run(sql, vec![twin.into()]).await;
    }
    for _ in 0..3 {
        let (entry, key, now) = (centre.cx.new_id(), centre.cx.new_id(), centre.cx.now());
        centre
            .run(
                "INSERT INTO audit_entries (id, at, actor_kind, action, subject_type, subject_id, request_id)
                 VALUES ($1, $2, 'SYSTEM', 'test', 'Appointment', $3, 'r')",
                vec![entry.into(), now.into(), visit.into()],
            )
            .await;
        centre
            .run(
                "INSERT INTO api_keys (id, name, prefix, secret_hash, publishable, created_at) VALUES ($1, 'x', 'x', sha256($1::text::bytea), false, $2)",
                vec![key.into(), now.into()],
            )
            .await;
        house.somebody(&["AGENDA_READ"], &[house.south]).await;
        house.people.app.admin("alfa").await;
    }
    suppress(&house, 3).await;
    house
}

/// Adds so many addresses that get no mail.
async fn suppress(house: &House, many: i32) {
    house
        .people
        .centre
        .run(
            "INSERT INTO suppressions (id, email, reason, at)
             SELECT gen_random_uuid(), gen_random_uuid() || '@x.test', 'HARD_BOUNCE', now() FROM generate_series(1, $1)",
            vec![many.into()],
        )
        .await;
}

#[tokio::test]
async fn the_count_follows_filter_and_sight() {
    let house = furnished().await;
    let total = async |client: &Client, field: &str| {
        client.ok(&format!("{{ list: {field} {{ totalCount }} }}"), json!({})).await["list"]["totalCount"].clone()
    };
    let admin = &house.people.admin;
    let range = r#"{from: "2026-07-01T00:00:00Z", to: "2026-08-01T00:00:00Z"}"#;
    assert_eq!(total(admin, &format!("appointments(filter: {{range: {range}}}, first: 1)")).await, 4);
    assert_eq!(total(admin, &format!("appointments(filter: {{range: {range}}}, sort: DESC, last: 1)")).await, 4);
    assert_eq!(total(admin, &format!("appointments(filter: {{range: {range}, statuses: [HELD]}}, first: 1)")).await, 0);
    assert_eq!(total(admin, r#"rooms(filter: {text: "sal"}, first: 1)"#).await, 1);
    assert_eq!(total(admin, r#"auditEntries(filter: {action: "test"}, first: 1)"#).await, 3);
    let (_, elsewhere) = house.somebody(&["AGENDA_READ", "CRM_READ"], &[house.south]).await;
    assert_eq!(total(&elsewhere, &format!("appointments(filter: {{range: {range}}}, first: 1)")).await, 0);
    assert_eq!(total(&elsewhere, "branches(first: 1)").await, 1);
    assert_eq!(total(&elsewhere, "equipment(first: 1)").await, 1);
    assert_eq!(total(&elsewhere, "emailMessages(first: 1)").await, 0);
}

#[tokio::test]
async fn beyond_ten_thousand_nobody_counts() {
    let house = House::build().await;
    let query = "{ suppressions(first: 1) { totalCount nodes { id } } }";
    let total = async || house.people.admin.ok(query, json!({})).await["suppressions"]["totalCount"].clone();
    suppress(&house, 9_999).await;
    assert_eq!(total().await, 10_000);
    suppress(&house, 1).await;
    assert_eq!(total().await, Value::Null);
}
