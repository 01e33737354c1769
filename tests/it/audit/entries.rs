//! The trail as it is read: filters, pages, before and after.

use chrono::TimeDelta;
use horae::{
    auth::{Actor, BuiltinRole},
    domain::{
        booking::book,
        change::{Change, Changes},
    },
    schema::id::Kind,
};
use serde_json::{Value, json};

use super::send_as;
use crate::{booking::Clinic, support::app::TestApp};

const ENTRIES: &str = "query($filter: AuditFilter, $first: Int, $after: String, $last: Int, $before: String) {
    auditEntries(filter: $filter, first: $first, after: $after, last: $last, before: $before) {
        nodes { id at actor { kind id displayName } action subjectType subjectId requestId ip before after reason hash previousHash }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
}";

async fn entries(client: &crate::support::app::Client, variables: Value) -> Value {
    client.ok(ENTRIES, variables).await["auditEntries"].clone()
}

#[tokio::test]
async fn a_change_tells_who_what_and_only_what_has_changed() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let save = "mutation($input: BranchInput!) { upsertBranch(input: $input) { branch { id } userErrors { code } } }";
    let input = json!({"name": "Ñuñoa", "timeZone": "America/Santiago", "phone": "+56 2 2345 6789"});
    let (_, created) = send_as(&admin, "first", save, &json!({ "input": input })).await;
    let id = created["data"]["upsertBranch"]["branch"]["id"].clone();
    let input = json!({
        "id": id, "version": 1, "name": "Ñuñoa", "timeZone": "America/Santiago", "phone": "+56 2 2345 6700", "slotGridMinutes": 30,
        "openingHours": [{"day": "MON", "start": "09:00", "end": "13:00"}],
    });
    let (_, answer) = send_as(&admin, "second", save, &json!({ "input": input })).await;
    assert_eq!(answer["data"]["upsertBranch"]["userErrors"], json!([]));
    let found = entries(&admin, json!({"filter": {"subjectId": id}, "first": 10})).await;
    let [changed, created] = found["nodes"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!(changed["actor"]["displayName"], "Admin alfa");
    assert_eq!((&changed["actor"]["kind"], &changed["action"]), (&json!("USER"), &json!("upsertBranch")));
    assert_eq!((&changed["requestId"], &created["requestId"]), (&json!("second"), &json!("first")));
    assert_eq!((&changed["subjectType"], &changed["subjectId"]), (&json!("Branch"), &id));
    assert_eq!(changed["before"], json!({"version": 1, "phone": "***", "slotGridMinutes": 15, "openingHours": []}));
    let hours = json!([{"weekday": 1, "start": "09:00", "end": "13:00"}]);
    assert_eq!(changed["after"], json!({"version": 2, "phone": "***", "slotGridMinutes": 30, "openingHours": hours}));
    assert_eq!(created["before"], Value::Null);
    assert_eq!((&created["after"]["name"], &created["after"]["phone"]), (&json!("Ñuñoa"), &json!("***")));
    assert!(!found.to_string().contains("2345"), "{found}");
    // Each hangs on the one before it.
    assert_eq!(changed["previousHash"], created["hash"]);
    assert_eq!(created["hash"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn the_address_is_kept_and_shown_to_who_may_read_the_trail() {
    let clinic = Clinic::open().await;
    let here = Actor { ip: Some("2001:db8::7".parse().unwrap()), ..(*clinic.actor).clone() };
    let booking = clinic.booking(clinic.professionals[0], "2026-07-14T14:00:00Z".parse().unwrap());
    let booked = book::run(&clinic.app.app.cx, &here, booking).await.unwrap();
    let id = clinic.id(Kind::Appointment, booked.id);
    let found = entries(&clinic.admin, json!({"filter": {"subjectId": id}, "first": 1})).await;
    assert_eq!(found["nodes"][0]["ip"], "2001:db8::7");
    let history = "query($id: ID!) { appointment(id: $id) { history(first: 1) { nodes { action ip } } } }";
    let desk = clinic.app.user("alfa", BuiltinRole::Receptionist).await;
    for (client, ip) in [(&clinic.admin, json!("2001:db8::7")), (&desk, Value::Null)] {
        let told = client.ok(history, json!({ "id": id })).await["appointment"]["history"]["nodes"][0].clone();
        assert_eq!(told, json!({"action": "bookAppointment", "ip": ip}));
    }
}

#[tokio::test]
async fn pages_in_both_directions_show_everything_once_with_one_statement() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let actor = app.actor_of(&admin).await;
    let cx = &app.app.cx;
    for n in 0..7 {
        app.clock.advance(TimeDelta::seconds(1));
        let tx = cx.write(&actor).await.unwrap();
        let change = Change { reason: Some(n.to_string()), ..Change::audited("count", "User", actor.id.unwrap()) };
        cx.commit(tx, Changes::one(&actor, change)).await.unwrap();
    }
    let reasons = |page: &Value| -> Vec<String> {
        page["nodes"].as_array().unwrap().iter().map(|node| node["reason"].as_str().unwrap().to_owned()).collect()
    };
    let filter = json!({"action": "count"});
    let (mut forwards, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = entries(&admin, json!({"filter": filter, "first": 3, "after": after})).await;
        forwards.extend(reasons(&page));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(forwards, ["6", "5", "4", "3", "2", "1", "0"]);
    let page = entries(&admin, json!({"filter": filter, "last": 2})).await;
    assert_eq!(reasons(&page), ["1", "0"]);
    assert_eq!(page["pageInfo"]["hasPreviousPage"], true);
    let page = entries(&admin, json!({"filter": filter, "last": 2, "before": page["pageInfo"]["startCursor"]})).await;
    assert_eq!(reasons(&page), ["3", "2"]);

    let counted = |first: i32| {
        let (admin, app) = (&admin, &app);
        async move {
            let before = app.app.cx.db.statements();
            entries(admin, json!({ "first": first })).await;
            app.app.cx.db.statements() - before
        }
    };
    counted(1).await;
    assert_eq!(counted(1).await, counted(7).await);
}

#[tokio::test]
async fn filters_narrow_and_other_centres_ids_are_not_found() {
    let app = TestApp::start().await;
    let clinic = Clinic::open_on(app).await;
    let one = clinic.booked(clinic.professionals[0], "2026-07-14T10:00:00-04:00").await;
    let admin = &clinic.admin;
    let count = |filter: Value| async move {
        entries(admin, json!({"filter": filter, "first": 100})).await["nodes"].as_array().unwrap().len()
    };
    assert_eq!(count(json!({"subjectId": one["id"]})).await, 1);
    assert_eq!(count(json!({"subjectType": "Appointment"})).await, 1);
    assert_eq!(count(json!({"action": "bookAppointment"})).await, 1);
    let me = clinic.id(Kind::User, clinic.actor.id.unwrap());
    assert_eq!(count(json!({"actorId": me, "action": "bookAppointment"})).await, 1);
    assert_eq!(count(json!({"actorId": one["id"]})).await, 0);
    assert_eq!(count(json!({"range": {"from": "2026-07-13T11:00:00Z", "to": "2026-07-13T12:00:00Z"}})).await, 0);
    assert!(count(json!({"range": {"from": "2026-07-13T12:00:00Z", "to": "2026-07-13T12:00:01Z"}})).await > 1);
    let beta = clinic.app.admin("beta").await;
    for filter in [json!({"subjectId": one["id"]}), json!({"subjectId": "guess"}), json!({ "actorId": me })] {
        let code = beta.error_code(ENTRIES, json!({"filter": filter, "first": 1})).await;
        assert_eq!(code, "NOT_FOUND", "{filter}");
    }
    let backwards =
        json!({"filter": {"range": {"from": "2026-07-13T12:00:00Z", "to": "2026-07-13T11:00:00Z"}}, "first": 1});
    assert_eq!(admin.error_code(ENTRIES, backwards).await, "INVALID");
}
