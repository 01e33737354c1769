//! The schema extension that applies [`DocumentLimits`], and gives errors before execution their code and the
//! path of the value they are about.

use std::sync::Arc;

use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextParseQuery, NextPrepareRequest, NextValidation,
};
use async_graphql::parser::types::ExecutableDocument;
use async_graphql::{Request, ServerError, ServerResult, ValidationResult, Variables};

use super::super::{code, input};
use super::DocumentLimits;

/// Errors reported for one invalid document; a document of unknown fields would otherwise be answered with one each.
const MAX_VALIDATION_ERRORS: usize = 50;

/// Install with `SchemaBuilder::extension`, before any other extension that looks at the document. The transport
/// applies the same limits to what it receives; the extension makes sure that no other way into the schema is without.
#[derive(Debug, Clone, Copy, Default)]
pub struct DocumentGuard(pub DocumentLimits);

impl ExtensionFactory for DocumentGuard {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(*self)
    }
}

#[async_trait]
impl Extension for DocumentGuard {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        mut request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        self.0.check(&mut request)?;
        let variables = std::mem::take(&mut request.variables);
        let fit = super::chosen_of(&mut request)
            .map_or(Ok(()), |operation| input::check_variables(&ctx.schema_env.registry, operation, &variables));
        request.variables = variables;
        fit?;
        next.run(ctx, request).await
    }

    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        // The text was parsed in `prepare_request`; what fails here are the executor's own limits on the document.
        next.run(ctx, query, variables).await.map_err(|error| code::labelled(error, code::VALIDATION_FAILED))
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        next.run(ctx).await.map_err(|mut errors| {
            errors.truncate(MAX_VALIDATION_ERRORS);
            errors
                .into_iter()
                .map(|error| input::located(&ctx.schema_env.registry, error))
                .map(|error| code::labelled(error, code::VALIDATION_FAILED))
                .collect()
        })
    }
}
