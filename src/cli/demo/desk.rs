//! Somebody at work in a demo centre, who speaks to the API itself: what works here works for a client.

use std::sync::Arc;

use async_graphql::{Executor as _, Request, Variables};
use serde_json::Value;

use super::centres;
use crate::{
    app::App,
    auth::Actor,
    cli::CliError,
    domain::{
        identity::{
            login::{self, LoggedIn, Login},
            session::Place,
        },
        refusal::Failure,
    },
    schema::request::Caller,
};

/// Names the demo in sessions and logs.
const NAME: &str = "demo";

pub(super) struct Desk<'a> {
    pub app: &'a App,
    actor: Arc<Actor>,
}

impl<'a> Desk<'a> {
    pub(super) fn of(app: &'a App, actor: Arc<Actor>) -> Self {
        Self { app, actor }
    }

    /// Of whom a bearer word stands for.
    pub(super) async fn of_bearer(app: &'a App, word: &str) -> Result<Self, CliError> {
        let who = app.authenticator.bearer(word, None, &NAME.into()).await.map_err(|failure| CliError::of(&failure))?;
        let who = who.ok_or_else(|| CliError("a key or token of the demo does not hold any more".to_owned()))?;
        Ok(Self::of(app, who.actor))
    }

    /// Of a demo user, by login.
    pub(super) async fn of_user(app: &'a App, slug: &str, local: &str) -> Result<Self, CliError> {
        let token = access_token(app, slug, local).await.map_err(|failure| CliError::of(&failure))?;
        Self::of_bearer(app, &token.unwrap_or_default()).await
    }

    /// The data of a document; refusals and errors end it with their text.
    pub(super) async fn call(&self, document: &str, variables: Value) -> Result<Value, CliError> {
        let request = Request::new(document)
            .variables(Variables::from_json(variables))
            .data(Caller(Some(Arc::clone(&self.actor))));
        let response = self.app.schema.execute(request).await;
        if let Some(error) = response.errors.first() {
            return Err(CliError(format!("sample data: {}", error.message)));
        }
        let data = response.data.into_json()?;
        let refused = data.as_object().into_iter().flatten().find_map(|(_, payload)| {
            payload.get("userErrors").and_then(Value::as_array).filter(|errors| !errors.is_empty()).cloned()
        });
        match refused {
            Some(errors) => Err(CliError(format!("sample data: {}", Value::Array(errors)))),
            None => Ok(data),
        }
    }

    /// What is at this place of the answer.
    pub(super) async fn find(&self, place: &str, document: &str, variables: Value) -> Result<Value, CliError> {
        let data = self.call(document, variables).await?;
        data.pointer(place).cloned().ok_or_else(|| CliError(format!("sample data: an answer without {place}")))
    }

    /// The id that a mutation answered with.
    pub(super) async fn id(&self, document: &str, variables: Value) -> Result<Value, CliError> {
        let data = self.call(document, variables).await?;
        let object = data.as_object().and_then(|data| data.values().next()).and_then(Value::as_object);
        let id = object.and_then(|payload| payload.values().find_map(|object| object.get("id")));
        id.cloned().ok_or_else(|| CliError("sample data: an answer without an id".to_owned()))
    }
}

/// The access token of a demo user; none where a second factor has been set up meanwhile.
///
/// # Errors
/// When the password has been changed; faults of the database.
pub(super) async fn access_token(app: &App, slug: &str, local: &str) -> Result<Option<String>, Failure> {
    let login = Login {
        tenant_slug: slug.to_owned(),
        email: centres::email(slug, local),
        password: centres::PASSWORD.to_owned(),
        place: Place { device: Some(NAME.to_owned()), address: None },
        request_id: NAME.to_owned(),
    };
    Ok(match login::run(&app.cx, login).await? {
        LoggedIn::Session(tokens) => Some(tokens.access),
        LoggedIn::Challenge(_) => None,
    })
}
