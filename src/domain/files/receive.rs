//! Takes the bytes of an announced file from whoever holds its ticket.
//!
//! The ticket is used up by bytes that have all come, once. A transfer that breaks off, or brings something else than was
//! announced, leaves the ticket as it was, so that it can be begun again until its time is over.

use chrono::Duration;
use futures::{Stream, StreamExt};
use sea_orm::FromQueryResult;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use uuid::Uuid;

use super::FileType;
use crate::{
    auth::Actor,
    db::{Tenant, TenantTx},
    domain::{
        cx::Cx,
        identity::capability::{Purpose, Taken, give_back, holder, invalid, take, tenant_of},
        refusal::{Code, Failure, Refusal},
    },
    files::{ObjectName, Writer},
};

/// How long somebody has to vouch for bytes that have come.
const VOUCHED_WITHIN: Duration = Duration::hours(24);

/// What the head of the request says of its body.
#[derive(Clone, Debug)]
pub struct Head {
    /// How many bytes.
    pub length: Option<u64>,
    /// Of which type.
    pub mime: Option<String>,
}

/// Why a body does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It took too long.
    Late,
    /// The connection broke.
    Broken,
}

/// Why the bytes were not taken.
#[derive(Debug)]
pub enum NotReceived {
    /// They did not all come.
    Cut(Cut),
    /// They or the ticket are not right, or something broke.
    Failed(Failure),
}

impl<T: Into<Failure>> From<T> for NotReceived {
    fn from(failure: T) -> Self {
        Self::Failed(failure.into())
    }
}

#[derive(FromQueryResult)]
struct Expected {
    mime_type: String,
    size_bytes: i64,
    announced_sha256: Option<Vec<u8>>,
}

/// Takes them all, or nothing.
///
/// # Errors
/// A cut; TOKEN_INVALID, TOKEN_USED, EXPIRED, INVALID, FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED; faults.
pub async fn run<C: AsRef<[u8]>>(
    cx: &Cx,
    word: &str,
    request_id: &str,
    head: Head,
    body: impl Stream<Item = Result<C, Cut>> + Send,
) -> Result<(), NotReceived> {
    let tenant = tenant_of(cx, word).await?.ok_or_else(|| invalid(None))?;
    let nobody = holder(&tenant, request_id);
    let (taken, expected) = begin(cx, &nobody, word).await?;
    let received = match compare(&head, &expected) {
        Ok(()) => store(cx, &tenant, taken.resource_id, &expected, body).await,
        Err(refusal) => Err(refusal.into()),
    };
    let kept = match received {
        Ok(sha256) => keep(cx, &nobody, taken.resource_id, sha256).await,
        Err(not) => Err(not),
    };
    if kept.is_err() {
        let tx = cx.write(&nobody).await?;
        give_back(&tx, taken.id).await?;
        tx.commit().await.map_err(Failure::from)?;
    }
    kept
}

/// Takes the ticket. The file is kept from the sweep for as long as its bytes may take.
async fn begin(cx: &Cx, nobody: &Actor, word: &str) -> Result<(Taken, Expected), Failure> {
    let now = cx.now();
    let tx: TenantTx = cx.write(nobody).await?;
    let taken = take(&tx, word, &[Purpose::FileUpload], now).await?;
    let until = now + Duration::seconds(i64::from(cx.file_rules.upload_seconds)) + Duration::minutes(5);
    let expected: Option<Expected> = tx
        .find(
            "UPDATE attachments SET expires_at = greatest(expires_at, $2) WHERE id = $1 AND status = 'PENDING'
             RETURNING mime_type, size_bytes, announced_sha256",
            [taken.resource_id.into(), until.into()],
        )
        .await?;
    let expected = expected.ok_or_else(|| invalid(Some(nobody.tenant.id)))?;
    tx.commit().await?;
    Ok((taken, expected))
}

/// What the head says already, before anything is read.
fn compare(head: &Head, expected: &Expected) -> Result<(), Refusal> {
    let size = expected.size_bytes.unsigned_abs();
    if head.length.is_some_and(|length| length > size) {
        return Err(too_large(expected));
    }
    if head.length.is_some_and(|length| length < size) {
        return Err(too_small(expected));
    }
    let same = head
        .mime
        .as_deref()
        .is_none_or(|mime| FileType::parse(mime).is_some_and(|kind| kind.mime() == expected.mime_type));
    if same {
        return Ok(());
    }
    let message = format!("the file was announced as {}; send it with that Content-Type", expected.mime_type);
    Err(Refusal::new(Code::FileTypeNotAllowed, message).at("mimeType"))
}

fn too_large(expected: &Expected) -> Refusal {
    let message = format!("the file was announced with {} bytes, and there are more", expected.size_bytes);
    Refusal::new(Code::FileTooLarge, message).at("sizeBytes")
}

fn too_small(expected: &Expected) -> Refusal {
    let message = format!("the file was announced with {} bytes, and there are fewer", expected.size_bytes);
    Refusal::invalid("sizeBytes", message)
}

async fn store<C: AsRef<[u8]>>(
    cx: &Cx,
    tenant: &Arc<Tenant>,
    file: Uuid,
    expected: &Expected,
    body: impl Stream<Item = Result<C, Cut>> + Send,
) -> Result<Vec<u8>, NotReceived> {
    let mut writer = cx.files.create(ObjectName::whole(tenant.id.0, file)).map_err(Failure::from)?;
    match copy(&mut writer, expected, body).await {
        Ok(sha256) => {
            writer.finish().await.map_err(Failure::from)?;
            Ok(sha256)
        }
        Err(not) => {
            writer.abandon().await;
            Err(not)
        }
    }
}

/// Copies exactly as many bytes as were announced; the hash of them.
async fn copy<C: AsRef<[u8]>>(
    writer: &mut Writer,
    expected: &Expected,
    body: impl Stream<Item = Result<C, Cut>> + Send,
) -> Result<Vec<u8>, NotReceived> {
    let mut body = std::pin::pin!(body);
    let mut hash = Sha256::new();
    let mut left = expected.size_bytes;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(NotReceived::Cut)?;
        let bytes = chunk.as_ref();
        left -= i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        if left < 0 {
            return Err(too_large(expected).into());
        }
        hash.update(bytes);
        writer.write(bytes).await.map_err(Failure::from)?;
    }
    if left > 0 {
        return Err(too_small(expected).into());
    }
    let sha256 = hash.finalize().to_vec();
    if expected.announced_sha256.as_ref().is_some_and(|announced| *announced != sha256) {
        return Err(Refusal::invalid("sha256", "these bytes have another SHA-256 than was announced").into());
    }
    Ok(sha256)
}

async fn keep(cx: &Cx, nobody: &Actor, file: Uuid, sha256: Vec<u8>) -> Result<(), NotReceived> {
    let tx = cx.write(nobody).await?;
    let kept = tx
        .run(
            "UPDATE attachments SET status = 'RECEIVED', sha256 = $2, expires_at = $3 WHERE id = $1 AND status = 'PENDING'",
            [file.into(), sha256.into(), (cx.now() + VOUCHED_WITHIN).into()],
        )
        .await
        .map_err(Failure::from)?;
    tx.commit().await.map_err(Failure::from)?;
    if kept == 1 {
        return Ok(());
    }
    // It was swept while the bytes came: nothing stands for them any more.
    cx.files.remove(nobody.tenant.id.0, &[file]).await.map_err(Failure::from)?;
    Err(invalid(Some(nobody.tenant.id)).into())
}
