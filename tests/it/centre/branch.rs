//! Branches: what is written, what is refused, and that a refusal writes nothing.

use horae::{auth::BuiltinRole, schema::id::Kind};
use serde_json::{Value, json};

use super::{contents, events_after, global, refused, refuses, upsert};
use crate::support::{
    app::{Client, TestApp},
    fixtures::Centre,
};

const BRANCH: (&str, &str) = ("upsertBranch", "BranchInput");
const FIELDS: &str = "rescheduledJobs branch { id version name timeZone utcOffsetNow phone email active
    address { line1 line2 city region postalCode country latitude longitude }
    openingHours { day start end validFrom validTo }
    settings { reminderLocalTime birthdayLocalTime cashAutoCloseLocalTime confirmationDelay copyConfirmationsTo backupWindowStart
        slotGridMinutes minBookingNotice maxBookingAdvance minCancelNotice holdTtl onlineBookingEnabled quietHours { day start end } } }";

async fn save(client: &Client, input: Value) -> Value {
    upsert(client, BRANCH.0, BRANCH.1, FIELDS, input).await
}

fn minimal() -> Value {
    json!({"name": "Providencia", "timeZone": "America/Santiago"})
}

#[tokio::test]
async fn a_new_branch_has_defaults_and_a_change_leaves_what_it_does_not_name() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let (_, head) = events_after(&centre, 0).await;
    let created = save(&admin, minimal()).await;
    assert_eq!(refused(&created), Vec::<String>::new());
    let branch = &created["branch"];
    assert_eq!(branch["version"], 1);
    assert_eq!(branch["utcOffsetNow"], "-04:00");
    assert_eq!(branch["address"], Value::Null);
    assert_eq!(branch["settings"]["reminderLocalTime"], "08:00");
    assert_eq!(branch["settings"]["confirmationDelay"], "PT5M");
    assert_eq!(branch["settings"]["maxBookingAdvance"], "P90D");
    assert_eq!(branch["settings"]["quietHours"], Value::Null);

    let full = json!({
        "id": branch["id"], "version": 1, "name": "  Ñuñoa ", "timeZone": "America/Santiago",
        "address": {"line1": "Irarrázaval 1", "city": "Santiago", "country": "CL", "latitude": "-33.45", "longitude": "-70.6"},
        "phone": "+56 2 2345 6789", "email": "Nunoa@Alfa.test",
        "openingHours": [{"day": "MON", "start": "09:00", "end": "13:00"}, {"day": "MON", "start": "14:00", "end": "00:00"},
            {"day": "SAT", "start": "10:00", "end": "14:00", "validFrom": "2026-01-01", "validTo": "2026-12-31"}],
        "quietHours": [{"day": "SUN", "start": "00:00", "end": "10:00"}],
        "reminderLocalTime": "09:30", "cashAutoCloseLocalTime": "22:00", "confirmationDelay": "PT10M",
        "copyConfirmationsTo": ["a@alfa.test", "A@alfa.test"], "minBookingNotice": "PT2H", "holdTtl": "PT10M", "slotGridMinutes": 30,
    });
    let changed = save(&admin, full).await;
    let branch = &changed["branch"];
    assert_eq!(branch["version"], 2, "{changed}");
    assert_eq!(branch["name"], "Ñuñoa");
    assert_eq!(branch["phone"], "+56223456789");
    assert_eq!(branch["email"], "nunoa@alfa.test");
    assert_eq!(branch["openingHours"].as_array().unwrap().len(), 3);
    assert_eq!(branch["openingHours"][1]["end"], "00:00");
    assert_eq!(branch["address"]["latitude"], "-33.45");
    assert_eq!(branch["settings"]["copyConfirmationsTo"], json!(["a@alfa.test"]));
    assert_eq!(branch["settings"]["cashAutoCloseLocalTime"], "22:00");
    assert_eq!(branch["settings"]["quietHours"][0]["day"], "SUN");

    let third = json!({"id": branch["id"], "version": 2, "name": "Ñuñoa", "timeZone": "America/Santiago", "phone": null, "cashAutoCloseLocalTime": null});
    let third = save(&admin, third).await;
    let after = &third["branch"];
    assert_eq!((&after["version"], &after["phone"]), (&json!(3), &Value::Null));
    assert_eq!(after["settings"]["cashAutoCloseLocalTime"], Value::Null);
    for kept in ["email", "address", "openingHours"] {
        assert_eq!(after[kept], branch[kept], "{kept}");
    }
    assert_eq!(after["settings"]["reminderLocalTime"], "09:30");
    let events = ["branch.created", "branch.changed", "schedule.changed", "branch.changed"];
    assert_eq!(events_after(&centre, head).await.0, events, "the opening hours are others once");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_at_its_field() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let window = |start: &str, end: &str| json!({"day": "MON", "start": start, "end": end});
    let address = |extra: Value| {
        let mut address = json!({"line1": "x", "country": "CL"});
        address.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        address
    };
    for (field, value, expected) in [
        ("name", json!(""), "REQUIRED name"),
        ("name", json!("x".repeat(201)), "INVALID name"),
        ("name", json!("x".repeat(200_000)), "INVALID name"),
        ("name", json!("a\u{0}b"), "INVALID name"),
        ("version", json!(1), "INVALID version"),
        ("openingHours", json!([window("09:00", "18:00"), window("18:00", "09:00")]), "INVALID openingHours.1.end"),
        ("openingHours", json!([window("09:00", "09:00")]), "INVALID openingHours.0.end"),
        (
            "openingHours",
            json!([window("09:00", "13:00"), window("14:00", "18:00"), window("12:00", "15:00")]),
            "INVALID openingHours.2",
        ),
        (
            "openingHours",
            json!([{"day": "MON", "start": "09:00", "end": "10:00", "validFrom": "2026-02-01", "validTo": "2026-01-01"}]),
            "INVALID openingHours.0.validTo",
        ),
        ("openingHours", json!(vec![window("09:00", "10:00"); 101]), "INVALID openingHours"),
        ("quietHours", json!([window("10:00", "09:00")]), "INVALID quietHours.0.end"),
        (
            "copyConfirmationsTo",
            json!((0..11).map(|n| format!("a{n}@alfa.test")).collect::<Vec<_>>()),
            "INVALID copyConfirmationsTo",
        ),
        ("confirmationDelay", json!("P2D"), "INVALID confirmationDelay"),
        ("minBookingNotice", json!("P400D"), "INVALID minBookingNotice"),
        ("maxBookingAdvance", json!("PT0S"), "INVALID maxBookingAdvance"),
        ("minCancelNotice", json!("P400D"), "INVALID minCancelNotice"),
        ("holdTtl", json!("PT16M"), "INVALID holdTtl"),
        ("slotGridMinutes", json!(0), "INVALID slotGridMinutes"),
        ("address", address(json!({"line1": ""})), "REQUIRED address.line1"),
        ("address", address(json!({"city": "x".repeat(201)})), "INVALID address.city"),
        ("address", address(json!({"latitude": "90.1", "longitude": "0"})), "INVALID address.latitude"),
        ("address", address(json!({"latitude": "1"})), "REQUIRED address.longitude"),
    ] {
        let mut input = minimal();
        input[field] = value;
        refuses(&centre, &admin, BRANCH, input, &[expected]).await;
    }
    let all = json!({"name": "", "timeZone": "America/Lima", "holdTtl": "PT1S", "slotGridMinutes": 1000});
    refuses(&centre, &admin, BRANCH, all, &["REQUIRED name", "INVALID holdTtl", "INVALID slotGridMinutes"]).await;
}

#[tokio::test]
async fn a_zone_that_is_no_place_never_reaches_the_branch() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let before = contents(&centre).await;
    for zone in ["EST", "UTC", "-03:00", "America/Atlantis", ""] {
        let query =
            "mutation($input: BranchInput!) { upsertBranch(input: $input) { branch { id } userErrors { code } } }";
        let answer = admin.send(query, json!({"input": {"name": "x", "timeZone": zone}})).await;
        assert!(answer["errors"][0]["message"].is_string(), "{zone}: {answer}");
    }
    assert_eq!(contents(&centre).await, before);
}

#[tokio::test]
async fn ids_versions_and_rights_are_checked_before_anything_is_written() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let other = Centre::of(&app, "beta").await.branch("Sol", "Europe/Madrid").await;
    let foreign = global(&app, "beta", Kind::Branch, other).await;
    let created = save(&admin, minimal()).await["branch"].clone();
    let with =
        |id: &Value, version: Value| json!({"id": id, "version": version, "name": "x", "timeZone": "America/Santiago"});
    let id = created["id"].clone();
    refuses(&centre, &admin, BRANCH, with(&id, Value::Null), &["REQUIRED version"]).await;
    refuses(&centre, &admin, BRANCH, with(&id, json!(9)), &["VERSION_CONFLICT version"]).await;
    refuses(&centre, &admin, BRANCH, with(&json!(foreign), json!(1)), &["NOT_FOUND id"]).await;
    refuses(&centre, &admin, BRANCH, with(&json!("nonsense"), json!(1)), &["NOT_FOUND id"]).await;
    let unknown = global(&app, "alfa", Kind::Branch, other).await;
    refuses(&centre, &admin, BRANCH, with(&json!(unknown), json!(1)), &["NOT_FOUND id"]).await;
    for role in [BuiltinRole::Receptionist, BuiltinRole::Professional] {
        let client = app.user("alfa", role).await;
        refuses(&centre, &client, BRANCH, minimal(), &["FORBIDDEN "]).await;
        refuses(&centre, &client, BRANCH, with(&id, json!(1)), &["FORBIDDEN "]).await;
    }
}

#[tokio::test]
async fn of_two_changes_at_once_one_wins_and_the_other_is_told() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let id = save(&admin, minimal()).await["branch"]["id"].clone();
    let input = |name: &str| json!({"id": id, "version": 1, "name": name, "timeZone": "America/Santiago"});
    let (one, other) = tokio::join!(save(&admin, input("a")), save(&admin, input("b")));
    let mut told = [refused(&one), refused(&other)];
    told.sort();
    assert_eq!(told, [vec![], vec!["VERSION_CONFLICT version".to_owned()]]);
}

#[tokio::test]
async fn nothing_is_written_while_the_centre_is_in_maintenance() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let db = &app.app.cx.db;
    db.set_tenant_status("alfa", horae::db::TenantStatus::Maintenance, Some("backup"), app.now()).await.unwrap();
    refuses(&centre, &admin, BRANCH, minimal(), &["TENANT_IN_MAINTENANCE "]).await;
    admin.ok("{ branches(first: 10) { nodes { id } } viewer { tenant { status } } }", json!({})).await;
}
