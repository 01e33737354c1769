//! What a resolver finds in its context: the [`Reader`] of its caller, and the request's id.

use std::{any::TypeId, sync::Arc};

use async_graphql::{
    Context, Pos, Request, ServerResult,
    dataloader::DataLoader,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextPrepareRequest},
};

use super::{error::ApiError, id::GlobalIds, loader::Batch};
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

/// The caller, when there is one. Put into the request by the transport.
#[derive(Clone, Debug)]
pub struct Caller(pub Option<Arc<Actor>>);

/// One caller's eyes during one operation: every object of an answer carries it, and loads what is nested in it
/// through its loaders. What one caller loaded is never shown to the next.
pub struct Reader {
    /// The use cases' context.
    pub cx: Cx,
    /// The caller.
    pub actor: Arc<Actor>,
    /// Ids of the caller's tenant.
    pub ids: GlobalIds,
    /// Loaders: one statement for all objects of one level.
    pub loader: DataLoader<Batch>,
}

/// How long a loader waits for further keys of the same level. Hot paths read what the selection asks for in one
/// statement and need no loader.
const GATHERING: std::time::Duration = std::time::Duration::from_millis(2);

impl Reader {
    /// For this caller.
    #[must_use]
    pub fn new(cx: &Cx, actor: Arc<Actor>) -> Arc<Self> {
        let batch = Batch { cx: cx.clone(), actor: Arc::clone(&actor) };
        // The loaders' tasks end by themselves with the operation that waits for them.
        #[expect(
            clippy::disallowed_methods,
            reason = "a loader's batch lives no longer than the operation that waits for it"
        )]
        let loader = DataLoader::new(batch, tokio::spawn).delay(GATHERING);
        Arc::new(Self { cx: cx.clone(), ids: GlobalIds::new(cx.seal.clone(), &actor.tenant), actor, loader })
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
pub fn cx<'a>(ctx: &Context<'a>) -> &'a Cx {
    ctx.data_unchecked::<Cx>()
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

/// Gives every operation a [`Reader`] of its own, over HTTP and WebSocket alike.
pub struct PerOperation;

impl ExtensionFactory for PerOperation {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for PerOperation {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        let in_request = request.data.get(&TypeId::of::<Caller>()).and_then(|caller| caller.downcast_ref::<Caller>());
        let caller = match in_request {
            Some(Caller(caller)) => caller.clone(),
            None => match ctx.data_opt::<Caller>() {
                Some(Caller(Some(actor))) => Some(still(ctx, actor).await?),
                _ => None,
            },
        };
        let request = match (caller, ctx.data_opt::<Cx>()) {
            (Some(actor), Some(cx)) => request.data(Reader::new(cx, actor)),
            _ => request,
        };
        next.run(ctx, request).await
    }
}

/// A socket's caller with the rights of this moment: a socket outlives many changes of rights.
async fn still(ctx: &ExtensionContext<'_>, actor: &Arc<Actor>) -> ServerResult<Arc<Actor>> {
    let Some(authenticator) = ctx.data_opt::<Authenticator>() else { return Ok(Arc::clone(actor)) };
    let found = authenticator
        .again(actor)
        .await
        .map_err(ApiError::from)
        .and_then(|found| found.ok_or_else(ApiError::unauthenticated));
    found.map_err(|error| async_graphql::Error::from(error).into_server_error(Pos::default()))
}
