//! Keeps a file that Horae itself has made, for who asked for it: what an import refused, what an export wrote.

use std::fs::File;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Attachment, complete::CENTRES_OWN_KEPT, model::attachment_columns};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::{facts, masked},
        refusal::Failure,
    },
    files::{FilesError, ObjectName},
};

/// A file that was made.
#[derive(Debug)]
pub struct Made {
    /// Who asked for it, and alone sees it.
    pub requested_by: Uuid,
    /// Its name, for people.
    pub file_name: String,
    /// Its media type.
    pub mime_type: &'static str,
    /// Its bytes.
    pub file: File,
}

/// Keeps it as one of the centre's own, for 30 days. It takes no room from what is uploaded.
///
/// # Errors
/// FORBIDDEN; faults of the database and of the store.
pub async fn run(cx: &Cx, actor: &Actor, made: Made) -> Result<Attachment, Failure> {
    actor.require(Permission::PatientWrite, Scope::Centre)?;
    let Made { requested_by, file_name, mime_type, file } = made;
    let (now, id) = (cx.now(), cx.new_id());
    let (file, size, sha256) = measure(file).await?;
    // The object first: as long as no row stands for it, a crash leaves something that the sweep finds.
    cx.files.take(ObjectName::whole(actor.tenant.id.0, id), file).await?;
    let tx = cx.write(actor).await?;
    tx.run(
        "INSERT INTO attachments (id, requested_by, status, file_name, mime_type, size_bytes, sha256, expires_at, created_at,
             uploaded_at, made)
         VALUES ($1, $2, 'READY', $3, $4, $5, $6, $7, $8, $8, true)",
        [
            id.into(),
            requested_by.into(),
            file_name.clone().into(),
            mime_type.into(),
            size.into(),
            sha256.into(),
            (now + CENTRES_OWN_KEPT).into(),
            now.into(),
        ],
    )
    .await?;
    let sql = concat!("SELECT ", attachment_columns!(), " FROM attachments a WHERE a.id = $1");
    let kept: Attachment = tx.find(sql, [id.into()]).await?.ok_or_else(|| Failure::fault("a file was not kept"))?;
    let after = facts!({
        "fileName": masked(&file_name), "mimeType": mime_type, "sizeBytes": size, "requestedBy": requested_by,
    });
    let change = Change { after: Some(after), ..Change::audited("depositFile", "Attachment", id) };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(kept)
}

/// Size and hash of a file, and the file at its beginning again.
async fn measure(mut file: File) -> Result<(File, i64, Vec<u8>), Failure> {
    use std::io::{Read, Seek, SeekFrom};
    let work = move || -> Result<(File, i64, Vec<u8>), std::io::Error> {
        file.seek(SeekFrom::Start(0))?;
        let (mut hash, mut size, mut chunk) = (Sha256::new(), 0_i64, vec![0; 64 * 1024]);
        loop {
            let taken = file.read(&mut chunk)?;
            if taken == 0 {
                break;
            }
            hash.update(chunk.get(..taken).unwrap_or_default());
            size += i64::try_from(taken).unwrap_or_default();
        }
        file.seek(SeekFrom::Start(0))?;
        Ok((file, size, hash.finalize().to_vec()))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done.map_err(FilesError::Io)?),
        Err(error) => Err(Failure::fault(error.to_string())),
    }
}
