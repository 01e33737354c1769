//! Changing patients.

use horae::schema::id::Kind;
use serde_json::json;
use uuid::Uuid;

use super::Desk;
use crate::centre::{events_after, refused};

#[tokio::test]
async fn what_is_left_out_stays_and_null_takes_away() {
    let desk = Desk::open().await;
    let before = desk
        .created(json!({"givenNames": "Ana", "paternalSurname": "Rojas", "email": "ana@example.com", "rating": 3, "phones": ["+56961234567"]}))
        .await;
    let (_, head) = events_after(&desk.centre, 0).await;
    let after = desk.update(&before, json!({"givenNames": "Ana María", "email": null, "rating": null})).await;
    assert_eq!(after["userErrors"], json!([]));
    let after = &after["patient"];
    assert_eq!((&after["version"], &after["givenNames"]), (&json!(2), &json!("Ana María")));
    assert_eq!((&after["email"], &after["rating"]), (&json!(null), &json!(null)));
    assert_eq!((&after["paternalSurname"], &after["phones"]), (&json!("Rojas"), &json!(["+56961234567"])));
    assert_eq!(events_after(&desk.centre, head).await.0, ["patient.updated"]);
    let stale = desk.update(&before, json!({"givenNames": "Otra"})).await;
    assert_eq!(refused(&stale), ["VERSION_CONFLICT version"]);
    let mut nobody = before.clone();
    nobody["id"] = desk.id(Kind::Patient, Uuid::new_v4());
    assert_eq!(refused(&desk.update(&nobody, json!({"givenNames": "Otra"})).await), ["NOT_FOUND id"]);
}

#[tokio::test]
async fn consent_remembers_when_it_was_said_and_not_when_it_was_repeated() {
    let desk = Desk::open().await;
    let never = desk.created(json!({"givenNames": "Ana"})).await;
    assert_eq!(never["marketingConsent"], json!({"granted": false, "at": null, "source": null}));
    let said = desk.update(&never, json!({"givenNames": "Ana", "marketingConsent": true})).await["patient"].clone();
    assert_eq!(said["marketingConsent"]["source"], "STAFF");
    desk.app.clock.advance(chrono::TimeDelta::minutes(2));
    let again = desk.update(&said, json!({"givenNames": "Ana", "marketingConsent": true})).await["patient"].clone();
    assert_eq!(again["marketingConsent"], said["marketingConsent"]);
    let taken = desk.update(&again, json!({"givenNames": "Ana", "marketingConsent": false})).await["patient"].clone();
    assert_eq!(taken["marketingConsent"]["granted"], false);
    assert_ne!(taken["marketingConsent"]["at"], said["marketingConsent"]["at"]);
}

#[tokio::test]
async fn nobody_is_the_own_guardian() {
    let desk = Desk::open().await;
    let one = desk.created(json!({"givenNames": "Ana"})).await;
    let payload = desk.update(&one, json!({"givenNames": "Ana", "guardianIds": [one["id"]]})).await;
    assert_eq!(refused(&payload), ["INVALID guardianIds"]);
}

#[tokio::test]
async fn the_trail_tells_that_something_changed_and_not_what() {
    let desk = Desk::open().await;
    let one =
        desk.created(json!({"givenNames": "Rosamunda", "comments": ["secreta"], "phones": ["+56961234567"]})).await;
    desk.update(&one, json!({"givenNames": "Rosamunda", "comments": ["secretísima"]})).await;
    for table in ["audit_entries", "events"] {
        let sql: &'static str = if table == "events" {
            "SELECT count(*) FROM events t WHERE t::text ~* 'rosamunda|secret|61234567'"
        } else {
            "SELECT count(*) FROM audit_entries t WHERE t::text ~* 'rosamunda|secret|61234567'"
        };
        assert_eq!(desk.centre.count(sql).await, 0, "{table}");
    }
    let told = desk.centre.count("SELECT count(*) FROM audit_entries WHERE action = 'updatePatient' AND after ? 'comments' AND NOT after ? 'phones'");
    assert_eq!(told.await, 1);
}
