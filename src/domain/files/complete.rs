//! Vouches for the bytes that have come: they are what was sent, and of the type that was said. What is not, is removed.

use chrono::{DateTime, Duration, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    Attachment, FileType, Owner,
    inspect::{self, Findings},
    model::{attachment_columns, parse_sha256},
    owner, thumbnail,
};
use crate::{
    auth::Actor,
    db::{Lane, NewJob, TenantTx},
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::{facts, masked},
        refusal::{Code, Failure, Refusal},
    },
    files::{FilesError, ObjectName},
};

/// How long the centre's own files are kept: what was imported is in the patients.
pub(super) const CENTRES_OWN_KEPT: Duration = Duration::days(30);

#[derive(FromQueryResult)]
struct Row {
    patient_id: Option<Uuid>,
    requested_by: Option<Uuid>,
    status: String,
    mime_type: String,
    sha256: Option<Vec<u8>>,
}

/// Makes the file ready. Repeating it gives the same answer.
///
/// # Errors
/// FORBIDDEN, NOT_FOUND, INVALID, FILE_TYPE_NOT_ALLOWED; faults. After INVALID at `sha256` and FILE_TYPE_NOT_ALLOWED the
/// file is gone.
pub async fn run(cx: &Cx, actor: &Actor, id: Uuid, sha256: &str) -> Result<Attachment, Failure> {
    owner::require_write(actor)?;
    let wrong = || Refusal::invalid("sha256", "write the SHA-256 as 64 hexadecimal digits");
    let vouched = parse_sha256(sha256).ok_or_else(wrong)?;
    let row = find(cx, actor, id).await?;
    match row.status.as_str() {
        "READY" => return ready(cx, actor, id, &vouched).await,
        "RECEIVED" => {}
        _ => {
            let message = "its bytes have not all come: send them to the ticket's url first";
            return Err(Refusal::invalid("attachmentId", message).into());
        }
    }
    let checked = check(cx, actor, id, &row, &vouched).await?;
    match checked {
        Ok(findings) => cx.retrying(|| keep(cx, actor, id, &row, &findings)).await,
        Err(refusal) => {
            reject(cx, actor, id, &refusal).await?;
            Err(refusal.into())
        }
    }
}

async fn find(cx: &Cx, actor: &Actor, id: Uuid) -> Result<Row, Failure> {
    let unseen = || Failure::from(Refusal::not_found("attachmentId"));
    let tx = cx.read(actor).await?;
    let row: Option<Row> = tx
        .find("SELECT patient_id, requested_by, status, mime_type, sha256 FROM attachments WHERE id = $1", [id.into()])
        .await?;
    let row = row.ok_or_else(unseen)?;
    let owner = row.patient_id.map_or(Owner::Centre, Owner::Patient);
    if owner == Owner::Centre && row.requested_by != actor.id {
        return Err(unseen());
    }
    owner::writable(&tx, actor, owner, "attachmentId").await.map_err(|failure| match failure {
        Failure::Refused(_) => unseen(),
        fault => fault,
    })?;
    tx.commit().await?;
    Ok(row)
}

/// A file that is ready already.
async fn ready(cx: &Cx, actor: &Actor, id: Uuid, vouched: &[u8]) -> Result<Attachment, Failure> {
    let tx = cx.read(actor).await?;
    let found = load(&tx, id).await?;
    tx.commit().await?;
    if found.sha256 == vouched { Ok(found) } else { Err(another_hash().into()) }
}

async fn load(tx: &TenantTx, id: Uuid) -> Result<Attachment, Failure> {
    let sql = concat!("SELECT ", attachment_columns!(), " FROM attachments a WHERE a.id = $1 AND a.status = 'READY'");
    tx.find(sql, [id.into()]).await?.ok_or_else(|| Refusal::not_found("attachmentId").into())
}

fn another_hash() -> Refusal {
    Refusal::invalid("sha256", "the bytes that came have another SHA-256; announce the file again and send it again")
}

/// Looks at the bytes. The inner refusal is about them, and final.
async fn check(
    cx: &Cx,
    actor: &Actor,
    id: Uuid,
    row: &Row,
    vouched: &[u8],
) -> Result<Result<Findings, Refusal>, Failure> {
    if row.sha256.as_deref() != Some(vouched) {
        return Ok(Err(another_hash()));
    }
    let kind = FileType::parse(&row.mime_type).ok_or_else(|| Failure::fault("a file of a type that is unknown"))?;
    let name = ObjectName::whole(actor.tenant.id.0, id);
    match cx.files.examine(name, move |file| inspect::run(kind, file)).await {
        Ok(Ok(findings)) => Ok(Ok(findings)),
        Ok(Err(inspect::Problem::Refused(why))) => {
            Ok(Err(Refusal::new(Code::FileTypeNotAllowed, why).at("attachmentId")))
        }
        Ok(Err(inspect::Problem::Unreadable(error))) => Err(FilesError::Io(error).into()),
        // Whoever else completed it found it wrong and removed it.
        Err(FilesError::Missing) => Err(Refusal::not_found("attachmentId").into()),
        Err(error) => Err(error.into()),
    }
}

async fn keep(cx: &Cx, actor: &Actor, id: Uuid, row: &Row, findings: &Findings) -> Result<Attachment, Failure> {
    let now = cx.now();
    let tx = cx.write(actor).await?;
    let draws = FileType::parse(&row.mime_type).is_some_and(FileType::is_picture);
    let (width, height) = findings.pixels.unzip();
    let expires_at: Option<DateTime<Utc>> = row.patient_id.is_none().then(|| now + CENTRES_OWN_KEPT);
    let kept = tx
        .run(
            "UPDATE attachments SET status = 'READY', uploaded_at = $2, expires_at = $3, width = $4, height = $5,
                 captured_at = $6, thumbnail = $7
             WHERE id = $1 AND status = 'RECEIVED'",
            [
                id.into(),
                now.into(),
                expires_at.into(),
                width.into(),
                height.into(),
                findings.captured_at.into(),
                if draws { "WAITING" } else { "NONE" }.into(),
            ],
        )
        .await?;
    let found = load(&tx, id).await?;
    if kept == 0 {
        // Somebody else has just completed it.
        tx.commit().await?;
        return Ok(found);
    }
    if draws {
        tx.enqueue(NewJob {
            kind: thumbnail::JOB,
            dedup_key: id.to_string(),
            payload: serde_json::json!({ "attachment_id": id }),
            due_at: now,
            lane: Lane::Bulk,
            local: None,
        })
        .await?;
    }
    let after = facts!({
        "patientId": found.patient_id, "fileName": masked(&found.file_name), "sizeBytes": found.size_bytes,
        "width": found.width, "height": found.height,
    });
    let before = facts!({ "status": "RECEIVED" });
    let change = Change {
        before: Some(before),
        after: Some(after.with("status", "READY")),
        ..Change::audited("completeUpload", "Attachment", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(found)
}

/// Removes what is not what was said: the row first, so that a crash leaves at most an object that nobody can reach.
async fn reject(cx: &Cx, actor: &Actor, id: Uuid, why: &Refusal) -> Result<(), Failure> {
    let tx = cx.write(actor).await?;
    let gone = tx.run("DELETE FROM attachments WHERE id = $1 AND status = 'RECEIVED'", [id.into()]).await?;
    let change = Change {
        before: Some(facts!({ "status": "RECEIVED" })),
        reason: Some(why.message.clone()),
        ..Change::audited("rejectUpload", "Attachment", id)
    };
    let changes = if gone == 0 { Changes::by(actor) } else { Changes::one(actor, change) };
    cx.commit(tx, changes).await?;
    if gone == 1 {
        metrics::counter!("horae_uploads_rejected_total").increment(1);
        cx.files.remove(actor.tenant.id.0, &[id]).await?;
    }
    Ok(())
}
