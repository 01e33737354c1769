//! Lists of users, and changes of one.

use std::time::{Duration, Instant};

use horae::{auth::BuiltinRole, domain::identity::authenticate::STALENESS, schema::id::Kind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::people::People;
use crate::{
    centre::refused,
    support::app::{Client, TestApp},
};

const USERS: &str = "query($filter: UserFilter, $first: Int, $after: String, $last: Int, $before: String) {
    users(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
        nodes { id name email status mfaEnabled roles { name } branches { name } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
}";
const VIEWER: &str = "{ viewer { user { name status } permissions { code branchIds } } }";

async fn names(client: &Client, filter: Value) -> Vec<String> {
    let answer = client.ok(USERS, json!({"filter": filter, "first": 100})).await;
    answer["users"]["nodes"].as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn users_are_listed_by_name_in_pages_and_filtered() {
    let people = People::open().await;
    let (centro, sur) = (
        people.centre.branch("Centro", "America/Santiago").await,
        people.centre.branch("Sur", "America/Santiago").await,
    );
    let cashier = people.builtin(BuiltinRole::Cashier).await;
    let ana = people.hire("ana@alfa.test", &[cashier], &[centro]).await;
    people.hire("bruno@alfa.test", &[cashier], &[sur]).await;
    people.hire("carla@alfa.test", &[people.builtin(BuiltinRole::Operator).await], &[]).await;
    people.centre.run("UPDATE users SET name = 'Ana Ñíguez' WHERE id = $1", vec![ana.into()]).await;
    people.centre.run("UPDATE users SET status = 'LOCKED' WHERE email = 'bruno@alfa.test'", vec![]).await;
    let admin = &people.admin;
    assert_eq!(names(admin, Value::Null).await, ["Admin alfa", "Ana Ñíguez", "bruno", "carla"]);
    for (filter, expected) in [
        (json!({"text": "NIGUEZ"}), vec!["Ana Ñíguez"]),
        (json!({"text": "bruno@alfa"}), vec!["bruno"]),
        (json!({"text": "%"}), vec![]),
        (json!({"status": "LOCKED"}), vec!["bruno"]),
        (json!({"roleId": people.id(Kind::Role, cashier)}), vec!["Ana Ñíguez", "bruno"]),
        (json!({"branchId": people.id(Kind::Branch, centro)}), vec!["Admin alfa", "Ana Ñíguez", "carla"]),
        (json!({"branchId": people.id(Kind::Branch, sur), "status": "ACTIVE"}), vec!["Admin alfa", "carla"]),
    ] {
        assert_eq!(names(admin, filter.clone()).await, expected, "{filter}");
    }
    let first = admin.ok(USERS, json!({"first": 3})).await["users"].clone();
    assert_eq!(
        (&first["pageInfo"]["hasNextPage"], first["nodes"][1]["branches"].clone()),
        (&json!(true), json!([{"name": "Centro"}]))
    );
    assert_eq!(first["nodes"][0]["mfaEnabled"], false);
    let rest = admin.ok(USERS, json!({"first": 3, "after": first["pageInfo"]["endCursor"]})).await["users"].clone();
    assert_eq!(rest["nodes"].as_array().unwrap().len(), 1);
    let back = admin.ok(USERS, json!({"last": 2, "before": rest["pageInfo"]["startCursor"]})).await["users"].clone();
    assert_eq!(back["nodes"][0]["name"], "Ana Ñíguez");
    assert_eq!(back["pageInfo"]["hasPreviousPage"], true);
    for (variables, code) in [
        (json!({"first": 101}), "INVALID"),
        (json!({}), "INVALID"),
        (json!({"first": 1, "after": "x"}), "INVALID"),
        (json!({"first": 1, "filter": {"text": "x".repeat(201)}}), "INVALID"),
        (json!({"first": 1, "filter": {"roleId": people.id(Kind::User, ana)}}), "NOT_FOUND"),
    ] {
        assert_eq!(admin.error_code(USERS, variables.clone()).await, code, "{variables}");
    }
}

#[tokio::test]
async fn only_who_administers_users_sees_them_and_only_those_of_the_same_branches() {
    let people = People::open().await;
    let (centro, sur) = (
        people.centre.branch("Centro", "America/Santiago").await,
        people.centre.branch("Sur", "America/Santiago").await,
    );
    let role = people.role("Jefatura", &["USER_ADMIN", "AGENDA_READ"]).await;
    people.hire("ana@alfa.test", &[role], &[centro]).await;
    people.hire("bruno@alfa.test", &[role], &[sur]).await;
    people.hire("carla@alfa.test", &[role], &[centro, sur]).await;
    assert_eq!(names(&people.login("ana@alfa.test").await, Value::Null).await, ["Admin alfa", "ana", "carla"]);
    assert_eq!(names(&people.app.admin("beta").await, Value::Null).await, ["Admin beta"]);
    for role in BuiltinRole::ALL.into_iter().filter(|role| *role != BuiltinRole::Administrator) {
        let client = people.app.user("alfa", role).await;
        for query in [USERS, "{ roles { name } }"] {
            let variables = if query == USERS { json!({"first": 1}) } else { json!({}) };
            assert_eq!(client.error_code(query, variables).await, "FORBIDDEN", "{role:?}");
        }
    }
    assert_eq!(people.app.anonymous().error_code(USERS, json!({"first": 1})).await, "UNAUTHENTICATED");
    assert_eq!(people.app.page("alfa").await.error_code(USERS, json!({"first": 1})).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn name_clock_roles_and_branches_change_and_are_told() {
    let people = People::open().await;
    let branch = people.centre.branch("Centro", "America/Santiago").await;
    let (cashier, operator) = (people.builtin(BuiltinRole::Cashier).await, people.builtin(BuiltinRole::Operator).await);
    let ana = people.hire("ana@alfa.test", &[cashier], &[]).await;
    let id = people.id(Kind::User, ana);
    let named = people
        .update(&people.admin, json!({"id": id, "version": 1, "name": " Ana Rojas ", "timeZone": "America/Lima"}))
        .await;
    assert_eq!(
        (&named["user"]["name"], &named["user"]["timeZone"], &named["user"]["version"]),
        (&json!("Ana Rojas"), &json!("America/Lima"), &json!(2))
    );
    assert_eq!(people.events(ana).await, Vec::<String>::new());
    let roles = json!([people.id(Kind::Role, operator), people.id(Kind::Role, cashier)]);
    let input = json!({"id": id, "version": 2, "roleIds": roles, "branchIds": [people.id(Kind::Branch, branch)], "timeZone": null});
    let changed = people.update(&people.admin, input).await;
    let user = &changed["user"];
    assert_eq!(user["roles"], json!([{"name": "Cashier"}, {"name": "Operator"}]), "{changed}");
    assert_eq!((&user["branches"], &user["timeZone"]), (&json!([{"name": "Centro"}]), &Value::Null));
    let grants = user["grants"].as_array().unwrap();
    assert!(grants.iter().all(|grant| grant["branchIds"] == json!([people.id(Kind::Branch, branch)])), "{grants:?}");
    assert!(grants.iter().any(|grant| grant["code"] == "WORKORDER_ASSIGN"));
    assert_eq!(people.events(ana).await, ["user.role_changed"]);
    assert_eq!(people.audited(ana).await, ["updateUser", "updateUser"]);
    let after: Value = people
        .one("SELECT after FROM audit_entries WHERE subject_id = $1 ORDER BY ctid DESC LIMIT 1", vec![ana.into()])
        .await;
    assert_eq!((&after["version"], &after["branchIds"]), (&json!(3), &json!([branch])));
    assert!(!after.to_string().contains("Rojas"), "the trail holds a name");
}

#[tokio::test]
async fn what_cannot_be_changed() {
    let people = People::open().await;
    let ana = people.hire("ana@alfa.test", &[people.builtin(BuiltinRole::Cashier).await], &[]).await;
    let id = people.id(Kind::User, ana);
    let admin = &people.admin;
    let stale = people.update(admin, json!({"id": id, "version": 7, "name": "Ana"})).await;
    assert_eq!(
        (refused(&stale), &stale["userErrors"][0]["currentVersion"]),
        (vec!["VERSION_CONFLICT version".to_owned()], &json!(1))
    );
    let foreign = crate::centre::global(&people.app, "beta", Kind::User, ana).await;
    let nobody = people.id(Kind::User, people.centre.cx.new_id());
    for (input, expected) in [
        (json!({"id": foreign, "version": 1, "name": "Ana"}), vec!["NOT_FOUND id"]),
        (json!({"id": nobody, "version": 1, "name": "Ana"}), vec!["NOT_FOUND id"]),
        (json!({"id": people.id(Kind::Role, ana), "version": 1}), vec!["NOT_FOUND id"]),
        (json!({"id": id, "version": 1, "name": ""}), vec!["REQUIRED name"]),
        (json!({"id": id, "version": 1, "roleIds": []}), vec!["REQUIRED roleIds"]),
        (json!({"id": id, "version": 1, "roleIds": [people.id(Kind::Role, ana)]}), vec!["NOT_FOUND roleIds.0"]),
        (json!({"id": id, "version": 1, "branchIds": [people.id(Kind::Branch, ana)]}), vec!["NOT_FOUND branchIds.0"]),
        (json!({"id": id, "version": 1, "status": "INVITED"}), vec!["INVALID_TRANSITION status"]),
    ] {
        people.refuses(people.update(admin, input), &expected).await;
    }
    // Another centre's administrator, with the id as this centre writes it.
    let beta = people.app.admin("beta").await;
    people.refuses(people.update(&beta, json!({"id": id, "version": 1, "name": "Ana"})), &["NOT_FOUND id"]).await;
    for role in BuiltinRole::ALL.into_iter().filter(|role| *role != BuiltinRole::Administrator) {
        let client = people.app.user("alfa", role).await;
        people.refuses(people.update(&client, json!({"id": id, "version": 1, "name": "Ana"})), &["FORBIDDEN "]).await;
    }
}

#[tokio::test]
async fn the_states_of_a_user() {
    let people = People::open().await;
    let ana = people.hire("ana@alfa.test", &[people.builtin(BuiltinRole::Cashier).await], &[]).await;
    let id = people.id(Kind::User, ana);
    for (from, to, goes) in [
        ("INVITED", "ACTIVE", false),
        ("INVITED", "LOCKED", false),
        ("INVITED", "DISABLED", true),
        ("ACTIVE", "ACTIVE", true),
        ("ACTIVE", "INVITED", false),
        ("ACTIVE", "LOCKED", true),
        ("ACTIVE", "DISABLED", true),
        ("LOCKED", "ACTIVE", true),
        ("LOCKED", "INVITED", false),
        ("LOCKED", "DISABLED", true),
        ("DISABLED", "ACTIVE", false),
        ("DISABLED", "LOCKED", false),
        ("DISABLED", "INVITED", false),
    ] {
        people.centre.run("UPDATE users SET status = $2 WHERE id = $1", vec![ana.into(), from.into()]).await;
        let version = people.version(ana).await;
        let payload = people.update(&people.admin, json!({"id": id, "version": version, "status": to})).await;
        assert_eq!(refused(&payload).is_empty(), goes, "{from} {to}: {payload}");
        if !goes {
            let error = &payload["userErrors"][0];
            assert_eq!((&error["from"], &error["to"]), (&json!(from), &json!(to)), "{payload}");
        }
        assert_eq!(people.status(ana).await, if goes { to } else { from });
    }
}

#[tokio::test]
async fn locking_a_user_ends_the_sessions_and_unlocking_brings_none_back() {
    let people = People::open().await;
    let ana = people.hire("ana@alfa.test", &[people.builtin(BuiltinRole::Cashier).await], &[]).await;
    let client = people.login("ana@alfa.test").await;
    client.ok(VIEWER, json!({})).await;
    let id = people.id(Kind::User, ana);
    people.update(&people.admin, json!({"id": id, "version": 1, "status": "LOCKED"})).await;
    assert_eq!(client.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    assert!(!people.gets_in("ana@alfa.test", crate::support::app::PASSWORD).await);
    assert_eq!(people.events(ana).await, ["user.status_changed", "user.session_invalidated"]);
    people.update(&people.admin, json!({"id": id, "version": 2, "status": "ACTIVE"})).await;
    assert_eq!(client.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
    assert!(people.gets_in("ana@alfa.test", crate::support::app::PASSWORD).await);
}

#[tokio::test]
async fn sessions_follow_a_change_of_rights_on_every_node() {
    let people = People::open().await;
    let other = TestApp::with_clock(&people.app.database_url, &[], people.app.clock.clone()).await;
    let branch = people.centre.branch("Centro", "America/Santiago").await;
    let ana = people.hire("ana@alfa.test", &[people.builtin(BuiltinRole::Cashier).await], &[]).await;
    let here = people.login("ana@alfa.test").await;
    let there = Client { router: other.router.clone(), ..here.clone() };
    let before = there.ok(VIEWER, json!({})).await;
    assert_eq!(before, here.ok(VIEWER, json!({})).await);
    let roles = json!([people.id(Kind::Role, people.builtin(BuiltinRole::Technician).await)]);
    let input = json!({"id": people.id(Kind::User, ana), "version": 1, "roleIds": roles, "branchIds": [people.id(Kind::Branch, branch)]});
    people.update(&people.admin, input).await;
    let changed = Instant::now();
    let branches = json!([people.id(Kind::Branch, branch)]);
    let expected = json!([{"code": "AGENDA_READ_OWN", "branchIds": branches}, {"code": "WORKORDER_EXECUTE", "branchIds": branches}]);
    assert_eq!(here.ok(VIEWER, json!({})).await["viewer"]["permissions"], expected, "on this node at once");
    // The other node may go on with what it knew for as long as it says, and no longer.
    while there.ok(VIEWER, json!({})).await["viewer"]["permissions"] != expected {
        assert!(changed.elapsed() < STALENESS + Duration::from_secs(1), "the other node has not noticed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_patients_account_sees_nothing_of_the_centre() {
    let people = People::open().await;
    let patient = people.app.user("alfa", BuiltinRole::Patient).await;
    assert_eq!(patient.ok(VIEWER, json!({})).await["viewer"]["permissions"], json!([]));
    for list in ["branches", "professionals", "treatments", "rooms"] {
        let query = format!("{{ {list}(first: 1) {{ nodes {{ name }} }} }}");
        assert_eq!(patient.error_code(&query, json!({})).await, "FORBIDDEN", "{list}");
    }
    let own: Uuid = people.app.actor_of(&patient).await.id.unwrap();
    assert_eq!(people.status(own).await, "ACTIVE");
}
