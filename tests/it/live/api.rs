//! The streams as clients see them: over a WebSocket, in the API's words.

use std::{sync::Arc, time::Duration};

use horae::{
    auth::BuiltinRole,
    schema::id::{GlobalIds, Kind},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Desk;
use crate::support::{app::TestApp, socket::Socket};

const BOOKINGS: &str = "subscription($after: EventCursor) {
    bookingReceived(after: $after) {
        __typename
        ... on StreamReady { cursor wasRecovering recovered replayCount }
        ... on BookingReceived { cursor channel appointment {
            id status start timeZone patient { givenNames } branch { name }
            items { treatment { name } professional { name } } } }
        ... on StreamReset { reason resumeAfter }
    }
}";

const AGENDA: &str = "subscription($branch: ID!, $after: EventCursor) {
    agendaChanged(branchId: $branch, after: $after) {
        __typename
        ... on StreamReady { cursor wasRecovering recovered replayCount }
        ... on AppointmentChanged { cursor kind previousStatus actor { kind displayName } appointment { id patient { givenNames } } }
        ... on ScheduleChanged { cursor resourceId range { start end timeZone } }
        ... on StreamReset { reason resumeAfter }
    }
}";

pub(super) fn id(app: &TestApp, desk: &Desk, kind: Kind, id: uuid::Uuid) -> String {
    GlobalIds::new(app.app.cx.seal.clone(), &desk.actor.tenant).encode(kind, id).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_booking_is_received_with_everything_it_is_asked_for_and_its_cursor_resumes() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let client = app.admin("alfa").await;
    let mut socket = Socket::open(&app, client.token.as_deref().unwrap()).await;
    socket.subscribe("1", BOOKINGS, json!({})).await;
    let ready = &socket.data().await["bookingReceived"];
    assert_eq!(ready["__typename"], "StreamReady");
    assert_eq!(
        (&ready["wasRecovering"], &ready["recovered"], &ready["replayCount"]),
        (&json!(false), &json!(false), &json!(0))
    );
    let first = desk.book(&app, 0, 0).await;
    let received = socket.data().await["bookingReceived"].clone();
    let appointment = json!({
        "id": id(&app, &desk, Kind::Appointment, first),
        "status": "BOOKED",
        "start": "2026-07-14T00:00:00-04:00",
        "timeZone": "America/Santiago",
        "patient": {"givenNames": "Rosa"},
        "branch": {"name": "Providencia"},
        "items": [{"treatment": {"name": "Limpieza"}, "professional": {"name": "Ana 0"}}],
    });
    assert_eq!((&received["channel"], &received["appointment"]), (&json!("STAFF"), &appointment));

    let second = desk.book(&app, 0, 1).await;
    let mut other = Socket::open(&app, client.token.as_deref().unwrap()).await;
    other.subscribe("1", BOOKINGS, json!({"after": received["cursor"]})).await;
    let ready = &other.data().await["bookingReceived"];
    assert_eq!(
        (&ready["recovered"], &ready["replayCount"], &ready["cursor"]),
        (&json!(true), &json!(1), &received["cursor"])
    );
    let missed = other.data().await["bookingReceived"].clone();
    assert_eq!(missed["appointment"]["id"], id(&app, &desk, Kind::Appointment, second));
    assert_eq!(socket.data().await["bookingReceived"], missed, "live and replayed are the same, to the cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agenda_tells_what_changed_and_who_did_it() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let client = app.admin("alfa").await;
    let mut socket = Socket::open(&app, client.token.as_deref().unwrap()).await;
    socket.subscribe("1", AGENDA, json!({"branch": id(&app, &desk, Kind::Branch, desk.branch)})).await;
    assert_eq!(socket.data().await["agendaChanged"]["__typename"], "StreamReady");
    desk.book(&app, 0, 0).await;
    let change = socket.data().await["agendaChanged"].clone();
    assert_eq!(
        (&change["__typename"], &change["kind"], &change["previousStatus"]),
        (&json!("AppointmentChanged"), &json!("CREATED"), &Value::Null)
    );
    assert_eq!(change["actor"], json!({"kind": "USER", "displayName": "Admin alfa"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_with_different_rights_get_different_answers_to_one_question() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let mut sockets = Vec::new();
    // One role sees patients, the other only the agenda.
    let blind = app.user("alfa", BuiltinRole::Receptionist).await;
    let actor = app.actor_of(&blind).await;
    let role = app.app.cx.new_id();
    desk.centre
        .run("INSERT INTO roles (id, name, permissions) VALUES ($1, 'Screen', '{AGENDA_READ}')", vec![role.into()])
        .await;
    desk.centre.run("UPDATE user_roles SET role_id = $2 WHERE user_id = $1", vec![actor.id.into(), role.into()]).await;
    app.app.authenticator.forget(actor.tenant.id, actor.session.unwrap()).await;
    for client in [app.admin("alfa").await, blind.clone(), app.admin("alfa").await, blind] {
        let mut socket = Socket::open(&app, client.token.as_deref().unwrap()).await;
        socket.subscribe("1", AGENDA, json!({"branch": id(&app, &desk, Kind::Branch, desk.branch)})).await;
        assert_eq!(socket.data().await["agendaChanged"]["__typename"], "StreamReady");
        sockets.push(socket);
    }
    desk.book(&app, 0, 0).await;
    let mut patients = Vec::new();
    for socket in &mut sockets {
        let message = socket.hear().await;
        patients.push(message["payload"]["data"]["agendaChanged"]["appointment"]["patient"].clone());
    }
    let seen = json!({"givenNames": "Rosa"});
    assert_eq!(patients, [seen.clone(), Value::Null, seen, Value::Null]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_refused_before_the_stream_begins() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let branch = id(&app, &desk, Kind::Branch, desk.branch);
    let beta = app.admin("beta").await;
    let page = app.page("alfa").await;
    let own = app.admin("alfa").await;
    for (client, variables, code) in [
        (&beta, json!({"branch": branch}), "NOT_FOUND"),
        (&page, json!({"branch": branch}), "UNAUTHENTICATED"),
        (&own, json!({"branch": branch, "after": "tampered"}), "INVALID"),
    ] {
        let mut socket = Socket::open(&app, client.token.as_deref().unwrap()).await;
        socket.subscribe("1", AGENDA, variables).await;
        assert_eq!(socket.refused("1").await, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_rights_end_the_stream_and_hold_for_the_next_on_the_same_socket() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let client = app.user("alfa", BuiltinRole::Receptionist).await;
    let actor = app.actor_of(&client).await;
    let mut socket = Socket::open(&app, client.token.as_deref().unwrap()).await;
    let variables = json!({"branch": id(&app, &desk, Kind::Branch, desk.branch)});
    socket.subscribe("1", AGENDA, variables.clone()).await;
    assert_eq!(socket.data().await["agendaChanged"]["__typename"], "StreamReady");
    desk.centre.run("DELETE FROM user_roles WHERE user_id = $1", vec![actor.id.into()]).await;
    assert_eq!(socket.data().await["agendaChanged"]["reason"], "PERMISSIONS_CHANGED");
    assert_eq!(socket.hear().await, json!({"type": "complete", "id": "1"}));
    socket.subscribe("2", AGENDA, variables).await;
    assert_eq!(socket.refused("2").await, "FORBIDDEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_token_expires_the_socket_is_closed_with_4403() {
    let app = TestApp::start().await;
    let desk = Desk::with(&app, 1).await;
    let now = app.now();
    let actor = Arc::clone(&desk.actor);
    let (user, session) = (actor.id.unwrap(), actor.session.unwrap());
    let token =
        app.app.cx.tokens.issue(actor.tenant.id.0, user, session, now, now + chrono::TimeDelta::seconds(2)).unwrap();
    let mut socket = Socket::open(&app, &token).await;
    socket.subscribe("1", BOOKINGS, json!({})).await;
    assert_eq!(socket.data().await["bookingReceived"]["__typename"], "StreamReady");
    let closed = timeout(Duration::from_secs(10), socket.hear()).await.unwrap();
    assert_eq!(closed, json!({"closed": 4403}));
}
