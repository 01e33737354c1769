//! Changes to mails.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use super::types::EmailMessage;
use crate::{
    domain::notifications::resend,
    schema::{
        auth::{P, auth},
        error::{ApiError, UserError, payload},
        id::Kind,
        request::staff,
        scalar::IdempotencyKey,
    },
};

/// Answer of `resendEmail`.
#[derive(SimpleObject)]
pub struct ResendEmailPayload {
    /// The new mail.
    pub message: Option<EmailMessage>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Mutations of mails.
#[derive(Default)]
pub struct NotificationsMutation;

#[Object]
impl NotificationsMutation {
    /// Sends a mail about an appointment again, as a new mail: about the appointment as it stands now, to the address
    /// that the patient has now, with links of its own. Refused while the first one waits, when it was never sent
    /// because a change overtook it, when the appointment has begun or is in another state than the mail speaks of, and
    /// for addresses that get no mail (`suppressions`). Needs AGENDA_WRITE in the appointment's branch.
    #[graphql(directive = auth::apply(vec![P::AgendaWrite]))]
    async fn resend_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The mail to send again.")] id: ID,
        #[graphql(desc = "Makes repeating safe: the same key is the same mail.")] idempotency_key: IdempotencyKey,
    ) -> Result<ResendEmailPayload, ApiError> {
        let reader = staff(ctx)?;
        let resent = async {
            let id = reader.ids.decode(Kind::EmailMessage, &id, "id")?;
            resend::run(&reader.cx, &reader.actor, id, idempotency_key.0).await
        };
        let (model, user_errors) = payload(resent.await, Some(reader))?;
        let message = model.map(|model| EmailMessage { reader: Arc::clone(reader), model });
        Ok(ResendEmailPayload { message, user_errors })
    }
}
