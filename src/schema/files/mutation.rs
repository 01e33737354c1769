//! Changes to files.

use async_graphql::{Context, ID, Object, SimpleObject};

use super::types::{Attachment, RequestUploadInput, UploadTicket};
use crate::{
    domain::files::{complete, request},
    schema::{
        auth::{P, auth},
        error::{ApiError, UserError, payload},
        id::Kind,
        request::staff,
    },
};

/// Answer of `requestUpload`.
#[derive(SimpleObject)]
pub struct RequestUploadPayload {
    /// What to send the bytes with.
    pub ticket: Option<UploadTicket>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `completeUpload`.
#[derive(SimpleObject)]
pub struct CompleteUploadPayload {
    /// The file.
    pub attachment: Option<Attachment>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Mutations of files.
#[derive(Default)]
pub struct FilesMutation;

#[Object]
impl FilesMutation {
    /// Announces a file and gives a ticket for its bytes, good for 15 minutes: PUT them to `ticket.url`, then
    /// `completeUpload`. What is announced counts already: there is a limit for each owner, and one for the centre. Needs
    /// PATIENT_WRITE, or RECORD_WRITE for a patient whom you see; for an import PATIENT_WRITE in every branch.
    #[graphql(directive = auth::apply(vec![P::PatientWrite, P::RecordWrite]))]
    async fn request_upload(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file to come.")] input: RequestUploadInput,
    ) -> Result<RequestUploadPayload, ApiError> {
        let reader = staff(ctx)?;
        let announced = input.into_domain(reader);
        let cx = &reader.cx;
        let ticket = cx.retrying(|| request::run(cx, &reader.actor, &announced)).await;
        let (ticket, user_errors) = payload(ticket, Some(reader))?;
        Ok(RequestUploadPayload { ticket: ticket.map(|ticket| UploadTicket::new(reader, &ticket)), user_errors })
    }

    /// Vouches for bytes that were sent: they are those with this SHA-256, and of the type that was announced. From then
    /// on the file is there. If they are not, the file is removed and has to be announced again: the hash is another, the
    /// type is another, a picture has more than 12 000 pixels a side or 50 million in all, a document is larger than
    /// 150 MiB when it is unpacked or has macros. Sent again it gives the same answer. Needs what `requestUpload` needs.
    #[graphql(directive = auth::apply(vec![P::PatientWrite, P::RecordWrite]))]
    async fn complete_upload(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file, from the ticket.")] attachment_id: ID,
        #[graphql(desc = "SHA-256 of the bytes that were sent, in hexadecimal.")] sha256: String,
    ) -> Result<CompleteUploadPayload, ApiError> {
        let reader = staff(ctx)?;
        let completed = async {
            let id = reader.ids.decode(Kind::Attachment, &attachment_id, "attachmentId")?;
            complete::run(&reader.cx, &reader.actor, id, &sha256).await
        };
        let (found, user_errors) = payload(completed.await, Some(reader))?;
        Ok(CompleteUploadPayload { attachment: found.map(|found| Attachment::new(reader, found)), user_errors })
    }
}
