//! Loaders: all objects of one level in one statement, with the caller's rights. Each area implements
//! `async_graphql::dataloader::Loader` on [`Batch`] for its own key types, in its own `loader.rs`.

use std::sync::Arc;

use crate::{
    auth::Actor,
    domain::{cx::Cx, refusal::Failure},
};

/// Loads for one caller.
pub struct Batch {
    /// The use cases' context.
    pub cx: Cx,
    /// The caller.
    pub actor: Arc<Actor>,
}

/// A failure that the resolvers waiting for one batch share.
#[derive(Clone, Debug)]
pub struct SharedFailure(Arc<std::sync::Mutex<Option<Failure>>>);

impl From<Failure> for SharedFailure {
    fn from(failure: Failure) -> Self {
        Self(Arc::new(std::sync::Mutex::new(Some(failure))))
    }
}

impl From<SharedFailure> for super::error::ApiError {
    fn from(shared: SharedFailure) -> Self {
        // The first of the waiting resolvers reports and logs it; the others say that it was.
        match shared.0.lock().ok().and_then(|mut failure| failure.take()) {
            Some(failure) => failure.into(),
            None => Failure::Refused(Vec::new()).into(),
        }
    }
}
