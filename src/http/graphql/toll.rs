//! What a document costs its sender when it is refused before it could run.

use std::{any::TypeId, sync::Arc};

use async_graphql::{Data, Response, ServerError, ServerResult};
use futures::future::BoxFuture;

/// Takes the price of a refused document from whoever sent it. The gate puts one into the data of a request or a
/// socket: only the gate knows who calls, and what they have to spend.
#[derive(Clone)]
pub struct Toll(Arc<dyn Fn() -> BoxFuture<'static, ServerResult<()>> + Send + Sync>);

impl Toll {
    /// Taken so; an error says that the sender has nothing left.
    pub fn new(take: impl Fn() -> BoxFuture<'static, ServerResult<()>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }

    /// Of the sender of a request, or else of its socket; none: nothing is taken.
    pub(super) fn of(request: &Data, session: Option<&Data>) -> Option<Self> {
        let find = |data: &Data| data.get(&TypeId::of::<Self>())?.downcast_ref::<Self>().cloned();
        find(request).or_else(|| session.and_then(find))
    }
}

/// The answer to a document that is refused for this error, when its sender has paid for it.
pub(super) async fn refuse(toll: Option<Toll>, error: ServerError) -> Response {
    let unpaid = match toll {
        Some(Toll(take)) => take().await.err(),
        None => None,
    };
    Response::from_errors(vec![unpaid.unwrap_or(error)])
}
