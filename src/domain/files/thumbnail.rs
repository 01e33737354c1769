//! Small pictures of photographs, for lists. Drawn anew, so nothing that the camera noted is in them, and upright.

use std::{
    fs::File,
    io::{BufReader, Cursor},
};

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, codecs::jpeg::JpegEncoder,
    metadata::Orientation,
};
use uuid::Uuid;

use super::{FileType, inspect::MAX_SIDE};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{cx::Cx, refusal::Failure},
    files::{FilesError, ObjectName},
};

/// The job that draws one; forever.
pub const JOB: &str = "files.thumbnail";

/// Longest side.
const SIDE: u32 = 512;
/// Most memory that decoding may take: 50 million pixels of four bytes, and some room.
const MEMORY: u64 = 256 * 1024 * 1024;
const QUALITY: u8 = 82;

/// Media type and ending of the small picture of a file of this type: what may be see-through stays so.
#[must_use]
pub(super) fn form(mime_type: &str) -> (&'static str, &'static str) {
    match FileType::parse(mime_type) {
        Some(FileType::Jpeg) | None => ("image/jpeg", "jpg"),
        Some(_) => ("image/png", "png"),
    }
}

/// Draws it, if the file is there and has none yet. A picture that cannot be decoded has none for good.
///
/// # Errors
/// When the actor may not; faults of the database and of the store.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid) -> Result<(), Failure> {
    actor.require(Permission::RecordWrite, Scope::Centre)?;
    let tx = cx.read(actor).await?;
    let mime: Option<String> =
        tx.scalar("SELECT mime_type FROM attachments WHERE id = $1 AND thumbnail = 'WAITING'", [id.into()]).await?;
    tx.commit().await?;
    let Some(kind) = mime.as_deref().and_then(FileType::parse) else { return Ok(()) };
    let tenant = actor.tenant.id.0;
    let drawn = match cx.files.examine(ObjectName::whole(tenant, id), move |file| draw(kind, file)).await {
        Ok(drawn) => drawn,
        // It was removed in the meantime.
        Err(FilesError::Missing) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let standing = match drawn {
        Ok(bytes) => {
            cx.files.put(ObjectName::thumbnail(tenant, id), bytes).await?;
            "READY"
        }
        Err(error) => {
            tracing::info!(%error, "A picture cannot be decoded and has no thumbnail");
            "NONE"
        }
    };
    let tx = cx.write(actor).await?;
    tx.run("UPDATE attachments SET thumbnail = $2 WHERE id = $1", [id.into(), standing.into()]).await?;
    tx.commit().await?;
    Ok(())
}

fn draw(kind: FileType, file: File) -> Result<Vec<u8>, ImageError> {
    let format = match kind {
        FileType::Png => ImageFormat::Png,
        FileType::Webp => ImageFormat::WebP,
        _ => ImageFormat::Jpeg,
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MEMORY);
    let mut reader = ImageReader::with_format(BufReader::new(file), format);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder()?;
    limits.reserve(decoder.total_bytes())?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    // Small first: turning the large one would take its memory again.
    let mut small = shrink(&DynamicImage::from_decoder(decoder)?);
    small.apply_orientation(orientation);
    encode(kind, small)
}

fn shrink(picture: &DynamicImage) -> DynamicImage {
    if picture.width() <= SIDE && picture.height() <= SIDE { picture.clone() } else { picture.thumbnail(SIDE, SIDE) }
}

fn encode(kind: FileType, small: DynamicImage) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Cursor::new(Vec::new());
    if kind == FileType::Jpeg {
        JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&small.into_rgb8())?;
    } else if small.color().has_alpha() {
        small.into_rgba8().write_to(&mut bytes, ImageFormat::Png)?;
    } else {
        small.into_rgb8().write_to(&mut bytes, ImageFormat::Png)?;
    }
    Ok(bytes.into_inner())
}
