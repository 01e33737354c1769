//! Mails through the API.

use horae::auth::BuiltinRole;
use serde_json::json;

use super::Desk;

const LIST: &str = "query($filter: EmailFilter, $first: Int, $after: String, $last: Int, $before: String) {
    emailMessages(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
        nodes { id kind dedupKey to subject status scheduledLocal timeZone dueAt sentAt messageId attempts lastError relatedId }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

#[tokio::test]
async fn mails_are_listed_filtered_and_paged_latest_first() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    for hour in 14..17 {
        desk.book(&branch, &format!("2026-07-14T{hour}:00:00Z"), "maria@example.com").await;
    }
    desk.at("2026-07-13T12:05:00Z").await;
    let client = desk.app.admin("alfa").await;
    let all = client.ok(LIST, json!({"first": 4})).await;
    let page = &all["emailMessages"];
    assert_eq!(page["nodes"].as_array().unwrap().len(), 4);
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    let reminder = &page["nodes"][0];
    assert_eq!(
        (reminder["kind"].as_str(), reminder["status"].as_str()),
        (Some("APPOINTMENT_REMINDER"), Some("SCHEDULED"))
    );
    assert_eq!(
        (reminder["scheduledLocal"].as_str(), reminder["dueAt"].as_str()),
        (Some("2026-07-14T08:00"), Some("2026-07-14T08:00:00-04:00"))
    );
    assert_eq!(reminder["timeZone"], "America/Santiago");
    let rest = client.ok(LIST, json!({"first": 4, "after": page["pageInfo"]["endCursor"]})).await;
    assert_eq!(rest["emailMessages"]["nodes"].as_array().unwrap().len(), 2);
    let back = client.ok(LIST, json!({"last": 4, "before": rest["emailMessages"]["pageInfo"]["startCursor"]})).await;
    assert_eq!(back["emailMessages"]["nodes"], page["nodes"]);
    let sent = client.ok(LIST, json!({"first": 10, "filter": {"status": "SENT"}})).await;
    let sent = sent["emailMessages"]["nodes"].as_array().unwrap().clone();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|mail| mail["attempts"] == 1
        && !mail["subject"].as_str().unwrap().is_empty()
        && !mail["sentAt"].is_null()));
    let one = client.ok(LIST, json!({"first": 10, "filter": {"relatedId": sent[0]["relatedId"]}})).await;
    assert_eq!(one["emailMessages"]["nodes"].as_array().unwrap().len(), 2);
    let appointment = client
        .ok("query($id: ID!) { appointment(id: $id) { emails { kind status } } }", json!({"id": sent[0]["relatedId"]}))
        .await;
    let expected = json!([
        {"kind": "APPOINTMENT_CONFIRMATION", "status": "SENT"},
        {"kind": "APPOINTMENT_REMINDER", "status": "SCHEDULED"},
    ]);
    assert_eq!(appointment["appointment"]["emails"], expected);
}

#[tokio::test]
async fn who_may_not_see_the_agenda_and_who_is_of_another_centre_sees_nothing() {
    let desk = Desk::open().await;
    let branch = desk.branch("Centro", "America/Santiago", &[]).await;
    desk.book(&branch, "2026-07-14T14:00:00Z", "maria@example.com").await;
    let professional = desk.app.user("alfa", BuiltinRole::Professional).await;
    assert_eq!(professional.error_code(LIST, json!({"first": 10})).await, "FORBIDDEN");
    let other = desk.app.admin("beta").await.ok(LIST, json!({"first": 10})).await;
    assert_eq!(other["emailMessages"]["nodes"], json!([]));
    let alfa = desk.app.admin("alfa").await.ok(LIST, json!({"first": 1})).await;
    let id = &alfa["emailMessages"]["nodes"][0]["relatedId"];
    let answer = desk.app.admin("beta").await.send(LIST, json!({"first": 10, "filter": {"relatedId": id}})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "NOT_FOUND", "{answer}");
    let range =
        json!({"first": 10, "filter": {"range": {"from": "2026-07-14T00:00:00Z", "to": "2026-07-14T00:00:00Z"}}});
    assert!(desk.app.admin("alfa").await.send(LIST, range).await.get("errors").is_some());
}

const SUPPRESSIONS: &str = "query($first: Int, $after: String, $last: Int, $before: String) {
    suppressions(first: $first, after: $after, last: $last, before: $before) {
        nodes { id email reason at } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

#[tokio::test]
async fn addresses_that_get_no_mail_are_listed_latest_first() {
    let desk = Desk::open().await;
    let tx = desk.tx().await;
    for minute in 0..3 {
        tx.run(
            "INSERT INTO suppressions (id, email, reason, at) VALUES ($1, $2, 'HARD_BOUNCE', $3)",
            [
                desk.app.app.cx.new_id().into(),
                format!("gone{minute}@example.com").into(),
                (desk.app.now() + chrono::Duration::minutes(minute)).into(),
            ],
        )
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    let client = desk.app.user("alfa", BuiltinRole::Receptionist).await;
    let page = client.ok(SUPPRESSIONS, json!({"first": 2})).await["suppressions"].clone();
    let emails = |page: &serde_json::Value| -> Vec<String> {
        page["nodes"].as_array().unwrap().iter().map(|node| node["email"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(emails(&page), ["gone2@example.com", "gone1@example.com"]);
    assert_eq!(
        (&page["nodes"][0]["reason"], &page["nodes"][0]["at"]),
        (&json!("HARD_BOUNCE"), &json!("2026-07-13T12:02:00+00:00"))
    );
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    let rest =
        client.ok(SUPPRESSIONS, json!({"first": 2, "after": page["pageInfo"]["endCursor"]})).await["suppressions"]
            .clone();
    assert_eq!(
        (emails(&rest), &rest["pageInfo"]["hasNextPage"]),
        (vec!["gone0@example.com".to_owned()], &json!(false))
    );
    let back =
        client.ok(SUPPRESSIONS, json!({"last": 2, "before": rest["pageInfo"]["startCursor"]})).await["suppressions"]
            .clone();
    assert_eq!(back["nodes"], page["nodes"]);

    // Another list's cursor, another role, another centre.
    let mails = client.error_code(LIST, json!({"first": 2, "after": page["pageInfo"]["endCursor"]})).await;
    assert_eq!(mails, "INVALID");
    let professional = desk.app.user("alfa", BuiltinRole::Professional).await;
    assert_eq!(professional.error_code(SUPPRESSIONS, json!({"first": 1})).await, "FORBIDDEN");
    let other = desk.app.admin("beta").await.ok(SUPPRESSIONS, json!({"first": 5})).await;
    assert_eq!(other["suppressions"]["nodes"], json!([]));
}
