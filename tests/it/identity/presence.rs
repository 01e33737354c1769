//! The registry of who is connected: one look per tenant, for however many.

use std::sync::Arc;

use horae::{
    auth::{Actor, ActorKind},
    domain::identity::keys,
};
use uuid::Uuid;

use crate::support::{app::TestApp, fixtures::Centre};

/// So many more sessions of the actor's user.
async fn sessions(app: &TestApp, centre: &Centre, actor: &Arc<Actor>, count: usize) -> Vec<Actor> {
    let mut actors = Vec::new();
    for _ in 0..count {
        let session = app.app.cx.new_id();
        centre
            .run(
                "INSERT INTO sessions (id, user_id, refresh_hash, created_at, refreshed_at, expires_at)
                 VALUES ($1, $2, uuid_send($1), $3, $3, $3::timestamptz + interval '1 day')",
                vec![session.into(), actor.id.into(), app.now().into()],
            )
            .await;
        actors.push(Actor { session: Some(session), ..Actor::clone(actor) });
    }
    actors
}

#[tokio::test]
async fn one_statement_looks_at_any_number_and_ends_only_who_is_over() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let actor = app.actor("alfa").await;
    let presence = &app.app.presence;
    let tenant = actor.tenant.id;
    let mut statements = Vec::new();
    let mut present = Vec::new();
    for count in [1, 40] {
        let more = sessions(&app, &centre, &actor, count).await;
        present.extend(more.iter().map(|actor| presence.enter(actor).unwrap()));
        // The regular look may fall into a round, so the best of some counts.
        let mut fewest = u64::MAX;
        for _ in 0..3 {
            let before = app.app.cx.db.statements();
            presence.look(tenant).await.unwrap();
            fewest = fewest.min(app.app.cx.db.statements() - before);
        }
        statements.push(fewest);
    }
    assert_eq!(statements, [1, 1]);
    assert!(present.iter().all(|present| !present.ended().is_cancelled()));

    let twice = sessions(&app, &centre, &actor, 1).await.remove(0);
    let (first, second) = (presence.enter(&twice).unwrap(), presence.enter(&twice).unwrap());
    let sql = "UPDATE sessions SET revoked_at = $2 WHERE id = $1";
    centre.run(sql, vec![twice.session.into(), app.now().into()]).await;
    presence.look(tenant).await.unwrap();
    assert!(first.ended().is_cancelled() && second.ended().is_cancelled());
    assert!(present.iter().all(|present| !present.ended().is_cancelled()));
    drop((first, second));
    assert!(!presence.enter(&twice).unwrap().ended().is_cancelled(), "nothing is kept of who has left");

    app.clock.advance(chrono::TimeDelta::days(1));
    presence.look(tenant).await.unwrap();
    assert!(present.iter().all(|present| present.ended().is_cancelled()), "sessions expire by the clock");
}

#[tokio::test]
async fn a_key_is_over_when_it_is_revoked_or_expired_and_nobody_else_has_something_to_lose() {
    let app = TestApp::start().await;
    let centre = Centre::of(&app, "alfa").await;
    let actor = app.actor("alfa").await;
    let presence = &app.app.presence;
    let mut keys_present = Vec::new();
    for _ in 0..3 {
        let word = keys::create_publishable(&app.app.cx, &actor, "page", Vec::new()).await.unwrap();
        let key = app.app.authenticator.bearer(&word, None, &"test".into()).await.unwrap().unwrap().actor;
        assert_eq!(key.kind, ActorKind::ApiKey);
        keys_present.push((key.id.unwrap(), presence.enter(&key).unwrap()));
    }
    let now = app.now();
    centre.run("UPDATE api_keys SET revoked_at = $2 WHERE id = $1", vec![keys_present[0].0.into(), now.into()]).await;
    centre.run("UPDATE api_keys SET expires_at = $2 WHERE id = $1", vec![keys_present[1].0.into(), now.into()]).await;
    presence.look(actor.tenant.id).await.unwrap();
    let ended: Vec<bool> = keys_present.iter().map(|(_, present)| present.ended().is_cancelled()).collect();
    assert_eq!(ended, [true, true, false]);

    assert!(presence.enter(&centre.system).is_none());
    let patient = Actor { kind: ActorKind::Patient, id: Some(Uuid::nil()), session: None, ..Actor::clone(&actor) };
    assert!(presence.enter(&patient).is_none());
}
