//! Keeps a file that Horae itself has made, for who asked for it: what an import refused, what an export wrote.

use std::fs::File;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Attachment, complete::CENTRES_OWN_KEPT, model::attachment_columns};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
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

/// A file whose bytes are in the store, and that no row stands for yet: the sweep takes it away if none comes.
#[derive(Debug)]
pub struct Stored {
    /// What its row will be.
    pub id: Uuid,
    requested_by: Uuid,
    file_name: String,
    mime_type: &'static str,
    size: i64,
    sha256: Vec<u8>,
}

/// Keeps it as one of the centre's own, for 30 days. It takes no room from what is uploaded.
///
/// # Errors
/// FORBIDDEN; faults of the database and of the store.
pub async fn run(cx: &Cx, actor: &Actor, made: Made) -> Result<Attachment, Failure> {
    let stored = store(cx, actor, made).await?;
    let tx = cx.write(actor).await?;
    let mut changes = Changes::by(actor);
    let kept = keep(cx, &tx, &stored, &mut changes).await?;
    cx.commit(tx, changes).await?;
    Ok(kept)
}

/// The first half of [`run`]: puts the bytes into the store. As long as no row stands for them, a crash leaves something
/// that the sweep finds.
///
/// # Errors
/// FORBIDDEN; faults of the store.
pub async fn store(cx: &Cx, actor: &Actor, made: Made) -> Result<Stored, Failure> {
    actor.require(Permission::PatientWrite, Scope::Centre)?;
    let Made { requested_by, file_name, mime_type, file } = made;
    let id = cx.new_id();
    let (file, size, sha256) = measure(file).await?;
    cx.files.take(ObjectName::whole(actor.tenant.id.0, id), file).await?;
    Ok(Stored { id, requested_by, file_name, mime_type, size, sha256 })
}

/// The second half: writes its row, within the transaction of whoever says what came of the work.
///
/// # Errors
/// Faults of the database.
pub async fn keep(cx: &Cx, tx: &TenantTx, stored: &Stored, changes: &mut Changes) -> Result<Attachment, Failure> {
    let now = cx.now();
    let &Stored { id, requested_by, mime_type, size, .. } = stored;
    let sql = concat!(
        "INSERT INTO attachments AS a (id, requested_by, status, file_name, mime_type, size_bytes, sha256, expires_at,
             created_at, uploaded_at, made)
         VALUES ($1, $2, 'READY', $3, $4, $5, $6, $7, $8, $8, true) RETURNING ",
        attachment_columns!()
    );
    let values = [
        id.into(),
        requested_by.into(),
        stored.file_name.clone().into(),
        mime_type.into(),
        size.into(),
        stored.sha256.clone().into(),
        (now + CENTRES_OWN_KEPT).into(),
        now.into(),
    ];
    let kept: Option<Attachment> = tx.find(sql, values).await?;
    let kept = kept.ok_or_else(|| Failure::fault("a file was not kept"))?;
    let after = facts!({
        "fileName": masked(&stored.file_name), "mimeType": mime_type, "sizeBytes": size, "requestedBy": requested_by,
    });
    changes.push(Change { after: Some(after), ..Change::audited("depositFile", "Attachment", id) });
    Ok(kept)
}

/// Size and hash of a file, and the file at its beginning again.
async fn measure(mut file: File) -> Result<(File, i64, Vec<u8>), Failure> {
    use std::io::{Seek, SeekFrom};
    let work = move || -> Result<(File, i64, Vec<u8>), std::io::Error> {
        file.seek(SeekFrom::Start(0))?;
        let mut hash = Sha256::new();
        let size = std::io::copy(&mut file, &mut hash)?;
        file.seek(SeekFrom::Start(0))?;
        Ok((file, size.try_into().unwrap_or(i64::MAX), hash.finalize().to_vec()))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done.map_err(FilesError::Io)?),
        Err(error) => Err(Failure::fault(error.to_string())),
    }
}
