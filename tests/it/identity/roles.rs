//! Roles: those that every centre has, and the centre's own.

use horae::{auth::BuiltinRole, schema::id::Kind};
use migration::MigratorTrait;
use sea_orm::{ConnectOptions, ConnectionTrait, Database};
use serde_json::{Value, json};

use super::people::People;
use crate::centre::refused;

const ROLES: &str = "{ roles { id name builtin permissions } }";

#[tokio::test]
async fn a_new_centre_has_every_built_in_role() {
    let people = People::open().await;
    let roles = people.admin.ok(ROLES, json!({})).await["roles"].clone();
    let names: Vec<&str> = roles.as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
    let mut expected: Vec<&str> = BuiltinRole::ALL.into_iter().map(BuiltinRole::display_name).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
    for role in roles.as_array().unwrap() {
        let builtin = BuiltinRole::ALL.into_iter().find(|b| b.display_name() == role["name"]).unwrap();
        let permissions: Vec<&str> = builtin.permissions().iter().map(horae::auth::Permission::as_str).collect();
        assert_eq!((&role["permissions"], &role["builtin"]), (&json!(permissions), &json!(true)));
    }
    // Only the administrator hands out rights, and only who attends reads records.
    let who = |word: &str| {
        let has = |role: &&Value| role["permissions"].as_array().unwrap().iter().any(|p| p == word);
        roles.as_array().unwrap().iter().filter(has).map(|role| role["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(who("USER_ADMIN"), ["Administrator"]);
    assert_eq!(who("RECORD_READ"), ["Administrator", "Professional"]);
}

#[tokio::test]
async fn a_centre_from_before_gets_the_roles_it_lacks() {
    let people = People::open().await;
    let mut options = ConnectOptions::new(&people.app.database_url);
    options.max_connections(1);
    let owner = Database::connect(options).await.unwrap();
    owner.execute_unprepared("CREATE SCHEMA before; SET search_path TO before").await.unwrap();
    let mine = migration::Tenant::migrations().iter().position(|m| m.name() == "m0005_users").unwrap();
    migration::Tenant::up(&owner, Some(u32::try_from(mine).unwrap())).await.unwrap();
    owner
        .execute_unprepared(
            "INSERT INTO roles (id, name, builtin) VALUES (gen_random_uuid(), 'Jefa', 'ADMINISTRATOR'),
                 (gen_random_uuid(), 'Receptionist', 'RECEPTIONIST'), (gen_random_uuid(), 'Professional', 'PROFESSIONAL')",
        )
        .await
        .unwrap();
    migration::Tenant::up(&owner, None).await.unwrap();
    let row = owner
        .query_one_raw(sea_orm::Statement::from_string(
            sea_orm::DbBackend::Postgres,
            "SELECT array_agg(builtin ORDER BY builtin) AS words FROM roles",
        ))
        .await
        .unwrap()
        .unwrap();
    let words: Vec<String> = row.try_get("", "words").unwrap();
    let mut expected: Vec<&str> = BuiltinRole::ALL.into_iter().map(BuiltinRole::as_str).collect();
    expected.sort_unstable();
    assert_eq!(words, expected);
    owner.close().await.unwrap();
}

#[tokio::test]
async fn a_role_of_the_centres_own_is_made_changed_and_noticed() {
    let people = People::open().await;
    let made = people
        .upsert_role(&people.admin, json!({"name": " Caja tarde ", "permissions": ["FINANCE_READ", "CASH_OPEN_CLOSE"]}))
        .await;
    assert_eq!(refused(&made), Vec::<String>::new());
    let role = &made["role"];
    assert_eq!((&role["name"], &role["builtin"]), (&json!("Caja tarde"), &json!(false)));
    let id = crate::centre::local(&people.app, "alfa", Kind::Role, &role["id"]).await;
    people.hire("ana@alfa.test", &[id], &[]).await;
    let ana = people.login("ana@alfa.test").await;
    let changed = people
        .upsert_role(&people.admin, json!({"id": role["id"], "name": "Caja", "permissions": ["FINANCE_READ"]}))
        .await;
    assert_eq!(changed["role"]["permissions"], json!(["FINANCE_READ"]));
    assert_eq!(people.events(id).await, ["user.role_changed", "user.role_changed"]);
    let actor = people.app.actor_of(&ana).await;
    people.app.app.authenticator.forget(actor.tenant.id, actor.session.unwrap()).await;
    let seen = ana.ok("{ viewer { permissions { code } } }", json!({})).await;
    assert_eq!(seen["viewer"]["permissions"], json!([{"code": "FINANCE_READ"}]));
    let trail: Value = people.one("SELECT jsonb_build_array(before, after) FROM audit_entries WHERE subject_id = $1 ORDER BY ctid DESC LIMIT 1", vec![id.into()]).await;
    let before = json!({"name": "Caja tarde", "permissions": ["FINANCE_READ", "CASH_OPEN_CLOSE"]});
    assert_eq!(trail, json!([before, {"name": "Caja", "permissions": ["FINANCE_READ"]}]));
}

#[tokio::test]
async fn what_a_role_cannot_be() {
    let people = People::open().await;
    let cashier = people.id(Kind::Role, people.builtin(BuiltinRole::Cashier).await);
    let foreign =
        crate::centre::global(&people.app, "beta", Kind::Role, people.builtin(BuiltinRole::Cashier).await).await;
    for (input, expected) in [
        (json!({"name": "", "permissions": []}), "REQUIRED name"),
        (json!({"name": "x".repeat(201), "permissions": []}), "INVALID name"),
        (json!({"name": "manager", "permissions": []}), "ALREADY_EXISTS name"),
        (json!({"name": "Manager", "permissions": []}), "ALREADY_EXISTS name"),
        (json!({"id": cashier, "name": "Caja", "permissions": ["FINANCE_REFUND"]}), "INVALID permissions"),
        (json!({"id": foreign, "name": "Caja", "permissions": []}), "NOT_FOUND id"),
        (
            json!({"id": people.id(Kind::Role, people.centre.cx.new_id()), "name": "Caja", "permissions": []}),
            "NOT_FOUND id",
        ),
    ] {
        people.refuses(people.upsert_role(&people.admin, input), &[expected]).await;
    }
    let same: Vec<&str> = BuiltinRole::Cashier.permissions().iter().map(horae::auth::Permission::as_str).collect();
    let renamed = people.upsert_role(&people.admin, json!({"id": cashier, "name": "Caja", "permissions": same})).await;
    assert_eq!((&renamed["role"]["name"], &renamed["role"]["builtin"]), (&json!("Caja"), &json!(true)), "{renamed}");
    for role in BuiltinRole::ALL.into_iter().filter(|role| *role != BuiltinRole::Administrator) {
        let client = people.app.user("alfa", role).await;
        people.refuses(people.upsert_role(&client, json!({"name": "Otra", "permissions": []})), &["FORBIDDEN "]).await;
    }
    people
        .centre
        .run("INSERT INTO roles (id, name) SELECT gen_random_uuid(), 'r' || n FROM generate_series(1, 191) n", vec![])
        .await;
    people
        .refuses(people.upsert_role(&people.admin, json!({"name": "Una más", "permissions": []})), &["QUOTA_EXCEEDED "])
        .await;
}
