//! The centre's profile, and the caller.

use horae::auth::BuiltinRole;
use serde_json::{Value, json};

use super::{events_after, refuses, text, upsert};
use crate::support::{app::TestApp, fixtures::Centre};

const PROFILE: (&str, &str) = ("updateTenantProfile", "TenantProfileInput");
const FIELDS: &str =
    "tenant { id slug tradeName legalName currency defaultTimeZone country locale operatingMode logoUrl status }";

#[tokio::test]
async fn the_profile_changes_where_it_is_told_to() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let (_, head) = events_after(&centre, 0).await;
    let query = format!("{{ viewer {{ {FIELDS} }} }}");
    let before = admin.ok(&query, json!({})).await["viewer"]["tenant"].clone();
    assert_eq!(
        (&before["slug"], &before["currency"], &before["status"]),
        (&json!("alfa"), &json!("CLP"), &json!("ACTIVE"))
    );
    let input = json!({"tradeName": " Clínica Sur ", "logoUrl": "https://alfa.test/logo.png", "defaultTimeZone": "America/Punta_Arenas", "operatingMode": "BY_ROOM"});
    let after = upsert(&admin, PROFILE.0, PROFILE.1, FIELDS, input).await["tenant"].clone();
    assert_eq!((&after["tradeName"], &after["operatingMode"]), (&json!("Clínica Sur"), &json!("BY_ROOM")));
    assert_eq!((&after["logoUrl"], &after["legalName"]), (&json!("https://alfa.test/logo.png"), &before["legalName"]));
    assert_eq!(admin.ok(&query, json!({})).await["viewer"]["tenant"], after);
    let gone = upsert(&admin, PROFILE.0, PROFILE.1, FIELDS, json!({"logoAttachmentId": null})).await;
    assert_eq!(gone["tenant"]["logoUrl"], Value::Null);
    assert_eq!(events_after(&centre, head).await.0, ["tenant.profile_changed", "tenant.profile_changed"]);
    // The other centre is as it was.
    let beta = app.admin("beta").await.ok(&query, json!({})).await["viewer"]["tenant"].clone();
    assert_eq!((&beta["tradeName"], &beta["operatingMode"]), (&json!("Centro beta"), &json!("BY_PROFESSIONAL")));
}

#[tokio::test]
async fn the_trail_says_of_each_what_they_changed_themselves() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    let sql = "UPDATE centre_profile SET trade_name = 'Sur', version = version + 1";
    let other = centre.locking(sql, vec![]).await;
    let (_, ()) = tokio::join!(upsert(&admin, PROFILE.0, PROFILE.1, FIELDS, json!({"locale": "es-ES"})), async {
        app.blocked(1).await;
        other.commit().await.unwrap();
    });
    let changed = "SELECT string_agg(name, ' ' ORDER BY name) FROM audit_entries, jsonb_object_keys(after) AS name
                   WHERE action = 'updateTenantProfile'";
    assert_eq!(text(&centre, changed, vec![]).await, "locale version");
}

#[tokio::test]
async fn a_profile_that_does_not_fit_is_refused() {
    let app = TestApp::start().await;
    let (admin, centre) = (app.admin("alfa").await, Centre::of(&app, "alfa").await);
    refuses(&centre, &admin, PROFILE, json!({"tradeName": ""}), &["REQUIRED tradeName"]).await;
    refuses(&centre, &admin, PROFILE, json!({"legalName": "x".repeat(201)}), &["INVALID legalName"]).await;
    refuses(&centre, &admin, PROFILE, json!({"logoAttachmentId": "anything"}), &["NOT_FOUND logoAttachmentId"]).await;
    let reception = app.user("alfa", BuiltinRole::Receptionist).await;
    refuses(&centre, &reception, PROFILE, json!({"tradeName": "x"}), &["FORBIDDEN "]).await;
}

#[tokio::test]
async fn the_caller_sees_who_they_are() {
    let app = TestApp::start().await;
    let client = app.user("alfa", BuiltinRole::Professional).await;
    let query = "{ viewer { user { email name status roles { name builtin permissions } grants { code branchIds } branches { id }
        professional { id } timeZone mfaEnabled createdAt } permissions { code } } }";
    let viewer = client.ok(query, json!({})).await["viewer"].clone();
    let user = &viewer["user"];
    assert_eq!(
        (&user["status"], &user["mfaEnabled"], &user["professional"]),
        (&json!("ACTIVE"), &json!(false), &Value::Null)
    );
    assert_eq!((&user["roles"][0]["name"], &user["roles"][0]["builtin"]), (&json!("Professional"), &json!(true)));
    let codes = |list: &Value| list.as_array().unwrap().iter().map(|grant| grant["code"].clone()).collect::<Vec<_>>();
    assert_eq!(codes(&user["grants"]), codes(&viewer["permissions"]));
    assert_eq!(json!(codes(&user["grants"])), user["roles"][0]["permissions"]);
}
