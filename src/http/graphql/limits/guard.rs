//! The executor that applies [`DocumentLimits`] and gives errors before execution their code.
//!
//! Not a schema extension: with any extension installed, the engine looks up the type of every field of an answer and
//! takes a detour per field and extension, and a day agenda has thousands of fields.

use std::sync::Arc;

use async_graphql::{Data, Executor, Request, Response};
use futures::stream::{self, BoxStream, StreamExt as _};

use super::super::code;
use super::DocumentLimits;

/// Errors reported for one invalid document; a document of unknown fields would otherwise be answered with one each.
const MAX_VALIDATION_ERRORS: usize = 50;

/// Wraps an executor, outermost. The transport applies the same limits to what it receives; the guard makes sure that
/// no other way into the schema is without.
#[derive(Debug, Clone)]
pub struct DocumentGuard<E> {
    /// What a document may be.
    pub limits: DocumentLimits,
    /// Runs what fits.
    pub executor: E,
}

impl<E: Executor> Executor for DocumentGuard<E> {
    async fn execute(&self, mut request: Request) -> Response {
        match self.limits.check(&mut request) {
            Ok(()) => labelled(self.executor.execute(request).await),
            Err(error) => Response::from_errors(vec![error]),
        }
    }

    fn execute_stream(&self, mut request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        match self.limits.check(&mut request) {
            Ok(()) => self.executor.execute_stream(request, session).map(labelled).boxed(),
            Err(error) => stream::iter([Response::from_errors(vec![error])]).boxed(),
        }
    }
}

/// What was found wrong before the operation began, and has no code yet, is the document's fault; but for the choice of
/// an operation that it does not hold, or that this transport does not carry.
fn labelled(mut response: Response) -> Response {
    if !code::is_request_error(&response) {
        return response;
    }
    response.errors.truncate(MAX_VALIDATION_ERRORS);
    let chosen_wrongly = |message: &str| {
        message.starts_with("Unknown operation named ")
            || message == "Operation name required in request."
            || message == "Subscriptions are not supported on this transport."
    };
    let label = |error: async_graphql::ServerError| {
        if chosen_wrongly(&error.message) { error } else { code::labelled(error, code::VALIDATION_FAILED) }
    };
    response.errors = response.errors.into_iter().map(label).collect();
    response
}
