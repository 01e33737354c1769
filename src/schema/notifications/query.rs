//! Reads of mails.

use async_graphql::{Context, Object};

use super::types::{EmailFilter, EmailMessage, EmailMessageConnection, Suppression, SuppressionConnection};
use crate::{
    domain::notifications::{
        query::{self, EmailFilter as Filter, EmailKey},
        suppressions::{self, SuppressionKey},
    },
    schema::{
        auth::{P, auth},
        error::ApiError,
        id::Kind,
        page::PageArguments,
        request::staff,
    },
};

/// Name of the list in its cursors.
const LIST: &str = "emailMessages";
/// The same.
const SUPPRESSIONS: &str = "suppressions";

/// Queries of mails.
#[derive(Default)]
pub struct NotificationsQuery;

#[Object]
impl NotificationsQuery {
    /// Mails, latest due first. Needs AGENDA_READ or CRM_READ.
    #[graphql(directive = auth::apply(vec![P::AgendaRead, P::CrmRead]))]
    async fn email_messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which mails; all without it.")] filter: Option<EmailFilter>,
        #[graphql(desc = "So many from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes behind this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<EmailMessageConnection, ApiError> {
        let reader = staff(ctx)?;
        let page = PageArguments { first, after, last, before }.open::<EmailKey>(ctx, reader, LIST)?;
        let mut wanted = Filter::default();
        if let Some(filter) = filter {
            wanted = Filter {
                kind: filter.kind.map(Into::into),
                status: filter.status.map(Into::into),
                related_id: reader.ids.decode_opt(Kind::Appointment, filter.related_id.as_ref(), "filter.relatedId")?,
                due: filter.range.map(|range| (range.from.to_utc(), range.to.to_utc())),
            };
        }
        let emails = query::list(&reader.cx, &reader.actor, &wanted, &page).await?;
        Ok(EmailMessageConnection::new(
            reader,
            LIST,
            emails,
            |email| (email.due_at, email.id),
            |model| EmailMessage { reader: reader.clone(), model },
        ))
    }

    /// Addresses that get no mail because mail to them was refused for good, latest first. Needs CRM_READ.
    #[graphql(directive = auth::apply(vec![P::CrmRead]))]
    async fn suppressions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "So many from the front, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only what comes behind this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the back, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what comes before this cursor.")] before: Option<String>,
    ) -> Result<SuppressionConnection, ApiError> {
        let reader = staff(ctx)?;
        let page = PageArguments { first, after, last, before }.open::<SuppressionKey>(ctx, reader, SUPPRESSIONS)?;
        let found = suppressions::list(&reader.cx, &reader.actor, &page).await?;
        Ok(SuppressionConnection::new(
            reader,
            SUPPRESSIONS,
            found,
            |row| (row.at, row.id),
            |model| Suppression { reader: reader.clone(), model },
        ))
    }
}
