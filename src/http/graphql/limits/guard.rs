//! The executor that applies [`DocumentLimits`], and gives errors before execution their code and the path of the value
//! they are about.
//!
//! Not a schema extension: with any extension installed, the engine looks up the type of every field of an answer and
//! takes a detour per field and extension, and a day agenda has thousands of fields.

use std::sync::Arc;

use async_graphql::{Data, Executor, Request, Response, ServerError, Variables, registry::Registry};
use futures::stream::{self, BoxStream, StreamExt as _};

use super::super::{
    code, input,
    toll::{self, Toll},
};
use super::DocumentLimits;

/// Errors reported for one invalid document; a document of unknown fields would otherwise be answered with one each.
const MAX_VALIDATION_ERRORS: usize = 50;

/// Wraps an executor, outermost. The transport applies the same limits to what it receives; the guard makes sure that
/// no other way into the schema is without.
#[derive(Clone)]
pub struct DocumentGuard<E> {
    /// What a document may be.
    pub limits: DocumentLimits,
    /// The schema's types.
    pub types: Arc<Registry>,
    /// Runs what fits.
    pub executor: E,
}

impl<E> DocumentGuard<E> {
    fn check(&self, request: &mut Request) -> Result<(), ServerError> {
        self.limits.check(request)?;
        let variables = std::mem::take(&mut request.variables);
        let fit = self.judge(request, &variables);
        request.variables = variables;
        fit
    }

    /// Judges the values of the operation that is to run.
    fn judge(&self, request: &mut Request, variables: &Variables) -> Result<(), ServerError> {
        let has_long_number = input::may_hold_wide_integer(&request.query);
        let name = request.operation_name.clone();
        // What does not parse is refused elsewhere.
        let Ok(document) = request.parsed_query() else { return Ok(()) };
        let Some(operation) = super::chosen(document, name.as_deref()) else { return Ok(()) };
        input::check_variables(&self.types, operation, variables)?;
        if has_long_number { input::check_literals(&self.types, document, operation) } else { Ok(()) }
    }
}

impl<E: Executor> Executor for DocumentGuard<E> {
    async fn execute(&self, mut request: Request) -> Response {
        match self.check(&mut request) {
            Ok(()) => labelled(&self.types, self.executor.execute(request).await),
            Err(error) => toll::refuse(Toll::of(&request.data, None), error).await,
        }
    }

    fn execute_stream(&self, mut request: Request, session: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let types = Arc::clone(&self.types);
        match self.check(&mut request) {
            Ok(()) => {
                self.executor.execute_stream(request, session).map(move |answer| labelled(&types, answer)).boxed()
            }
            Err(error) => stream::once(toll::refuse(Toll::of(&request.data, session.as_deref()), error)).boxed(),
        }
    }
}

/// What was found wrong before the operation began, and has no code yet, is the document's fault; but for the choice of
/// an operation that it does not hold, or that this transport does not carry.
fn labelled(types: &Registry, mut response: Response) -> Response {
    if !code::is_request_error(&response) {
        return response;
    }
    response.errors.truncate(MAX_VALIDATION_ERRORS);
    let chosen_wrongly = |message: &str| {
        message.starts_with("Unknown operation named ")
            || message == "Operation name required in request."
            || message == "Subscriptions are not supported on this transport."
    };
    let label = |error: ServerError| {
        if chosen_wrongly(&error.message) {
            error
        } else {
            code::labelled(input::located(types, error), code::VALIDATION_FAILED)
        }
    };
    response.errors = response.errors.into_iter().map(label).collect();
    response
}
