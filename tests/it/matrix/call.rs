//! One call as a client sends it.

use serde_json::Value;

use super::cell::Outcome;
use crate::support::app::Client;

#[derive(Clone, Debug)]
pub struct Call {
    /// The field of the root.
    pub operation: String,
    pub document: String,
    pub variables: Value,
    /// What is in the answer when it shows what the call is about.
    pub shows: Option<String>,
}

impl Call {
    pub fn new(operation: &str, document: impl Into<String>, variables: Value) -> Self {
        Self { operation: operation.to_owned(), document: document.into(), variables, shows: None }
    }

    /// An answer without this is an answer about something else.
    pub fn showing(self, what: impl Into<String>) -> Self {
        Self { shows: Some(what.into()), ..self }
    }

    pub async fn by(&self, client: &Client) -> Outcome {
        let answer = client.send(&self.document, self.variables.clone()).await;
        Outcome::of(&answer, &self.operation, self.shows.as_deref())
    }
}
