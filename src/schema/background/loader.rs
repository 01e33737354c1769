//! Loader of background jobs.

use std::sync::Arc;

use crate::{
    domain::background::{self, Job},
    schema::loader::by_id,
};

by_id!(
    /// A background job by its id.
    BackgroundJobKey => Arc<Job>, background::visible
);
