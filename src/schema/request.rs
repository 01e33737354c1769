//! What a resolver finds in its context: the [`Reader`] of its caller, and the request's id.

use std::{any::TypeId, net::IpAddr, sync::Arc};

use async_graphql::{Context, Data, Executor, Pos, Request, Response};
use futures::{
    FutureExt as _,
    stream::{self, BoxStream, StreamExt as _},
};

use super::{
    ApiSchema,
    error::ApiError,
    id::GlobalIds,
    limits::{Limits, Permit},
    loader::{Batch, Levels},
};
use crate::{
    auth::Actor,
    domain::{cx::Cx, identity::Authenticator},
};

/// The id of the request, as in logs and in `extensions.requestId`.
#[derive(Clone, Debug)]
pub struct RequestId(pub Arc<str>);

/// What a client calls itself (`User-Agent`), for the list of sessions.
#[derive(Clone, Debug)]
pub struct Device(pub String);

/// Where the request comes from, as far as proxies may be believed.
#[derive(Clone, Copy, Debug)]
pub struct Address(pub IpAddr);

/// The caller, when there is one. Put into the request by the transport.
#[derive(Clone, Debug)]
pub struct Caller(pub Option<Arc<Actor>>);

/// One caller's eyes during one operation: every object of an answer carries it, and loads what is nested in it
/// through its loaders. What one caller loaded is never shown to the next.
pub struct Reader {
    /// The use cases' context, which all operations of a node share.
    pub cx: Arc<Cx>,
    /// The caller.
    pub actor: Arc<Actor>,
    /// Ids of the caller's tenant.
    pub ids: GlobalIds,
    /// Loaders: one statement for all objects of one level.
    pub loader: Levels,
}

impl Reader {
    /// For this caller.
    #[must_use]
    pub fn new(cx: &Arc<Cx>, actor: Arc<Actor>) -> Arc<Self> {
        let batch = Batch { cx: Arc::clone(cx), actor: Arc::clone(&actor) };
        let loader = Levels::new(batch);
        Arc::new(Self { cx: Arc::clone(cx), ids: GlobalIds::new(cx.seal.clone(), &actor.tenant), actor, loader })
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

/// The use cases' context.
///
/// # Panics
/// Never: the schema is built with it.
pub fn cx<'a>(ctx: &Context<'a>) -> &'a Arc<Cx> {
    ctx.data_unchecked::<Arc<Cx>>()
}

/// The authenticator, for subscriptions that check again and for logout.
///
/// # Panics
/// Never: the schema is built with it.
pub fn authenticator<'a>(ctx: &Context<'a>) -> &'a Authenticator {
    ctx.data_unchecked::<Authenticator>()
}

/// The caller's reader; the caller must be staff. A booking page's key is no login: it may use the public operations.
///
/// # Errors
/// When nobody is logged in, or a second factor is missing.
pub fn staff<'a>(ctx: &Context<'a>) -> Result<&'a Arc<Reader>, ApiError> {
    let reader = logged_in(ctx)?;
    if reader.actor.mfa_pending { Err(ApiError::second_factor_required()) } else { Ok(reader) }
}

/// The caller's reader, also when a second factor is still to be enrolled: for the few operations that lead there or out.
///
/// # Errors
/// When nobody is logged in.
pub fn logged_in<'a>(ctx: &Context<'a>) -> Result<&'a Arc<Reader>, ApiError> {
    match ctx.data_opt::<Arc<Reader>>() {
        Some(reader) if !reader.actor.publishable => Ok(reader),
        _ => Err(ApiError::unauthenticated()),
    }
}

/// The caller's reader, for operations that booking pages use too.
///
/// # Errors
/// When there is neither a login nor a publishable key, or a second factor is missing.
pub fn staff_or_page<'a>(ctx: &Context<'a>) -> Result<&'a Arc<Reader>, ApiError> {
    let reader = ctx.data_opt::<Arc<Reader>>().ok_or_else(ApiError::unauthenticated)?;
    if reader.actor.mfa_pending { Err(ApiError::second_factor_required()) } else { Ok(reader) }
}

/// The request's id.
#[must_use]
pub fn request_id(ctx: &Context<'_>) -> Arc<str> {
    ctx.data_opt::<RequestId>().map_or_else(|| Arc::from("none"), |id| Arc::clone(&id.0))
}

/// The API as it is called: every operation gets a [`Reader`] of its own, over HTTP and WebSocket alike. Not a schema
/// extension, because the engine would then take a detour for every field of every answer.
#[derive(Clone)]
pub struct Api {
    schema: ApiSchema,
    cx: Arc<Cx>,
    authenticator: Authenticator,
    limits: Arc<Limits>,
}

impl Api {
    /// Of a schema with everything that its resolvers look for.
    #[must_use]
    pub fn new(schema: ApiSchema, cx: Arc<Cx>, authenticator: Authenticator, limits: Arc<Limits>) -> Self {
        Self { schema, cx, authenticator, limits }
    }

    /// The request with its caller's reader, if there is a caller, and leave to run it. The caller is the request's, or else the session's with the
    /// rights of this moment: a socket outlives many changes of rights.
    async fn prepared(&self, mut request: Request, session: Option<&Data>) -> Result<Prepared, Box<Response>> {
        let caller = |data: &Data| {
            let found = data.get(&TypeId::of::<Caller>()).and_then(|caller| caller.downcast_ref::<Caller>());
            found.cloned()
        };
        let actor = match (caller(&request.data), session.and_then(caller)) {
            (Some(Caller(actor)), _) => actor,
            (None, Some(Caller(Some(actor)))) => Some(self.still(&actor).await?),
            _ => None,
        };
        let address = of_operation::<Address>(&request.data, session);
        let id = of_operation::<RequestId>(&request.data, session);
        let actor = actor.map(|actor| asking(&actor, id, address));
        let permit = self.limits.judge(&mut request, actor.as_deref(), address.map(|Address(ip)| ip)).await?;
        let reader = actor.map(|actor| Reader::new(&self.cx, actor));
        if let Some(reader) = &reader {
            request.data.insert(Arc::clone(reader));
        }
        Ok(Prepared { request, reader, permit })
    }

    async fn still(&self, actor: &Actor) -> Result<Arc<Actor>, Box<Response>> {
        let found = self.authenticator.again(actor).await.map_err(ApiError::from);
        found.and_then(|found| found.ok_or_else(ApiError::unauthenticated)).map_err(|error| {
            let error = async_graphql::Error::from(error).into_server_error(Pos::default());
            Box::new(Response::from_errors(vec![error]))
        })
    }
}

/// An operation that may run.
struct Prepared {
    request: Request,
    reader: Option<Arc<Reader>>,
    permit: Permit,
}

impl Executor for Api {
    async fn execute(&self, request: Request) -> Response {
        let Prepared { request, reader, mut permit } = match self.prepared(request, None).await {
            Ok(prepared) => prepared,
            Err(refused) => return *refused,
        };
        let mut response = match reader {
            Some(reader) => reader.loader.drive(self.schema.execute(request)).await,
            None => self.schema.execute(request).await,
        };
        permit.tell(&mut response);
        response
    }

    fn execute_stream(&self, request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let api = self.clone();
        let responses = async move {
            let Prepared { request, reader, mut permit } = match api.prepared(request, session.as_deref()).await {
                Ok(prepared) => prepared,
                Err(refused) => return stream::iter([*refused]).boxed(),
            };
            let responses = Executor::execute_stream(&api.schema, request, session);
            let responses = match reader {
                Some(reader) => stream::unfold((responses, reader), |(mut responses, reader)| async move {
                    let response = reader.loader.drive(responses.next()).await;
                    response.map(|response| (response, (responses, reader)))
                })
                .boxed(),
                None => responses,
            };
            let mut is_first = true;
            let told = responses.map(move |mut response| {
                if std::mem::take(&mut is_first) {
                    permit.tell(&mut response);
                }
                response
            });
            told.boxed()
        };
        // In a box of its own, which is given back when the operation has begun: a subscription lives for hours.
        stream::once(responses.boxed()).flatten().boxed()
    }
}

/// What the transport said of this operation, or else of its socket.
fn of_operation<T: Clone + Send + Sync + 'static>(operation: &Data, session: Option<&Data>) -> Option<T> {
    let find = |data: &Data| data.get(&TypeId::of::<T>()).and_then(|value| value.downcast_ref::<T>()).cloned();
    find(operation).or_else(|| session.and_then(find))
}

/// The caller as it asks this: what the operation changes is written down under the operation's own id and address,
/// not under those of the socket's first request.
fn asking(actor: &Actor, id: Option<RequestId>, address: Option<Address>) -> Arc<Actor> {
    let request_id = id.map_or_else(|| Arc::clone(&actor.request_id), |id| id.0);
    Arc::new(Actor { request_id, ip: address.map(|address| address.0).or(actor.ip), ..actor.clone() })
}
