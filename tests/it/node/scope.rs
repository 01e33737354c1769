//! An id opens no branch, no colleague and no column that the caller does not see otherwise.

use horae::{auth::Permission, schema::id::Kind};
use serde_json::json;

use super::{House, NODE, words};

#[tokio::test]
async fn who_works_in_one_branch_sees_nothing_of_another() {
    let house = House::build().await;
    let everything = words(Permission::ALL);
    let all: Vec<_> = house.things.iter().map(|thing| thing.what).collect();
    let of_the_centre = ["session", "key", "entry", "invitation", "own_feed", "job"];
    let (_, there) = house.somebody(&everything, &[house.north]).await;
    let expected: Vec<_> = all.iter().copied().filter(|what| !of_the_centre.contains(what)).collect();
    assert_eq!(house.seen(&there).await, expected);
    let (_, elsewhere) = house.somebody(&everything, &[house.south]).await;
    assert_eq!(
        house.seen(&elsewhere).await,
        ["professional", "category", "treatment", "user", "role", "club", "refused", "form"],
        "people, what is offered, and the whole centre's"
    );
}

#[tokio::test]
async fn who_sees_the_own_column_sees_what_is_in_it() {
    let house = House::build().await;
    let (ana, client) = house.somebody(&["AGENDA_READ_OWN", "PATIENT_READ"], &[]).await;
    let staff = ["branch", "professional", "room", "equipment", "category", "treatment"];
    let seen = house.seen(&client).await;
    assert_eq!(seen, [&staff[..], &["closed", "club"]].concat(), "nobody's column");
    house.people.centre.is_user(house.ana, ana).await;
    let email: String = house.people.one("SELECT email FROM users WHERE id = $1", vec![ana.into()]).await;
    let client = house.people.login(&email).await;
    let own = ["schedule", "closed", "block", "visit", "patient", "club", "own_feed"];
    assert_eq!(house.seen(&client).await, [&staff[..], &own].concat());
}

#[tokio::test]
async fn everybody_finds_oneself_and_ones_own_sessions() {
    let house = House::build().await;
    let (id, client) = house.somebody(&[], &[house.south]).await;
    assert!(house.seen(&client).await.is_empty(), "who may do nothing does not work here");
    let session = house.people.one("SELECT id FROM sessions WHERE user_id = $1", vec![id.into()]).await;
    for (kind, id) in [(Kind::User, id), (Kind::Session, session)] {
        let id = house.people.id(kind, id);
        assert_eq!(client.ok(NODE, json!({ "id": id })).await["node"]["id"], id);
        let (_, other) = house.somebody(&["AGENDA_READ"], &[]).await;
        assert_eq!(other.error_code(NODE, json!({ "id": id })).await, "NOT_FOUND");
    }
}
