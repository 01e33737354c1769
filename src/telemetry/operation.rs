//! The operation that runs at the moment, under its name for metrics: code deep below it counts under that name
//! without being handed it.

use std::{future::Future, sync::Arc};

tokio::task_local! {
    static CURRENT: Arc<str>;
}

/// Where no operation runs, or none that the schema has.
pub const NONE: &str = "none";

/// Runs `work` as part of the operation with this name.
pub fn scope<F: Future>(name: Arc<str>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(name, work)
}

/// The name of the operation that this code is part of.
#[must_use]
pub fn current() -> Arc<str> {
    CURRENT.try_with(Arc::clone).unwrap_or_else(|_| NONE.into())
}
