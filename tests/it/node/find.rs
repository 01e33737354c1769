//! Any object by its id: for who may see it, and for nobody else.

use horae::{
    auth::Permission,
    schema::id::{GlobalIds, Kind},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{House, NODE, NODES, nodes, not_found, words};

#[tokio::test]
async fn everything_is_found_by_its_id_alone_or_with_others() {
    let house = House::build().await;
    let admin = &house.people.admin;
    let all: Vec<_> = house.things.iter().map(|thing| thing.what).collect();
    assert_eq!(house.seen(admin).await, all);
    for thing in &house.things {
        let id = house.people.id(thing.kind, thing.id);
        let found = admin.ok(NODE, json!({ "id": id })).await["node"].clone();
        assert_eq!(found, json!({"__typename": thing.typename, "id": id}), "{}", thing.what);
    }
    // Every kind of id there is leads to something, but for two that are no nodes.
    for kind in Kind::ALL {
        let is_node = !matches!(kind, Kind::Tenant | Kind::PasswordResetRequest);
        assert_eq!(house.things.iter().any(|thing| thing.kind == kind), is_node, "{kind:?}");
    }
}

#[tokio::test]
async fn the_permissions_of_a_kind_are_enough_for_it_and_each_of_them_is_needed() {
    let house = House::build().await;
    let mut asked: Vec<&Vec<Vec<Permission>>> = Vec::new();
    for thing in &house.things {
        if !asked.contains(&&thing.needs) {
            asked.push(&thing.needs);
        }
    }
    for needs in asked {
        let alike = || house.things.iter().filter(|thing| thing.needs == *needs).map(|thing| thing.what);
        let enough = words(needs.iter().map(|group| group[0]));
        let seen = house.seen(&house.somebody(&enough, &[]).await.1).await;
        assert!(alike().all(|what| seen.contains(&what)), "{enough:?} is enough: {seen:?}");
        for group in needs {
            let others = words(Permission::ALL.into_iter().filter(|permission| !group.contains(permission)));
            let seen = house.seen(&house.somebody(&others, &[]).await.1).await;
            assert!(alike().all(|what| !seen.contains(&what)), "without {:?}: {seen:?}", words(group.clone()));
        }
    }
}

#[tokio::test]
async fn what_is_not_there_not_ones_own_or_no_id_at_all_is_not_found_in_one_shape() {
    let house = House::build().await;
    let (admin, ids) = (&house.people.admin, house.ids());
    // Another centre's administrator.
    let beta = house.people.app.admin("beta").await;
    assert!(house.seen(&beta).await.is_empty());
    // Never existed, in the own centre.
    let never: Vec<String> = Kind::ALL.iter().map(|kind| house.people.id(*kind, Uuid::max())).collect();
    let seal = house.people.centre.cx.seal.clone();
    let foreign = GlobalIds::new(seal, &house.people.app.system("beta").await.tenant);
    let mut nothing = never;
    nothing.extend(Kind::ALL.iter().map(|kind| foreign.encode(*kind, house.north).0));
    nothing.extend(["", "x", "Node:1", "\u{0}", "💇"].map(str::to_owned));
    nothing.extend(ids.iter().map(|id| id[1..].to_owned()));
    let answer = nodes(admin, &nothing).await;
    assert_eq!(answer["data"]["nodes"], json!(vec![Value::Null; nothing.len()]));
    let mut alone = Vec::new();
    for (at, error) in answer["errors"].as_array().unwrap().iter().enumerate() {
        assert_eq!(not_found(error), (json!(["nodes", at]), json!(["ids", at.to_string()])), "{}", nothing[at]);
        let answer = admin.send(NODE, json!({"id": nothing[at]})).await;
        assert_eq!(answer["data"], json!({"node": null}));
        assert_eq!(not_found(&answer["errors"][0]), (json!(["node"]), json!(["id"])));
        alone.push(answer["errors"].clone());
    }
    assert_eq!(alone.len(), nothing.len());
    alone.dedup();
    assert_eq!(alone.len(), 1, "no way to tell them apart: {alone:#?}");
    // And the same as where a kind has a query of its own.
    let unknown = json!({"id": house.people.id(Kind::Appointment, Uuid::max())});
    let answer = admin.send("query($id: ID!) { node: appointment(id: $id) { id } }", unknown).await;
    assert_eq!(answer["errors"], alone[0]);
}

#[tokio::test]
async fn an_id_of_the_wrong_kind_leads_to_nothing() {
    let house = House::build().await;
    for thing in &house.things {
        let wrong: Vec<String> = Kind::ALL
            .into_iter()
            .filter(|kind| *kind != thing.kind)
            .map(|kind| house.people.id(kind, thing.id))
            .collect();
        let answer = nodes(&house.people.admin, &wrong).await;
        assert_eq!(answer["data"]["nodes"], json!(vec![Value::Null; wrong.len()]), "{}", thing.what);
        assert_eq!(answer["errors"].as_array().unwrap().len(), wrong.len());
    }
}

#[tokio::test]
async fn nobody_and_booking_pages_find_nothing() {
    let house = House::build().await;
    for client in [house.people.app.anonymous(), house.people.app.page("alfa").await] {
        for id in house.ids() {
            assert_eq!(client.error_code(NODE, json!({ "id": id })).await, "UNAUTHENTICATED");
        }
        assert_eq!(client.error_code(NODES, json!({"ids": house.ids()})).await, "UNAUTHENTICATED");
        assert_eq!(client.error_code(NODES, json!({"ids": []})).await, "UNAUTHENTICATED");
    }
}

#[tokio::test]
async fn a_hundred_ids_at_once_in_their_order_and_no_more() {
    let house = House::build().await;
    let admin = &house.people.admin;
    let branch = house.people.id(Kind::Branch, house.north);
    let answer = nodes(admin, &vec![branch.clone(); 101]).await;
    let error = &answer["errors"][0];
    assert_eq!((&answer["data"], answer["errors"].as_array().unwrap().len()), (&Value::Null, 1));
    assert_eq!((&error["extensions"]["code"], &error["extensions"]["field"]), (&json!("INVALID"), &json!(["ids"])));
    assert_eq!(error["message"], "ask for at most 100 objects at a time, not 101");

    let south = house.people.id(Kind::Branch, house.south);
    let ids: Vec<String> = (0..100).map(|n| if n % 3 == 0 { south.clone() } else { branch.clone() }).collect();
    let found = admin.ok(NODES, json!({ "ids": ids })).await["nodes"].clone();
    let found: Vec<&str> = found.as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    assert_eq!(found, ids);
    assert_eq!(admin.ok(NODES, json!({"ids": []})).await["nodes"], json!([]));
}

#[tokio::test]
async fn more_ids_of_a_kind_take_no_more_statements() {
    let house = House::build().await;
    let centre = &house.people.centre;
    let mut kinds: Vec<Kind> = house.things.iter().map(|thing| thing.kind).collect();
    kinds.sort_by_key(|kind| *kind as u8);
    kinds.dedup();
    let one: Vec<String> = kinds
        .iter()
        .map(|kind| house.things.iter().find(|thing| thing.kind == *kind).unwrap())
        .map(|thing| house.people.id(thing.kind, thing.id))
        .collect();
    // Of every kind three more, which are not there; and of some the others that are.
    let mut many = house.ids();
    for kind in &kinds {
        many.extend((0..3).map(|_| house.people.id(*kind, centre.cx.new_id())));
    }
    let mut statements = Vec::new();
    for ids in [&one, &many] {
        // The look at open connections may fall into a round, so the best of some counts.
        let mut fewest = u64::MAX;
        for _ in 0..3 {
            let before = centre.cx.db.statements();
            nodes(&house.people.admin, ids).await;
            fewest = fewest.min(centre.cx.db.statements() - before);
        }
        statements.push(fewest);
    }
    println!(
        "{} kinds: {} statements for {} ids, {} for {}",
        kinds.len(),
        statements[0],
        one.len(),
        statements[1],
        many.len()
    );
    assert_eq!(statements[0], statements[1]);
}
