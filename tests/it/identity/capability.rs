//! Capability tokens: one thing, one purpose, some uses, some time.

use axum::{
    body::Body,
    http::{Request, header},
};
use chrono::TimeDelta;
use futures::future::join_all;
use horae::{
    auth::BuiltinRole,
    schema::id::{GlobalIds, Kind},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use super::{field, fine, refusal, refused};
use crate::support::{
    app::{Client, TestApp},
    fixtures::{Booking, Centre},
};

const ISSUE: &str = "mutation($input: IssueCapabilityInput!) {
    issueCapability(input: $input) {
        capability { id purpose resourceId status maxUses uses expiresAt } token userErrors { code message field }
    }
}";
const REDEEM: &str = "mutation($token: String!) {
    redeemCapability(token: $token) {
        capability { id purpose resourceId status maxUses uses expiresAt }
        grantedResource { __typename id ... on Appointment { code status patient { givenNames } } }
        userErrors { code message field }
    }
}";
const REVOKE: &str =
    "mutation($id: ID!) { revokeCapability(id: $id) { capability { status } userErrors { code field } } }";

struct Desk {
    app: TestApp,
    centre: Centre,
    admin: Client,
    ids: GlobalIds,
    branch: Uuid,
    ana: Uuid,
    appointment: Uuid,
}

impl Desk {
    async fn open() -> Self {
        let app = TestApp::start().await;
        let centre = Centre::of(&app, "alfa").await;
        let branch = centre.branch("Providencia", "America/Santiago").await;
        let ana = centre.professional("Ana", branch).await;
        let treatment = centre.treatment("Limpieza", 30).await;
        let rosa = centre.patient("Rosa", "Soto").await;
        let appointment =
            centre.book(Booking::new(branch, rosa, treatment, "2026-07-14T14:00:00Z", 30).with(ana)).await;
        let admin = app.admin("alfa").await;
        let ids = GlobalIds::new(app.app.cx.seal.clone(), &app.actor("alfa").await.tenant);
        Self { app, centre, admin, ids, branch, ana, appointment }
    }

    fn input(&self, purpose: &str) -> Value {
        json!({"purpose": purpose, "resourceId": self.ids.encode(Kind::Appointment, self.appointment), "ttlSeconds": 3600})
    }

    async fn issued(&self, input: Value) -> (String, Value) {
        let payload = fine(issue(&self.admin, input).await);
        (payload["token"].as_str().unwrap().to_owned(), payload["capability"].clone())
    }

    async fn redeem(&self, token: &str) -> Value {
        redeem(&self.app, token).await
    }
}

async fn issue(client: &Client, input: Value) -> Value {
    field(client, ISSUE, json!({ "input": input }), "issueCapability").await
}

async fn redeem(app: &TestApp, token: &str) -> Value {
    field(&app.anonymous(), REDEEM, json!({ "token": token }), "redeemCapability").await
}

#[tokio::test]
async fn a_token_opens_one_thing_once_to_whoever_holds_it() {
    let desk = Desk::open().await;
    let (token, capability) = desk.issued(desk.input("APPOINTMENT_MANAGE")).await;
    assert_eq!(
        (&capability["status"], &capability["uses"], &capability["maxUses"], &capability["expiresAt"]),
        (&json!("ISSUED"), &json!(0), &json!(1), &json!("2026-07-13T13:00:00+00:00"))
    );
    let answer = fine(desk.redeem(&token).await);
    let id = json!(desk.ids.encode(Kind::Appointment, desk.appointment));
    assert_eq!((&answer["capability"]["status"], &answer["capability"]["uses"]), (&json!("USED"), &json!(1)));
    assert_eq!((&answer["capability"]["resourceId"], &answer["capability"]["id"]), (&id, &capability["id"]));
    assert_eq!(answer["grantedResource"]["__typename"], "Appointment");
    assert_eq!((&answer["grantedResource"]["id"], &answer["grantedResource"]["status"]), (&id, &json!("BOOKED")));
    assert_eq!(answer["grantedResource"]["patient"], Value::Null, "a link that was passed on tells no names");
    assert_eq!(refused(&desk.redeem(&token).await), refusal("TOKEN_USED", "token"));

    let tx = desk.centre.cx.read(&desk.centre.system).await.unwrap();
    let texts: Vec<String> = tx
        .scalars(
            "SELECT row_to_json(c)::text FROM capability_tokens c UNION ALL SELECT row_to_json(a)::text FROM audit_entries a",
            [],
        )
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let (_, secret) = token.split_once('.').unwrap();
    assert!(texts.iter().all(|text| !text.contains(secret)), "only a hash is kept");
    let trail = "SELECT count(*) FROM audit_entries WHERE action IN ('issueCapability', 'redeemCapability')";
    assert_eq!(desk.centre.count(trail).await, 2);
}

/// TN-09.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_redemptions_at_once_exactly_as_many_succeed_as_may() {
    let desk = Desk::open().await;
    let other = TestApp::with_clock(&desk.app.database_url, &[], desk.app.clock.clone()).await;
    for (uses, expected) in [(1, 1), (3, 3)] {
        let mut input = desk.input("APPOINTMENT_MANAGE");
        input["maxUses"] = json!(uses);
        let (token, _) = desk.issued(input).await;
        let answers = join_all((0..20).map(|n| redeem(if n % 2 == 0 { &desk.app } else { &other }, &token))).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| !answer["grantedResource"].is_null());
        assert_eq!((won.len(), lost.len()), (expected, 20 - expected), "{answers:#?}");
        assert!(lost.iter().all(|answer| refused(answer) == refusal("TOKEN_USED", "token")), "{lost:#?}");
    }
    assert_eq!(desk.centre.count("SELECT sum(uses)::bigint FROM capability_tokens").await, 4);
    assert_eq!(desk.centre.count("SELECT count(*) FROM events WHERE type = 'capability.redeemed'").await, 4);
}

#[tokio::test]
async fn a_word_that_is_none_opens_nothing() {
    let desk = Desk::open().await;
    let (token, _) = desk.issued(desk.input("APPOINTMENT_MANAGE")).await;
    let (route, secret) = token.split_once('.').unwrap();
    let beta = desk.app.actor("beta").await.tenant.key;
    let long = format!("{route}.{}", "x".repeat(5_000));
    for word in [
        "",
        "ct",
        "ct1",
        "ct1.",
        "ct1.guess",
        "ct-1.x",
        "nonsense",
        &long,
        &format!("{token}x"),
        &format!("ct{beta}.{secret}"),
        &format!("{route}.{}", secret.to_uppercase()),
    ] {
        assert_eq!(refused(&desk.redeem(word).await), refusal("TOKEN_INVALID", "token"), "{word}");
    }
    fine(desk.redeem(&token).await);
}

#[tokio::test]
async fn a_token_ends_by_the_clock_and_with_what_it_opens() {
    let desk = Desk::open().await;
    let (token, _) = desk.issued(desk.input("APPOINTMENT_MANAGE")).await;
    let mut input = desk.input("APPOINTMENT_CONFIRM");
    input["ttlSeconds"] = json!(30 * 86_400);
    let (_, long) = desk.issued(input).await;
    assert_eq!(long["expiresAt"], "2026-07-14T14:00:00+00:00", "when the appointment begins");
    desk.app.clock.advance(TimeDelta::hours(1));
    assert_eq!(refused(&desk.redeem(&token).await), refusal("EXPIRED", "token"));
    desk.app.clock.set("2026-07-14T14:00:00Z".parse().unwrap());
    let late = issue(&desk.app.admin("alfa").await, desk.input("APPOINTMENT_MANAGE")).await;
    assert_eq!(refused(&late), refusal("EXPIRED", "resourceId"));
}

#[tokio::test]
async fn a_token_ends_with_an_appointment_that_was_moved_forward() {
    let desk = Desk::open().await;
    let (token, _) = desk.issued(desk.input("APPOINTMENT_MANAGE")).await;
    desk.centre
        .run("UPDATE appointments SET start_at = '2026-07-13T12:30:00Z', end_at = '2026-07-13T13:00:00Z'", vec![])
        .await;
    desk.app.clock.set("2026-07-13T12:30:00Z".parse().unwrap());
    assert_eq!(refused(&desk.redeem(&token).await), refusal("EXPIRED", "token"));
    assert_eq!(desk.centre.count("SELECT sum(uses)::bigint FROM capability_tokens").await, 0);
}

#[tokio::test]
async fn a_token_is_for_its_purpose_only() {
    let desk = Desk::open().await;
    let (token, _) = desk.issued(desk.input("APPOINTMENT_CONFIRM")).await;
    let nobody = desk.app.anonymous();
    let cancel = "mutation($token: String!) { patientCancel(token: $token) { userErrors { code field } } }";
    let confirm = "mutation($token: String!) { patientConfirm(token: $token) { appointment { status } userErrors { code field } } }";
    let wrong = field(&nobody, cancel, json!({ "token": token }), "patientCancel").await;
    assert_eq!(refused(&wrong), refusal("TOKEN_INVALID", "token"));
    let right = fine(field(&nobody, confirm, json!({ "token": token }), "patientConfirm").await);
    assert_eq!(right["appointment"]["status"], "CONFIRMED");
    assert_eq!(refused(&desk.redeem(&token).await), refusal("TOKEN_USED", "token"), "one count, whoever asks");
    // An invitation is not to be used up, nor its user shown, by who found it.
    let (token, _) = desk.issued(desk.input("APPOINTMENT_MANAGE")).await;
    desk.centre.run("UPDATE capability_tokens SET purpose = 'INVITE' WHERE uses = 0", vec![]).await;
    assert_eq!(refused(&desk.redeem(&token).await), refusal("TOKEN_INVALID", "token"));
}

#[tokio::test]
async fn who_may_do_it_may_let_others_do_it() {
    let desk = Desk::open().await;
    let input = desk.input("APPOINTMENT_MANAGE");
    let receptionist = desk.app.user("alfa", BuiltinRole::Receptionist).await;
    fine(issue(&receptionist, input.clone()).await);
    let professional = desk.app.user("alfa", BuiltinRole::Professional).await;
    assert_eq!(refused(&issue(&professional, input.clone()).await), refusal("FORBIDDEN", ""));
    assert_eq!(desk.app.anonymous().error_code(ISSUE, json!({ "input": input })).await, "UNAUTHENTICATED");
    assert_eq!(desk.app.page("alfa").await.error_code(ISSUE, json!({ "input": input })).await, "UNAUTHENTICATED");

    let beta = desk.app.admin("beta").await;
    assert_eq!(refused(&issue(&beta, input.clone()).await), refusal("NOT_FOUND", "resourceId"));
    for id in [desk.ids.encode(Kind::Appointment, Uuid::new_v4()), desk.ids.encode(Kind::Branch, desk.branch)] {
        let mut input = input.clone();
        input["resourceId"] = json!(id);
        assert_eq!(refused(&issue(&desk.admin, input).await), refusal("NOT_FOUND", "resourceId"));
    }
    // Staff of another branch do not see it.
    let elsewhere = desk.centre.branch("Maipú", "America/Santiago").await;
    let user = desk.app.actor_of(&receptionist).await.id.unwrap();
    desk.centre.run("UPDATE users SET branch_ids = ARRAY[$1] WHERE id = $2", vec![elsewhere.into(), user.into()]).await;
    let node = TestApp::with_clock(&desk.app.database_url, &[], desk.app.clock.clone()).await;
    let receptionist = Client { token: receptionist.token.clone(), ..node.anonymous() };
    assert_eq!(refused(&issue(&receptionist, input).await), refusal("NOT_FOUND", "resourceId"));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_field() {
    let desk = Desk::open().await;
    for (change, expected) in [
        (json!({"ttlSeconds": 59}), ("INVALID", "ttlSeconds")),
        (json!({"ttlSeconds": -1}), ("INVALID", "ttlSeconds")),
        (json!({"ttlSeconds": 91 * 86_400}), ("INVALID", "ttlSeconds")),
        (json!({"maxUses": 0}), ("INVALID", "maxUses")),
        (json!({"maxUses": 101}), ("INVALID", "maxUses")),
        (json!({"purpose": "INVITE"}), ("INVALID", "purpose")),
        (json!({"purpose": "PASSWORD_RESET"}), ("INVALID", "purpose")),
        (json!({"purpose": "FILE_DOWNLOAD"}), ("NOT_FOUND", "resourceId")),
        (json!({"purpose": "CALENDAR_FEED"}), ("NOT_FOUND", "resourceId")),
        (json!({"resourceId": "nonsense"}), ("NOT_FOUND", "resourceId")),
    ] {
        let mut input = desk.input("APPOINTMENT_MANAGE");
        input.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(refused(&issue(&desk.admin, input).await), refusal(expected.0, expected.1), "{change}");
    }
    assert_eq!(desk.centre.count("SELECT count(*) FROM capability_tokens").await, 0);
}

#[tokio::test]
async fn a_token_can_be_taken_back() {
    let desk = Desk::open().await;
    let (token, capability) = desk.issued(desk.input("APPOINTMENT_MANAGE")).await;
    let id = json!({"id": capability["id"]});
    let professional = desk.app.user("alfa", BuiltinRole::Professional).await;
    assert_eq!(refused(&field(&professional, REVOKE, id.clone(), "revokeCapability").await).0, "FORBIDDEN");
    let beta = desk.app.admin("beta").await;
    assert_eq!(refused(&field(&beta, REVOKE, id.clone(), "revokeCapability").await), refusal("NOT_FOUND", "id"));
    let made_up = json!({"id": desk.ids.encode(Kind::CapabilityToken, Uuid::new_v4())});
    assert_eq!(refused(&field(&desk.admin, REVOKE, made_up, "revokeCapability").await), refusal("NOT_FOUND", "id"));
    for _ in 0..2 {
        let payload = fine(field(&desk.admin, REVOKE, id.clone(), "revokeCapability").await);
        assert_eq!(payload["capability"]["status"], "REVOKED");
    }
    assert_eq!(refused(&desk.redeem(&token).await), refusal("TOKEN_INVALID", "token"));
    assert_eq!(desk.centre.count("SELECT count(*) FROM events WHERE type = 'capability.revoked'").await, 1);
}

#[tokio::test]
async fn an_agenda_can_be_subscribed_to_by_who_sees_it() {
    let desk = Desk::open().await;
    let feed = |kind: Kind, id: Uuid| json!({"purpose": "CALENDAR_FEED", "resourceId": desk.ids.encode(kind, id), "ttlSeconds": 86_400});
    let (_, capability) = desk.issued(feed(Kind::Branch, desk.branch)).await;
    assert_eq!(capability["maxUses"], 100_000);
    let (token, _) = desk.issued(feed(Kind::Resource, desk.ana)).await;
    let answer = fine(desk.redeem(&token).await);
    assert_eq!(answer["capability"]["resourceId"], json!(desk.ids.encode(Kind::Resource, desk.ana)));
    assert_eq!((&answer["capability"]["uses"], &answer["grantedResource"]), (&json!(1), &Value::Null));

    let professional = desk.app.user("alfa", BuiltinRole::Professional).await;
    let user = desk.app.actor_of(&professional).await.id.unwrap();
    let other = desk.centre.professional("Berta", desk.branch).await;
    desk.centre.is_user(other, user).await;
    // Carla sees the agenda of this branch and of no other, and has no right to a column of her own.
    let cashier = desk.app.user("alfa", BuiltinRole::Cashier).await;
    let user = desk.app.actor_of(&cashier).await.id.unwrap();
    let column = desk.centre.professional("Carla", desk.branch).await;
    desk.centre.is_user(column, user).await;
    let sql = "UPDATE users SET branch_ids = $2 WHERE id = $1";
    desk.centre.run(sql, vec![user.into(), vec![desk.branch].into()]).await;
    let node = TestApp::with_clock(&desk.app.database_url, &[], desk.app.clock.clone()).await;
    let berta = Client { token: professional.token.clone(), ..node.anonymous() };
    fine(issue(&berta, feed(Kind::Resource, other)).await);
    for input in [feed(Kind::Resource, desk.ana), feed(Kind::Branch, desk.branch)] {
        assert_eq!(refused(&issue(&berta, input).await), refusal("NOT_FOUND", "resourceId"));
    }
    let carla = Client { token: cashier.token.clone(), ..node.anonymous() };
    fine(issue(&carla, feed(Kind::Branch, desk.branch)).await);
    let hers = feed(Kind::Resource, column);
    assert_eq!(refused(&issue(&carla, hers).await), refusal("NOT_FOUND", "resourceId"), "it shows other branches too");
}

/// Status, type and body of an address.
async fn fetch(app: &TestApp, path: &str) -> (u16, String, String) {
    let answer = app.router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let kind = answer.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (status, kind.unwrap_or_default(), String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn a_calendar_shows_the_agenda_and_no_patient() {
    let desk = Desk::open().await;
    let berta = desk.centre.professional("Berta", desk.branch).await;
    let peeling = desk.centre.treatment("Peeling, suave; \u{1F33F}", 45).await;
    let pedro = desk.centre.patient("Pedro", "Rojas").await;
    let booking = |start| Booking::new(desk.branch, pedro, peeling, start, 45).with(berta);
    desk.centre.book(booking("2026-07-15T15:00:00Z")).await;
    desk.centre.book(booking("2026-07-16T15:00:00Z").status("CANCELLED")).await;
    desk.centre.book(booking("2027-07-16T15:00:00Z")).await;
    let feed = |kind: Kind, id: Uuid, uses: i32| json!({"purpose": "CALENDAR_FEED", "resourceId": desk.ids.encode(kind, id), "ttlSeconds": 3600, "maxUses": uses});
    let (of_ana, _) = desk.issued(feed(Kind::Resource, desk.ana, 2)).await;
    let (of_branch, _) = desk.issued(feed(Kind::Branch, desk.branch, 9)).await;

    let (status, kind, ics) = fetch(&desk.app, &format!("/c/{of_ana}.ics")).await;
    assert_eq!((status, kind.as_str()), (200, "text/calendar; charset=utf-8"));
    let calendar: icalendar::Calendar = ics.parse().unwrap();
    assert_eq!(calendar.events().count(), 1);
    assert!(ics.contains("\r\nX-WR-CALNAME:Ana\r\n") && ics.contains("\r\nDTSTART:20260714T140000Z\r\n"), "{ics}");
    assert!(ics.contains("\r\nSUMMARY:Limpieza · ") && ics.contains("\r\nLOCATION:Providencia\r\n"), "{ics}");

    let (_, _, ics) = fetch(&desk.app, &format!("/c/{of_branch}.ics")).await;
    assert_eq!(ics.matches("BEGIN:VEVENT").count(), 2, "neither what was cancelled nor what is far: {ics}");
    assert!(ics.contains("SUMMARY:Peeling\\, suave\\; \u{1F33F} · "), "{ics}");
    for name in ["Rosa", "Soto", "Pedro", "Rojas", "@pacientes"] {
        assert!(!ics.contains(name), "{ics}");
    }

    assert_eq!(fetch(&desk.app, &format!("/c/{of_ana}.ics")).await.0, 200);
    assert_eq!(fetch(&desk.app, &format!("/c/{of_ana}.ics")).await.0, 410, "used up");
    let (link, _) = desk.issued(desk.input("APPOINTMENT_MANAGE")).await;
    for path in
        [format!("/c/{link}.ics"), format!("/c/{of_branch}"), "/c/ct1.guess.ics".to_owned(), "/c/x.ics".to_owned()]
    {
        assert_eq!(fetch(&desk.app, &path).await.0, 404, "{path}");
    }
    desk.app.clock.advance(TimeDelta::hours(1));
    assert_eq!(fetch(&desk.app, &format!("/c/{of_branch}.ics")).await.0, 410, "expired");
}
