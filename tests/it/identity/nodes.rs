//! What ends or changes on one node takes effect on the other, on sockets and streams that are open there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use horae::{
    auth::BuiltinRole,
    domain::{
        change::{Change, Changes},
        identity::keys,
    },
    schema::id::{GlobalIds, Kind},
};
use sea_orm::Value as SqlValue;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    live::Desk,
    support::{
        app::{Client, PASSWORD, TestApp},
        redis::RedisServer,
        socket::Socket,
    },
};

const VIEWER: &str = "{ viewer { actor { kind } } }";
const REVOKE: &str = "mutation($session: ID!) { revokeSession(sessionId: $session) { userErrors { code } } }";
const BOOKINGS: &str = "subscription { bookingReceived { __typename ... on StreamReset { reason } } }";

/// Two nodes, a desk, and what carries hints between them.
struct Nodes {
    one: TestApp,
    two: TestApp,
    desk: Desk,
    _redis: Option<RedisServer>,
}

impl Nodes {
    async fn with_redis() -> Self {
        let redis = RedisServer::start().await;
        let url = redis.url();
        let one = TestApp::start_with(&[("REDIS_URL", &url)]).await;
        let two = TestApp::with_clock(&one.database_url, &[("REDIS_URL", &url)], one.clock.clone()).await;
        let desk = Desk::with(&one, 1).await;
        let nodes = Self { one, two, desk, _redis: Some(redis) };
        nodes.until_hints_arrive().await;
        nodes
    }

    async fn alone() -> Self {
        let one = TestApp::start().await;
        let two = TestApp::with_clock(&one.database_url, &[], one.clock.clone()).await;
        let desk = Desk::with(&one, 1).await;
        Self { one, two, desk, _redis: None }
    }

    /// The node's own subscription at Redis may still be on its way: ends sessions until one is noticed faster than by
    /// looking.
    async fn until_hints_arrive(&self) {
        for _ in 0..10 {
            let client = self.one.admin("alfa").await;
            let mut socket = self.listen(&client).await;
            if self.revoke(&client, &mut socket).await < Duration::from_secs(1) {
                return;
            }
        }
        panic!("hints do not arrive");
    }

    /// A socket on the second node with an open subscription.
    async fn listen(&self, client: &Client) -> Socket {
        let mut socket = Socket::open(&self.two, client.token.as_deref().unwrap()).await;
        socket.subscribe("1", BOOKINGS, json!({})).await;
        assert_eq!(socket.data().await["bookingReceived"]["__typename"], "StreamReady");
        socket
    }

    /// Ends the client's session on the first node; how long the second took to close its socket.
    async fn revoke(&self, client: &Client, socket: &mut Socket) -> Duration {
        let session = self.one.actor_of(client).await.session.unwrap();
        let ids = GlobalIds::new(self.one.app.cx.seal.clone(), &self.desk.actor.tenant);
        let session = ids.encode(Kind::Session, session).to_string();
        let started = Instant::now();
        let answer = client.ok(REVOKE, json!({"session": session})).await;
        assert_eq!(answer["revokeSession"]["userErrors"], json!([]));
        assert_eq!(socket.closed().await, 4403);
        started.elapsed()
    }

    /// Changes something on the first node, as a use case does.
    async fn change(&self, sql: &'static str, id: Uuid, change: Change) -> Instant {
        let (cx, system) = (&self.one.app.cx, &self.desk.centre.system);
        let tx = cx.write(system).await.unwrap();
        tx.run(sql, [SqlValue::from(id)]).await.unwrap();
        let started = Instant::now();
        cx.commit(tx, Changes::one(system, change)).await.unwrap();
        started
    }

    /// The same caller at the second node.
    fn there(&self, client: &Client) -> Client {
        Client { token: client.token.clone(), ..self.two.anonymous() }
    }
}

async fn is_refused(client: &Client) {
    assert_eq!(client.error_code(VIEWER, json!({})).await, "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ended_on_one_node_closes_its_sockets_on_the_other_at_once_and_no_others() {
    let nodes = Nodes::with_redis().await;
    let bystander = nodes.one.admin("alfa").await;
    let mut stays = nodes.listen(&bystander).await;
    let mut slowest = Duration::ZERO;
    for _ in 0..4 {
        let client = nodes.one.admin("alfa").await;
        let there = nodes.there(&client);
        there.ok(VIEWER, json!({})).await;
        let mut socket = nodes.listen(&client).await;
        slowest = slowest.max(nodes.revoke(&client, &mut socket).await);
        is_refused(&there).await;
    }
    assert!(slowest < Duration::from_secs(1), "the slowest of 4 took {slowest:?}: hints do not arrive");
    stays.is_open().await;
    nodes.there(&bystander).ok(VIEWER, json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_other_node_finds_it_by_looking() {
    let nodes = Nodes::alone().await;
    let client = nodes.one.admin("alfa").await;
    let mut socket = nodes.listen(&client).await;
    let took = nodes.revoke(&client, &mut socket).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    is_refused(&nodes.there(&client)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logout_a_new_password_and_a_lock_close_sockets_on_the_other_node() {
    let nodes = Nodes::with_redis().await;
    let (leaving, staying) = (nodes.one.admin("alfa").await, nodes.one.admin("alfa").await);
    let (mut left, mut other, mut own) = (
        nodes.listen(&leaving).await,
        nodes.listen(&nodes.one.admin("alfa").await).await,
        nodes.listen(&staying).await,
    );
    leaving.ok("mutation { logout { ok } }", json!({})).await;
    assert_eq!(left.closed().await, 4403);
    is_refused(&nodes.there(&leaving)).await;

    let change = "mutation($current: String!) {
        changePassword(current: $current, next: \"violet spoon thunder fax\") { ok }
    }";
    staying.ok(change, json!({"current": PASSWORD})).await;
    assert_eq!(other.closed().await, 4403);
    own.is_open().await;

    let clerk = nodes.one.user("alfa", BuiltinRole::Receptionist).await;
    let user = nodes.one.actor_of(&clerk).await.id.unwrap();
    let mut locked = nodes.listen(&clerk).await;
    let lock = Change::event("user.session_invalidated", "updateUser", "User", user);
    let started = nodes.change("UPDATE users SET status = 'LOCKED' WHERE id = $1", user, lock).await;
    assert_eq!(locked.closed().await, 4403);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    is_refused(&nodes.there(&clerk)).await;
    own.is_open().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_lost_on_one_node_end_streams_on_the_other_and_the_socket_goes_on_without_them() {
    let nodes = Nodes::with_redis().await;
    let clerk = nodes.one.user("alfa", BuiltinRole::Receptionist).await;
    let user = nodes.one.actor_of(&clerk).await.id.unwrap();
    let mut socket = nodes.listen(&clerk).await;
    // Audited and no event: the hint comes from what was changed.
    let lose = Change::audited("updateUser", "User", user);
    let started = nodes.change("DELETE FROM user_roles WHERE user_id = $1", user, lose).await;
    assert_eq!(socket.data().await["bookingReceived"]["reason"], "PERMISSIONS_CHANGED");
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert_eq!(socket.hear().await, json!({"type": "complete", "id": "1"}));
    socket.subscribe("2", BOOKINGS, json!({})).await;
    assert_eq!(socket.refused("2").await, "FORBIDDEN");
    let permissions = "{ viewer { permissions { code } } }";
    let seen = nodes.there(&clerk).ok(permissions, json!({})).await;
    assert_eq!(seen["viewer"]["permissions"], json!([]));
    socket.subscribe("3", permissions, json!({})).await;
    assert_eq!(socket.data().await["viewer"]["permissions"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_closes_its_sockets_on_the_other_node() {
    let nodes = Nodes::with_redis().await;
    let word = keys::create_publishable(&nodes.one.app.cx, &nodes.desk.actor, "page", Vec::new()).await.unwrap();
    let who = nodes.one.app.authenticator.bearer(&word, None, &"test".into()).await.unwrap().unwrap();
    let key = who.actor.id.unwrap();
    let mut socket = Socket::open(&nodes.two, &word).await;
    socket.is_open().await;
    let revoke = Change::audited("revokeApiKey", "ApiKey", key);
    let started = nodes.change("UPDATE api_keys SET revoked_at = now() WHERE id = $1", key, revoke).await;
    assert_eq!(socket.closed().await, 4403);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_rotated_on_one_node_leaves_open_sockets_and_streams_alone() {
    let nodes = Nodes::alone().await;
    let client = nodes.one.admin("alfa").await;
    let mut socket = nodes.listen(&client).await;
    let settings = [("HORAE_TOKEN_KEYS", "new:0123456789abcdef0123456789abcdef,derived")];
    let rotated = TestApp::with_clock(&nodes.one.database_url, &settings, nodes.one.clock.clone()).await;
    let mut on_rotated = Socket::open(&rotated, client.token.as_deref().unwrap()).await;
    on_rotated.is_open().await;
    let id = nodes.desk.book(&rotated, 0, 0).await;
    assert_ne!(id, Uuid::nil());
    assert_eq!(socket.data().await["bookingReceived"]["__typename"], "BookingReceived");
    let fresh: Value = rotated.admin("alfa").await.ok(VIEWER, json!({})).await;
    assert_eq!(fresh["viewer"]["actor"]["kind"], "USER");
    let actor = Arc::clone(&nodes.desk.actor);
    assert!(rotated.app.authenticator.again(&actor).await.unwrap().is_some());
}
