//! Nobody grants more than they hold.

use horae::{auth::BuiltinRole, schema::id::Kind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::people::People;
use crate::{centre::refused, support::app::Client};

/// A centre with somebody who administers users and sees the agenda, and nothing else.
struct Office {
    people: People,
    role: Uuid,
    chief: Uuid,
    client: Client,
}

impl Office {
    async fn open(branches: &[&str]) -> (Self, Vec<Uuid>) {
        let people = People::open().await;
        let mut ids = Vec::new();
        for name in ["Centro", "Sur"] {
            ids.push(people.centre.branch(name, "America/Santiago").await);
        }
        let own: Vec<Uuid> =
            ["Centro", "Sur"].iter().zip(&ids).filter(|(name, _)| branches.contains(name)).map(|(_, id)| *id).collect();
        let role = people.role("Jefatura", &["USER_ADMIN", "AGENDA_READ"]).await;
        let chief = people.hire("jefa@alfa.test", &[role], &own).await;
        let client = people.login("jefa@alfa.test").await;
        (Self { people, role, chief, client }, ids)
    }

    fn role_ids(&self, roles: &[Uuid]) -> Value {
        json!(roles.iter().map(|role| self.people.id(Kind::Role, *role)).collect::<Vec<_>>())
    }

    async fn create_key(&self, input: Value) -> Value {
        let query = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret userErrors { code message field } } }";
        self.client.ok(query, json!({ "input": input })).await["createApiKey"].clone()
    }

    async fn disable_mfa(&self, user: Uuid) -> Value {
        let query = "mutation($user: ID) { disableMfa(userId: $user) { user { mfaEnabled } userErrors { code message field } } }";
        self.client.ok(query, json!({"user": self.people.id(Kind::User, user)})).await["disableMfa"].clone()
    }

    fn invitation(&self, roles: &[Uuid], branches: &[Uuid]) -> Value {
        let branches: Vec<String> = branches.iter().map(|id| self.people.id(Kind::Branch, *id)).collect();
        json!({"email": "nueva@alfa.test", "name": "Nueva", "roleIds": self.role_ids(roles), "branchIds": branches})
    }
}

#[tokio::test]
async fn by_inviting_and_by_giving_roles() {
    let (office, _) = Office::open(&[]).await;
    let (people, client) = (&office.people, &office.client);
    let administrator = people.builtin(BuiltinRole::Administrator).await;
    let technician = people.builtin(BuiltinRole::Technician).await;
    for roles in [&[administrator][..], &[office.role, technician]] {
        people.refuses(people.invite(client, office.invitation(roles, &[])), &["FORBIDDEN roleIds"]).await;
    }
    let payload = people.invite(client, office.invitation(&[technician], &[])).await;
    let message = payload["userErrors"][0]["message"].as_str().unwrap();
    assert!(message.contains("WORKORDER_EXECUTE") && message.contains("AGENDA_READ_OWN"), "{message}");
    // To oneself, and to somebody below.
    let below = people.hire("ana@alfa.test", &[people.builtin(BuiltinRole::Patient).await], &[]).await;
    for user in [office.chief, below] {
        let input = json!({"id": people.id(Kind::User, user), "version": 1, "roleIds": office.role_ids(&[office.role, administrator])});
        people.refuses(people.update(client, input), &["FORBIDDEN roleIds"]).await;
    }
    // What is held can be handed on.
    let input = json!({"id": people.id(Kind::User, below), "version": 1, "roleIds": office.role_ids(&[office.role])});
    assert_eq!(refused(&people.update(client, input).await), Vec::<String>::new());
    assert_eq!(refused(&people.invite(client, office.invitation(&[office.role], &[])).await), Vec::<String>::new());
}

#[tokio::test]
async fn by_touching_somebody_who_may_more() {
    let (office, _) = Office::open(&[]).await;
    let (people, client) = (&office.people, &office.client);
    let admin = people.one::<Uuid>("SELECT id FROM users WHERE email = 'admin@alfa.test'", vec![]).await;
    let version = people.version(admin).await;
    for change in
        [json!({"status": "DISABLED"}), json!({"name": "Otra"}), json!({"roleIds": office.role_ids(&[office.role])})]
    {
        let mut input = change;
        input["id"] = json!(people.id(Kind::User, admin));
        input["version"] = json!(version);
        people.refuses(people.update(client, input), &["FORBIDDEN id"]).await;
    }
    // Nor by inviting a disabled administrator anew with less, or an invited one's address.
    let old = people.hire("antes@alfa.test", &[people.builtin(BuiltinRole::Administrator).await], &[]).await;
    people.centre.run("UPDATE users SET status = 'DISABLED' WHERE id = $1", vec![old.into()]).await;
    let mut input = office.invitation(&[office.role], &[]);
    input["email"] = json!("antes@alfa.test");
    people.refuses(people.invite(client, input), &["FORBIDDEN email"]).await;
}

#[tokio::test]
async fn by_editing_a_role() {
    let (office, _) = Office::open(&[]).await;
    let (people, client) = (&office.people, &office.client);
    let own = people.id(Kind::Role, office.role);
    let records = people.role("Archivo", &["RECORD_READ"]).await;
    for (input, expected) in [
        (
            json!({"id": own, "name": "Jefatura", "permissions": ["USER_ADMIN", "AGENDA_READ", "RECORD_READ"]}),
            "FORBIDDEN permissions",
        ),
        (json!({"name": "Nueva", "permissions": ["FINANCE_REFUND"]}), "FORBIDDEN permissions"),
        // Not even taking away what one does not hold oneself.
        (json!({"id": people.id(Kind::Role, records), "name": "Archivo", "permissions": []}), "FORBIDDEN id"),
    ] {
        people.refuses(people.upsert_role(client, input), &[expected]).await;
    }
    let made =
        people.upsert_role(client, json!({"name": "Agenda", "permissions": ["AGENDA_READ", "AGENDA_READ"]})).await;
    assert_eq!(made["role"]["permissions"], json!(["AGENDA_READ"]), "{made}");
}

#[tokio::test]
async fn beyond_the_own_branches() {
    let (office, branches) = Office::open(&["Centro"]).await;
    let (people, client) = (&office.people, &office.client);
    let (centro, sur) = (branches[0], branches[1]);
    for wanted in [&[][..], &[sur], &[centro, sur]] {
        people
            .refuses(people.invite(client, office.invitation(&[office.role], wanted)), &["FORBIDDEN branchIds"])
            .await;
    }
    assert_eq!(
        refused(&people.invite(client, office.invitation(&[office.role], &[centro])).await),
        Vec::<String>::new()
    );
    // Oneself, to every branch.
    let input = json!({"id": people.id(Kind::User, office.chief), "version": 1, "branchIds": []});
    people.refuses(people.update(client, input), &["FORBIDDEN branchIds"]).await;
    // Who works elsewhere does not exist; who works here and elsewhere is seen and not touched.
    let away = people.hire("bruno@alfa.test", &[office.role], &[sur]).await;
    let both = people.hire("carla@alfa.test", &[office.role], &[centro, sur]).await;
    let here = people.hire("dora@alfa.test", &[office.role], &[centro]).await;
    for (user, expected) in [(away, "NOT_FOUND id"), (both, "FORBIDDEN id")] {
        let input = json!({"id": people.id(Kind::User, user), "version": 1, "status": "DISABLED"});
        people.refuses(people.update(client, input), &[expected]).await;
    }
    let input = json!({"id": people.id(Kind::User, here), "version": 1, "status": "DISABLED"});
    assert_eq!(refused(&people.update(client, input).await), Vec::<String>::new());
    // A role would hold elsewhere too.
    let role = json!({"name": "Agenda", "permissions": ["AGENDA_READ"]});
    people.refuses(people.upsert_role(client, role), &["FORBIDDEN "]).await;
}

#[tokio::test]
async fn with_rights_that_were_taken_away_a_moment_ago() {
    let (office, _) = Office::open(&[]).await;
    let (people, client) = (&office.people, &office.client);
    let agenda = people.role("Agenda", &["AGENDA_READ"]).await;
    let nothing = people.role("Nada", &[]).await;
    let (ana, bruno) =
        (people.hire("ana@alfa.test", &[agenda], &[]).await, people.hire("bruno@alfa.test", &[nothing], &[]).await);
    let factors = "INSERT INTO mfa_factors (user_id, secret, created_at, confirmed_at)
                   SELECT id, 'x', $1, $1 FROM users WHERE email IN ('ana@alfa.test', 'bruno@alfa.test')";
    assert_eq!(people.centre.run(factors, vec![people.app.now().into()]).await, 2);
    let key = json!({"name": "Web", "permissions": ["AGENDA_READ"], "publishable": false});
    client.ok("{ viewer { permissions { code } } }", json!({})).await;
    people
        .centre
        .run("UPDATE roles SET permissions = ARRAY['USER_ADMIN'] WHERE id = $1", vec![office.role.into()])
        .await;
    // This node still believes the old rights; the transaction does not.
    let stale = client.ok("{ viewer { permissions { code } } }", json!({})).await;
    assert_eq!(stale["viewer"]["permissions"].as_array().unwrap().len(), 2);
    people.refuses(people.invite(client, office.invitation(&[agenda], &[])), &["FORBIDDEN roleIds"]).await;
    people.refuses(office.create_key(key), &["FORBIDDEN permissions"]).await;
    people.refuses(office.disable_mfa(ana), &["FORBIDDEN userId"]).await;
    people.centre.run("DELETE FROM user_roles WHERE user_id = $1", vec![office.chief.into()]).await;
    people.refuses(people.invite(client, office.invitation(&[agenda], &[])), &["FORBIDDEN "]).await;
    let role = json!({"name": "Otra", "permissions": []});
    people.refuses(people.upsert_role(client, role), &["FORBIDDEN "]).await;
    let page =
        json!({"name": "Web", "permissions": [], "publishable": true, "allowedOrigins": ["https://example.com"]});
    people.refuses(office.create_key(page), &["FORBIDDEN "]).await;
    people.refuses(office.disable_mfa(bruno), &["FORBIDDEN "]).await;
}
