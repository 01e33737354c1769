//! The schema under test, and a gate that does what the request tells it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_graphql::registry::Registry;
use async_graphql::{
    Context, Data, Error, ErrorExtensions, InputObject, Object, OutputType as _, Schema, Subscription,
    SubscriptionType as _,
};
use axum::http::request::Parts;
use futures::{Stream, StreamExt, stream};
use horae::http::graphql::{Admission, DocumentGuard, DocumentLimits, Gate, Party, Refusal};
use serde_json::Value;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

pub(super) type TestSchema = DocumentGuard<Schema<Query, Mutation, Events>>;

/// What tests and resolvers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) events: broadcast::Sender<String>,
    /// Lets one waiting `slow` mutation or admission go on.
    pub(super) go: Arc<Notify>,
    /// A resolver or admission has begun to wait for `go`.
    pub(super) waiting: Arc<Notify>,
    /// It has gone on.
    pub(super) went_on: Arc<Notify>,
    pub(super) revoked: CancellationToken,
    /// Items that `flood` has produced.
    pub(super) flooded: Arc<AtomicUsize>,
    /// Streams of `events` that are open.
    pub(super) listening: Arc<AtomicUsize>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            events: broadcast::channel(16).0,
            go: Arc::default(),
            waiting: Arc::default(),
            went_on: Arc::default(),
            revoked: CancellationToken::new(),
            flooded: Arc::default(),
            listening: Arc::default(),
        }
    }

    async fn pause(&self) {
        self.waiting.notify_one();
        self.go.notified().await;
        self.went_on.notify_one();
    }
}

pub(super) fn schema(shared: Shared) -> TestSchema {
    let executor = Schema::build(Query, Mutation, Events).data(shared).finish();
    let mut types = Registry { query_type: "Query".to_owned(), ..Registry::default() };
    Query::create_type_info(&mut types);
    Mutation::create_type_info(&mut types);
    Events::create_type_info(&mut types);
    DocumentGuard { limits: DocumentLimits::default(), types: Arc::new(types), executor }
}

fn on_purpose() -> i32 {
    panic!("on purpose")
}

/// Who the gate says is calling.
struct Caller(String);

pub(super) struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }

    async fn caller(&self, ctx: &Context<'_>) -> String {
        ctx.data_opt::<Caller>().map_or_else(|| "nobody".to_owned(), |caller| caller.0.clone())
    }

    async fn number(&self, n: i32) -> i32 {
        n
    }

    async fn deep(&self, input: Deep) -> i32 {
        input.deepest()
    }

    async fn leaks(&self) -> Option<Result<String, Error>> {
        Some(Err(Error::new("secret text of the database")))
    }

    async fn leaks_all(&self) -> Result<String, Error> {
        Err(Error::new("secret text of the database"))
    }

    async fn refuses(&self) -> Option<Result<String, Error>> {
        Some(Err(Error::new("Not there.").extend_with(|_, extensions| extensions.set("code", "NOT_FOUND"))))
    }

    async fn panics(&self) -> i32 {
        on_purpose()
    }

    async fn hangs(&self) -> i32 {
        std::future::pending().await
    }

    async fn again(&self) -> Self {
        Self
    }
}

/// Ints at every place where an input has some.
#[derive(InputObject)]
struct Deep {
    n: Option<i32>,
    list: Option<Vec<i32>>,
    text: Option<String>,
    more: Option<Vec<Deep>>,
}

impl Deep {
    fn deepest(self) -> i32 {
        let here = self.n.or(self.list.and_then(|list| list.first().copied()));
        let wide = self.text.map(|_| 2);
        self.more.into_iter().flatten().map(Self::deepest).next_back().or(here).or(wide).unwrap_or_default()
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    async fn bump(&self) -> i32 {
        1
    }

    /// Says that it has begun, and waits to be let go.
    async fn slow(&self, ctx: &Context<'_>) -> Result<i32, Error> {
        ctx.data::<Shared>()?.pause().await;
        Ok(2)
    }
}

struct Listening(Arc<AtomicUsize>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) struct Events;

#[Subscription]
impl Events {
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        stream::iter(1..=to)
    }

    async fn events(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = String>, Error> {
        let shared = ctx.data::<Shared>()?;
        let receiver = shared.events.subscribe();
        shared.listening.fetch_add(1, Ordering::SeqCst);
        let open = Listening(shared.listening.clone());
        Ok(stream::unfold((receiver, open), |(mut receiver, open)| async move {
            receiver.recv().await.ok().map(|event| (event, (receiver, open)))
        }))
    }

    async fn caller(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = String>, Error> {
        let name = ctx.data::<Caller>()?.0.clone();
        Ok(stream::once(async move { name }))
    }

    async fn silent(&self) -> impl Stream<Item = i32> {
        stream::pending()
    }

    /// Always has something.
    async fn busy(&self) -> impl Stream<Item = i32> {
        stream::repeat(7)
    }

    /// Always has something large.
    async fn flood(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = String>, Error> {
        let produced = ctx.data::<Shared>()?.flooded.clone();
        Ok(stream::repeat_with(move || {
            produced.fetch_add(1, Ordering::SeqCst);
            "x".repeat(64 * 1024)
        }))
    }

    async fn fails_later(&self) -> impl Stream<Item = Result<i32, Error>> {
        stream::iter([Ok(1), Err(Error::new("secret text of the database"))])
    }

    async fn panics(&self) -> impl Stream<Item = i32> {
        stream::iter(0..2).map(|n| if n == 0 { n } else { on_purpose() })
    }
}

/// `{"party": "tenant/actor"}`.
fn party(payload: &Value) -> Option<Party> {
    let name = payload.get("party")?.as_str()?;
    Some(Party { tenant: name.split('/').next()?.into(), actor: name.into() })
}

/// Reads orders from the `authorization` header or the payload of `connection_init`.
#[derive(Clone)]
pub(super) struct TestGate(pub(super) Shared);

impl TestGate {
    fn refusal(order: &str) -> Option<Refusal> {
        match order {
            "401" => Some(Refusal::unauthenticated("Who are you?")),
            "403" => Some(Refusal::forbidden("Not you.")),
            "429" => Some(Refusal::rate_limited("Slower.", Duration::from_millis(1500))),
            "503" => Some(Refusal::unavailable("Not now.")),
            _ => None,
        }
    }

    fn admission(name: &str) -> Admission {
        let mut data = Data::default();
        data.insert(Caller(name.to_owned()));
        Admission { data, ..Admission::default() }
    }
}

impl Gate for TestGate {
    async fn admit(&self, parts: &Parts) -> Result<Admission, Refusal> {
        match parts.headers.get("authorization").and_then(|value| value.to_str().ok()) {
            None => Ok(Admission::default()),
            Some(order) => Self::refusal(order).map_or_else(|| Ok(Self::admission(order)), Err),
        }
    }

    async fn admit_socket(&self, parts: &Parts, payload: Value) -> Result<Admission, Refusal> {
        assert!(parts.headers.contains_key("sec-websocket-key"), "the gate sees the upgrade request");
        if payload.get("wait").is_some() {
            self.0.pause().await;
        }
        if let Some(refusal) = payload.get("refuse").and_then(Value::as_str).and_then(Self::refusal) {
            return Err(refusal);
        }
        Ok(Admission {
            party: party(&payload),
            expires_in: payload.get("expiresInMs").and_then(Value::as_u64).map(Duration::from_millis),
            ended: Some(self.0.revoked.clone()),
            ..Self::admission(payload.get("name").and_then(Value::as_str).unwrap_or("somebody"))
        })
    }
}
