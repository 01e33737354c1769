//! One call as a client sends it.

use async_graphql::ID;
use horae::schema::id::GlobalIds;
use serde_json::Value;
use uuid::Uuid;

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

    /// The same about things that never were, if it names any: who may not call it is told so before anything is looked for.
    pub fn about_nothing(&self, ids: &GlobalIds) -> Option<Self> {
        let mut variables = self.variables.clone();
        forget(&mut variables, ids);
        (variables != self.variables).then(|| Self { variables, ..self.clone() })
    }

    pub async fn by(&self, client: &Client) -> Outcome {
        let answer = client.send(&self.document, self.variables.clone()).await;
        Outcome::of(&answer, &self.operation, self.shows.as_deref())
    }
}

/// Puts ids of nothing, of the same kinds, in the place of all ids.
fn forget(value: &mut Value, ids: &GlobalIds) {
    match value {
        Value::String(word) => {
            if let Some((kind, _)) = ids.open_any(&ID(word.clone())) {
                *word = ids.encode(kind, Uuid::new_v4()).0;
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|one| forget(one, ids)),
        Value::Object(all) => all.values_mut().for_each(|one| forget(one, ids)),
        _ => {}
    }
}
