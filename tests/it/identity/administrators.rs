//! A centre keeps one active administrator, whoever does what at once.

use horae::{auth::BuiltinRole, schema::id::Kind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::people::People;
use crate::centre::refused;

const COUNT: &str =
    "SELECT count(*) FROM users u JOIN user_roles ur ON ur.user_id = u.id JOIN roles r ON r.id = ur.role_id
                     WHERE r.builtin = 'ADMINISTRATOR' AND u.status = 'ACTIVE' AND u.branch_ids = '{}'";

impl People {
    async fn first_admin(&self) -> Uuid {
        self.one("SELECT id FROM users WHERE email = 'admin@alfa.test'", vec![]).await
    }
}

#[tokio::test]
async fn the_last_one_cannot_go_by_any_way() {
    let people = People::open().await;
    let admin = people.first_admin().await;
    let branch = people.centre.branch("Centro", "America/Santiago").await;
    let manager = people.id(Kind::Role, people.builtin(BuiltinRole::Manager).await);
    // These are administrators that do not count: invited, locked, of one branch.
    let role = people.builtin(BuiltinRole::Administrator).await;
    for (email, status, branches) in
        [("i@alfa.test", "INVITED", vec![]), ("l@alfa.test", "LOCKED", vec![]), ("b@alfa.test", "ACTIVE", vec![branch])]
    {
        let user = people.hire(email, &[role], &branches).await;
        people.centre.run("UPDATE users SET status = $2 WHERE id = $1", vec![user.into(), status.into()]).await;
    }
    let version = people.version(admin).await;
    for (change, field) in [
        (json!({"status": "LOCKED"}), "status"),
        (json!({"status": "DISABLED"}), "status"),
        (json!({"roleIds": [manager]}), "roleIds"),
        (json!({"branchIds": [people.id(Kind::Branch, branch)]}), "branchIds"),
        (json!({"roleIds": [manager], "status": "LOCKED"}), "roleIds"),
    ] {
        let mut input: Value = change;
        input["id"] = json!(people.id(Kind::User, admin));
        input["version"] = json!(version);
        people.refuses(people.update(&people.admin, input), &[&format!("INVALID {field}")]).await;
    }
    // With a second one, the first may go.
    people.hire("otra@alfa.test", &[role], &[]).await;
    let input = json!({"id": people.id(Kind::User, admin), "version": version, "status": "DISABLED"});
    assert_eq!(refused(&people.update(&people.admin, input).await), Vec::<String>::new());
    assert_eq!(people.centre.count(COUNT).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_resign_at_once_one_stays() {
    let people = People::open().await;
    let role = people.builtin(BuiltinRole::Administrator).await;
    let cashier = people.id(Kind::Role, people.builtin(BuiltinRole::Cashier).await);
    for round in 0..8 {
        people.centre.run("UPDATE users SET status = 'ACTIVE'", vec![]).await;
        let emails = [format!("uno{round}@alfa.test"), format!("dos{round}@alfa.test")];
        let one = people.hire(&emails[0], &[role], &[]).await;
        let two = people.hire(&emails[1], &[role], &[]).await;
        people
            .centre
            .run(
                "DELETE FROM user_roles WHERE role_id = $1 AND user_id <> ALL ($2)",
                vec![role.into(), vec![one, two].into()],
            )
            .await;
        let (first, second) = (people.login(&emails[0]).await, people.login(&emails[1]).await);
        // One way this time, the other way the next: both kinds of loss meet in the middle.
        let change = |user: Uuid, by_role: bool| {
            let mut input = json!({"id": people.id(Kind::User, user), "version": 1});
            if by_role {
                input["roleIds"] = json!([cashier])
            } else {
                input["status"] = json!("DISABLED")
            }
            input
        };
        let (a, b) = tokio::join!(
            people.update(&first, change(one, round % 2 == 0)),
            people.update(&second, change(two, round % 4 < 2)),
        );
        let told = [refused(&a), refused(&b)];
        let refusals: Vec<&String> = told.iter().flatten().collect();
        assert_eq!(refusals.len(), 1, "{a} {b}");
        assert!(refusals[0].starts_with("INVALID "), "{refusals:?}");
        assert_eq!(people.centre.count(COUNT).await, 1, "round {round}");
    }
}

/// Below the use case, which has a lock of its own: the rule is the database's.
#[tokio::test(flavor = "multi_thread")]
async fn the_database_decides_it_alone() {
    let people = People::open().await;
    let role = people.builtin(BuiltinRole::Administrator).await;
    let admin = people.first_admin().await;
    let other = people.hire("otra@alfa.test", &[role], &[]).await;
    let cx = &people.centre.cx;
    let one = cx.write(&people.centre.system).await.unwrap();
    one.run("UPDATE users SET status = 'LOCKED' WHERE id = $1", [admin.into()]).await.unwrap();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let (late_cx, system) = (cx.clone(), people.centre.system.clone());
    let late = tokio::spawn(async move {
        let tx = late_cx.write(&system).await.unwrap();
        sender.send(()).unwrap();
        let gone = tx.run("DELETE FROM user_roles WHERE user_id = $1", [other.into()]).await;
        match gone {
            Ok(_) => tx.commit().await,
            Err(error) => Err(error),
        }
    });
    receiver.await.unwrap();
    one.commit().await.unwrap();
    let error = late.await.unwrap().expect_err("the last administrator went");
    assert!(error.violates("users_keep_an_administrator"), "{error:?}");
    assert_eq!(people.centre.count(COUNT).await, 1);
}
