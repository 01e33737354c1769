//! Loaders of mails.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;
use uuid::Uuid;

use crate::{
    domain::{
        notifications::{
            EmailMessage, query,
            suppressions::{self, Suppression},
        },
        refusal::Failure,
    },
    schema::loader::{Batch, SharedFailure, by_id},
};

/// The mails about one appointment, in order of their due time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EmailsOf(pub Uuid);

impl Loader<EmailsOf> for Batch {
    type Value = Vec<EmailMessage>;
    type Error = SharedFailure;

    async fn load(&self, keys: &[EmailsOf]) -> Result<HashMap<EmailsOf, Vec<EmailMessage>>, SharedFailure> {
        let ids = keys.iter().map(|key| key.0).collect();
        let load = async {
            let tx = self.cx.read(&self.actor).await?;
            let emails = query::of_appointments(&tx, &self.actor, ids).await?;
            tx.commit().await?;
            Ok::<_, Failure>(emails)
        };
        let mut found: HashMap<EmailsOf, Vec<EmailMessage>> = keys.iter().map(|key| (*key, Vec::new())).collect();
        for email in load.await? {
            if let Some(emails) = email.related_id.and_then(|id| found.get_mut(&EmailsOf(id))) {
                emails.push(email);
            }
        }
        Ok(found)
    }
}

by_id!(
    /// A mail by its id.
    EmailKey => EmailMessage, query::visible
);
by_id!(
    /// An address that gets no mail, by its id.
    SuppressionKey => Suppression, suppressions::visible
);
