//! Types of files.

use std::sync::Arc;

use async_graphql::{ID, InputObject, Object, SimpleObject};

use super::LinkTo;
use crate::{
    domain::{
        files::{
            self, Owner, Part,
            links::{self, USUAL_TTL_SECONDS, Wanted},
            request::{Announced, Ticket},
        },
        refusal::Refusal,
    },
    schema::{
        error::ApiError,
        id::{GlobalIds, Kind},
        limits::directive::cost,
        page::connection,
        request::Reader,
        scalar::{Instant, Json, Url},
    },
};

/// A file: a photograph or document of a patient's record, or something that was brought for an import.
#[derive(Clone, Debug)]
pub struct Attachment {
    reader: Arc<Reader>,
    model: files::Attachment,
}

impl Attachment {
    /// The API's form of a file.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, model: files::Attachment) -> Self {
        Self { reader: Arc::clone(reader), model }
    }

    async fn link(&self, part: Part, ttl_seconds: Option<i32>) -> Result<Url, ApiError> {
        links::require_of(&self.reader.actor, self.model.owner())?;
        let ttl_seconds = ttl_seconds.unwrap_or(USUAL_TTL_SECONDS);
        links::check_ttl(ttl_seconds)?;
        let wanted = Wanted { file: self.model.id, part, ttl_seconds };
        let link = self.reader.loader.load_one(LinkTo(wanted)).await?;
        Ok(Url(link.ok_or_else(|| Refusal::not_found("id"))?))
    }
}

/// A file: a photograph or document of a patient's record, or something that was brought for an import.
#[Object]
impl Attachment {
    /// Opaque identifier.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::Attachment, self.model.id)
    }

    /// Its name, for people.
    async fn file_name(&self) -> &str {
        &self.model.file_name
    }

    /// Its type: what was said, and what its bytes are.
    async fn mime_type(&self) -> &str {
        &self.model.mime_type
    }

    /// Its size.
    async fn size_bytes(&self) -> i32 {
        i32::try_from(self.model.size_bytes).unwrap_or(i32::MAX)
    }

    /// SHA-256 of its bytes, in hexadecimal.
    async fn sha256(&self) -> String {
        hex::encode(&self.model.sha256)
    }

    /// Width of a picture in pixels, as it is to be shown.
    async fn width(&self) -> Option<i32> {
        self.model.width
    }

    /// Height of a picture in pixels, as it is to be shown.
    async fn height(&self) -> Option<i32> {
        self.model.height
    }

    /// When a photograph was taken, if the camera has noted that with its offset.
    async fn captured_at(&self) -> Option<Instant> {
        self.model.captured_at.map(Instant::utc)
    }

    /// When it was uploaded.
    async fn uploaded_at(&self) -> Instant {
        Instant::utc(self.model.uploaded_at)
    }

    /// A new address that gives the file to whoever asks first, and to nobody else. A patient's file needs RECORD_READ
    /// and a patient that you see, one brought for an import PATIENT_WRITE or RECORD_READ, and that you have brought it.
    /// That it was asked for is in the audit trail, and so is that it was used.
    #[graphql(directive = cost::apply(2, None))]
    async fn download_url(
        &self,
        #[graphql(desc = "For how long, 10 to 3600 seconds; 300 without it.")] ttl_seconds: Option<i32>,
    ) -> Result<Url, ApiError> {
        self.link(Part::Whole, ttl_seconds).await
    }

    /// The same for a small picture, at most 512 pixels a side, upright and without what the camera has noted. Null for
    /// what is no picture, and for some seconds after the upload.
    #[graphql(directive = cost::apply(2, None))]
    async fn thumbnail_url(
        &self,
        #[graphql(desc = "For how long, 10 to 3600 seconds; 300 without it.")] ttl_seconds: Option<i32>,
    ) -> Result<Option<Url>, ApiError> {
        if self.model.has_thumbnail() { self.link(Part::Thumbnail, ttl_seconds).await.map(Some) } else { Ok(None) }
    }
}

connection!(AttachmentConnection, AttachmentEdge, Attachment, "files");

/// What to send the bytes of an announced file with: one PUT to `url`.
#[derive(SimpleObject, Clone, Debug)]
pub struct UploadTicket {
    /// Takes the bytes, once. What was broken off can be begun again.
    pub url: Url,
    /// Headers of the request, by name.
    pub headers: Json,
    /// Until when it takes them.
    pub expires_at: Instant,
    /// The file, for `completeUpload`.
    pub attachment_id: ID,
    /// How many bytes it takes: exactly as many.
    pub max_bytes: i32,
}

impl UploadTicket {
    /// The API's form of a ticket.
    #[must_use]
    pub fn new(reader: &Reader, ticket: &Ticket) -> Self {
        Self {
            url: Url(format!("{}/f/{}", reader.cx.public_url, ticket.word)),
            headers: Json(serde_json::json!({
                "Content-Type": ticket.kind.mime(), "Content-Length": ticket.size_bytes.to_string(),
            })),
            expires_at: Instant::utc(ticket.expires_at),
            attachment_id: reader.ids.encode(Kind::Attachment, ticket.attachment),
            max_bytes: ticket.size_bytes,
        }
    }
}

/// A file to come.
#[derive(InputObject)]
pub struct RequestUploadInput {
    /// Whose it will be: a patient, or the centre itself (`viewer.tenant.id`) for what is to be imported.
    pub owner_id: ID,
    /// Its name, for people: no path, at most 200 characters, with the ending of its type.
    pub file_name: String,
    /// Its type: image/jpeg, image/png, image/webp, application/pdf, text/plain, text/csv, or a spreadsheet or document of
    /// the XML formats of office programs (xlsx, docx).
    pub mime_type: String,
    /// Its exact size.
    pub size_bytes: i32,
    /// SHA-256 of its bytes in hexadecimal, if it is known already: what arrives is compared at once.
    pub sha256: Option<String>,
}

impl RequestUploadInput {
    /// As the use case takes it.
    pub(super) fn into_domain(self, reader: &Reader) -> Announced {
        Announced {
            owner: owner(&reader.ids, reader.actor.tenant.id.0, &self.owner_id),
            file_name: self.file_name,
            mime_type: self.mime_type,
            size_bytes: self.size_bytes,
            sha256: self.sha256,
        }
    }
}

fn owner(ids: &GlobalIds, tenant: uuid::Uuid, id: &ID) -> Option<Owner> {
    let centre = || ids.open(Kind::Tenant, id).filter(|found| *found == tenant).map(|_| Owner::Centre);
    ids.open(Kind::Patient, id).map(Owner::Patient).or_else(centre)
}
