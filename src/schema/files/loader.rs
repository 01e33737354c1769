//! Loaders of files.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;

use crate::{
    domain::files::{
        self,
        links::{self, Wanted},
        query,
    },
    schema::loader::{Batch, SharedFailure, by_id},
};

by_id!(
    /// A file by its id.
    AttachmentKey => files::Attachment, query::visible
);

/// A new link to a file. Those of one level are made in one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkTo(pub Wanted);

impl Loader<LinkTo> for Batch {
    type Value = String;
    type Error = SharedFailure;

    async fn load(&self, keys: &[LinkTo]) -> Result<HashMap<LinkTo, String>, SharedFailure> {
        let wanted: Vec<Wanted> = keys.iter().map(|key| key.0).collect();
        let links = self.cx.retrying(|| links::run(&self.cx, &self.actor, wanted.clone())).await?;
        Ok(links.into_iter().map(|(wanted, link)| (LinkTo(wanted), link)).collect())
    }
}
