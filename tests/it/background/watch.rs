//! Who sees a job, and how its progress is told: live, over nodes, and to its end.

use horae::{
    auth::{BuiltinRole, Permission},
    domain::{
        background::{self, Advance, Running},
        change::Changes,
    },
};
use serde_json::{Value, json};

use super::{put, word};
use crate::support::{
    app::{Client, TestApp},
    redis::RedisServer,
    socket::Socket,
};

const JOB: &str = "query($id: ID!) { job(id: $id) { id kind status progress total errorCount skippedCount problem createdAt finishedAt } }";
const WATCH: &str =
    "subscription($id: ID!) { jobProgress(jobId: $id) { status progress total errorCount finishedAt } }";

async fn status(client: &Client, id: &str) -> Value {
    client.ok(JOB, json!({ "id": id })).await["job"]["status"].clone()
}

/// One step of a run.
async fn step(app: &TestApp, running: &mut Running, step: Advance) {
    let (cx, system) = (&app.app.cx, app.system("alfa").await);
    let tx = cx.write(&system).await.unwrap();
    background::hold(&tx, running).await.unwrap();
    let mut changes = Changes::by(&system);
    running.advance(&tx, step, &mut changes).await.unwrap();
    cx.commit(tx, changes).await.unwrap();
}

#[tokio::test]
async fn a_job_is_seen_by_who_asked_and_if_it_is_shared_by_who_could_have_asked() {
    let app = TestApp::start().await;
    let clerk = app.user("alfa", BuiltinRole::Receptionist).await;
    let actor = app.actor_of(&clerk).await;
    let shared = word(&app, &actor, put(&app, &actor, Permission::PatientWrite, true).await);
    let own = word(&app, &actor, put(&app, &actor, Permission::PatientWrite, false).await);
    let other = app.user("alfa", BuiltinRole::Receptionist).await;
    let cashier = app.user("alfa", BuiltinRole::Cashier).await;
    let beta = app.admin("beta").await;
    for (client, id, code) in [
        (&clerk, &shared, None),
        (&clerk, &own, None),
        (&other, &shared, None),
        (&other, &own, Some("NOT_FOUND")),
        (&cashier, &shared, Some("NOT_FOUND")),
        (&beta, &shared, Some("NOT_FOUND")),
        (&app.anonymous(), &shared, Some("UNAUTHENTICATED")),
    ] {
        match code {
            None => assert_eq!(status(client, id).await, "QUEUED"),
            Some(code) => assert_eq!(client.error_code(JOB, json!({ "id": id })).await, code),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_heard_live_on_every_node_and_the_stream_ends_with_the_job() {
    let redis = RedisServer::start().await;
    let settings = [("REDIS_URL", redis.url())];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, url)| (*name, url.as_str())).collect();
    let app = TestApp::start_with(&settings).await;
    let node = TestApp::with_clock(&app.database_url, &settings, app.clock.clone()).await;
    let admin = app.admin("alfa").await;
    let actor = app.actor_of(&admin).await;
    let id = put(&app, &actor, Permission::PatientWrite, true).await;
    let variables = json!({"id": word(&app, &actor, id)});
    let token = admin.token.as_deref().unwrap();
    let mut sockets = [Socket::open(&app, token).await, Socket::open(&node, token).await];
    for socket in &mut sockets {
        socket.subscribe("1", WATCH, variables.clone()).await;
        let first = json!({"status": "QUEUED", "progress": 0, "total": null, "errorCount": 0, "finishedAt": null});
        assert_eq!(socket.data().await["jobProgress"], first);
    }
    let system = app.system("alfa").await;
    let mut running = background::begin(&app.app.cx, &system, id).await.unwrap().unwrap();
    for socket in &mut sockets {
        assert_eq!(socket.data().await["jobProgress"]["status"], "RUNNING");
    }
    for done in [10, 20] {
        step(&app, &mut running, Advance { done: 10, errors: 1, skipped: 0 }).await;
        for socket in &mut sockets {
            let heard = socket.data().await["jobProgress"].clone();
            assert_eq!((&heard["progress"], &heard["errorCount"]), (&json!(done), &json!(done / 10)));
        }
    }
    background::finish(&app.app.cx, &system, &mut running, None).await.unwrap();
    for socket in &mut sockets {
        let last = socket.data().await["jobProgress"].clone();
        assert_eq!((&last["status"], last["finishedAt"].is_string()), (&json!("SUCCEEDED"), true));
        assert_eq!(socket.hear().await, json!({"type": "complete", "id": "1"}));
        // And to who comes when it is over.
        socket.subscribe("2", WATCH, variables.clone()).await;
        assert_eq!(socket.data().await["jobProgress"], last);
        assert_eq!(socket.hear().await, json!({"type": "complete", "id": "2"}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_ends_with_the_right_to_see_the_job() {
    let app = TestApp::start().await;
    let admin = app.admin("alfa").await;
    let actor = app.actor_of(&admin).await;
    let id = word(&app, &actor, put(&app, &actor, Permission::PatientWrite, true).await);
    let clerk = app.user("alfa", BuiltinRole::Receptionist).await;
    let user = app.actor_of(&clerk).await.id;
    let mut socket = Socket::open(&app, clerk.token.as_deref().unwrap()).await;
    socket.subscribe("1", WATCH, json!({ "id": id })).await;
    assert_eq!(socket.data().await["jobProgress"]["status"], "QUEUED");
    let centre = crate::support::fixtures::Centre::of(&app, "alfa").await;
    centre.run("DELETE FROM user_roles WHERE user_id = $1", vec![user.into()]).await;
    let ended = socket.hear().await;
    assert_eq!(ended["payload"]["errors"][0]["extensions"]["code"], "FORBIDDEN", "{ended:#}");
    assert_eq!(socket.hear().await, json!({"type": "complete", "id": "1"}));
    socket.subscribe("2", WATCH, json!({ "id": id })).await;
    assert_eq!(socket.refused("2").await, "NOT_FOUND");
}

#[tokio::test]
async fn of_two_runs_of_one_job_only_one_goes_on() {
    let app = TestApp::start().await;
    let actor = app.actor("alfa").await;
    let id = put(&app, &actor, Permission::PatientWrite, true).await;
    let (cx, system) = (&app.app.cx, app.system("alfa").await);
    let mut first = background::begin(cx, &system, id).await.unwrap().unwrap();
    let second = background::begin(cx, &system, id).await.unwrap().unwrap();
    step(&app, &mut first, Advance { done: 500, errors: 5, skipped: 5 }).await;
    let tx = cx.write(&system).await.unwrap();
    assert!(background::hold(&tx, &second).await.is_err(), "the second has not seen what the first did");
    tx.rollback().await.unwrap();
    // A third begins where the first is.
    let third = background::begin(cx, &system, id).await.unwrap().unwrap();
    assert_eq!(third.job, first.job);
    background::fail(cx, &system, id, "the file has gone").await.unwrap();
    assert!(background::begin(cx, &system, id).await.unwrap().is_none());
    let admin = app.admin("alfa").await;
    let job = admin.ok(JOB, json!({"id": word(&app, &actor, id)})).await["job"].clone();
    assert_eq!(
        (&job["status"], &job["problem"], &job["progress"]),
        (&json!("FAILED"), &json!("the file has gone"), &json!(500))
    );
}
