//! The operations of one socket: started, polled in turn, ended.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Data, Executor, Request, Response};
use futures::stream::{AbortHandle, Abortable, BoxStream, FuturesUnordered, StreamFuture};
use futures::{Stream, StreamExt};
use tracing::Instrument;

use crate::http::RequestId;
use crate::http::graphql::meter::{Meter, TenantLabel};
use crate::http::graphql::{Toll, TransportOptions, limits, panicked, timed_out, toll};
use crate::http::tally::Place;
use crate::telemetry::operation;

/// One running operation; its items are its results.
pub(super) struct Operation {
    pub(super) id: Arc<str>,
    pub(super) request_id: RequestId,
    pub(super) is_subscription: bool,
    /// Whether a result was sent: only before the first one may the operation end with `error`.
    pub(super) has_begun: bool,
    pub(super) meter: Meter,
    serial: u64,
    results: Abortable<BoxStream<'static, Response>>,
}

impl Stream for Operation {
    type Item = Response;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Response>> {
        self.results.poll_next_unpin(cx)
    }
}

struct Running {
    serial: u64,
    abort: AbortHandle,
    is_subscription: bool,
    /// Free again when the operation is over.
    _places: Vec<Place>,
}

/// Polls operations in the order in which they have something, each for one result at a time, so that a busy one does
/// not hold up the others. Of each at most one result is produced ahead of what was taken.
#[derive(Default)]
pub(super) struct Operations {
    /// Ids in use. An id is free again as soon as the client completed it, though its stream is dropped a little later;
    /// the serial tells the two apart.
    running: HashMap<Arc<str>, Running>,
    polled: FuturesUnordered<StreamFuture<Operation>>,
    /// What came while nobody could take it. An operation that is here is not polled.
    aside: VecDeque<(Option<Response>, Operation)>,
    serials: u64,
}

impl Operations {
    pub(super) fn contains(&self, id: &str) -> bool {
        self.running.contains_key(id)
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.polled.is_empty() && self.aside.is_empty()
    }

    /// Whether all that still runs are subscriptions, which end only with the socket.
    pub(super) fn only_subscriptions(&self) -> bool {
        self.running.values().all(|running| running.is_subscription)
    }

    pub(super) fn start(&mut self, id: String, started: Started, places: Vec<Place>) {
        let id: Arc<str> = id.into();
        self.serials += 1;
        let (abort, registration) = AbortHandle::new_pair();
        let Started { results, is_subscription, request_id, meter } = started;
        self.running.insert(id.clone(), Running { serial: self.serials, abort, is_subscription, _places: places });
        let results = Abortable::new(results, registration);
        let serial = self.serials;
        let operation = Operation { id, request_id, is_subscription, has_begun: false, meter, serial, results };
        self.polled.push(operation.into_future());
    }

    /// The next result of any operation; `None` for the result means that the operation is over. Pending while nothing
    /// runs. Hand the operation back with [`Self::resume`] or let go of it with [`Self::forget`].
    pub(super) async fn next(&mut self) -> (Option<Response>, Operation) {
        if let Some(polled) = self.aside.pop_front() {
            return polled;
        }
        match self.polled.next().await {
            Some(polled) => polled,
            None => std::future::pending().await,
        }
    }

    /// Lets all of them go on, each as far as its next result, while nobody can take one.
    pub(super) async fn go_on(&mut self) -> Infallible {
        while let Some(polled) = self.polled.next().await {
            self.aside.push_back(polled);
        }
        std::future::pending().await
    }

    /// Whether the client has not ended this operation in the meantime.
    pub(super) fn is_current(&self, operation: &Operation) -> bool {
        self.running.get(&operation.id).is_some_and(|running| running.serial == operation.serial)
    }

    pub(super) fn resume(&mut self, operation: Operation) {
        self.polled.push(operation.into_future());
    }

    pub(super) fn forget(&mut self, operation: &Operation) {
        if self.is_current(operation) {
            self.running.remove(&operation.id);
        }
    }

    /// The client wants no more of it. Its stream is woken by the abort and dropped the next time it is polled.
    pub(super) fn stop(&mut self, id: &str) {
        if let Some(running) = self.running.remove(id) {
            running.abort.abort();
        }
    }
}

/// An operation that was accepted but not yet polled.
pub(super) struct Started {
    results: BoxStream<'static, Response>,
    pub(super) is_subscription: bool,
    request_id: RequestId,
    meter: Meter,
}

/// Prepares an operation to run. A document beyond the limits becomes one that fails at once.
pub(super) fn start<E: Executor>(
    executor: &E,
    options: &TransportOptions,
    mut request: Request,
    session: Arc<Data>,
) -> Started {
    let request_id = RequestId::generate();
    request.data.insert(request_id.clone());
    request.data.insert(request_id.of_operation());
    let mut meter = Meter::new("ws");
    if let Err(error) = options.documents.check(&mut request) {
        let failed = futures::stream::once(toll::refuse(Toll::of(&request.data, Some(&session)), error)).boxed();
        return Started { results: failed, is_subscription: false, request_id, meter };
    }
    meter.recognise(&options.operations, &mut request);
    let span = meter.span(&request_id, TenantLabel::of(&session).as_ref());
    let is_subscription = limits::operation_type(&mut request) == Some(OperationType::Subscription);
    let results = caught(executor.execute_stream(request, Some(session)), request_id.clone());
    let results = if is_subscription {
        results.boxed()
    } else {
        // A subscription has no span: it would end with the socket, hours later, and tell nothing.
        let only = operation::scope(Arc::clone(&meter.name), limited(results, options.request_timeout));
        futures::stream::once(only.instrument(span)).boxed()
    };
    Started { results, is_subscription, request_id, meter }
}

/// A panic in a resolver costs its operation and not the socket.
fn caught(
    results: BoxStream<'static, Response>,
    request_id: RequestId,
) -> impl Stream<Item = Response> + Send + 'static {
    AssertUnwindSafe(results).catch_unwind().map(move |result| {
        result.unwrap_or_else(|_panic| {
            tracing::error!(request.id = %request_id, "A resolver panicked.");
            Response::from_errors(vec![panicked(&request_id)])
        })
    })
}

/// The one result of a query or mutation, if it comes in time.
async fn limited(results: impl Stream<Item = Response> + Send + 'static, time_limit: Duration) -> Response {
    let mut results = std::pin::pin!(results);
    match tokio::time::timeout(time_limit, results.next()).await {
        Ok(Some(response)) => response,
        Ok(None) => Response::default(),
        Err(_elapsed) => Response::from_errors(vec![timed_out()]),
    }
}
