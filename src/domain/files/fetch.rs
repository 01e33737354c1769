//! Shows a file to whoever holds a link to it, once.

use std::net::IpAddr;

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{links::part_of, thumbnail};
use crate::{
    auth::{Actor, token_hash},
    db::TenantTx,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        identity::capability::{Purpose, holder, invalid, take, tenant_of},
        refusal::Failure,
    },
    files::{ObjectName, Part, Reading},
};

/// What is told of a file before its bytes.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its name, for people.
    pub file_name: String,
    /// Its media type.
    pub mime_type: String,
    /// Its size, if it is known before it is read.
    pub size: Option<u64>,
}

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
    file_name: String,
    mime_type: String,
    size_bytes: i64,
}

impl Row {
    fn shown(self, part: Part) -> Shown {
        match part {
            Part::Whole => Shown {
                file_name: self.file_name,
                mime_type: self.mime_type,
                size: u64::try_from(self.size_bytes).ok(),
            },
            Part::Thumbnail => {
                let (mime_type, ending) = thumbnail::form(&self.mime_type);
                let stem = self.file_name.rsplit_once('.').map_or(self.file_name.as_str(), |(stem, _)| stem);
                Shown { file_name: format!("{stem}.{ending}"), mime_type: mime_type.to_owned(), size: None }
            }
        }
    }
}

/// Uses the link up and begins to read. Whoever comes second is told that it was used.
///
/// # Errors
/// TOKEN_INVALID, TOKEN_USED, EXPIRED; faults of the database and of the store.
pub async fn run(cx: &Cx, word: &str, request_id: &str, ip: Option<IpAddr>) -> Result<(Shown, Reading), Failure> {
    let tenant = tenant_of(cx, word).await?.ok_or_else(|| invalid(None))?;
    // Whom the link was made for is in the trail already; who holds it is known by the address alone.
    let nobody = Actor { name: "link".into(), ip, ..holder(&tenant, request_id) };
    let part = part_of(word);
    let tx = cx.write(&nobody).await?;
    let taken = take(&tx, word, &[Purpose::FileDownload], cx.now()).await?;
    let row = ready(&tx, taken.resource_id, part).await?.ok_or_else(|| invalid(Some(tenant.id)))?;
    let id = row.id;
    let change = Change {
        after: Some(facts!({ "part": part.as_str(), "link": taken.id })),
        ..Change::audited("fetchFile", "Attachment", id)
    };
    cx.commit(tx, Changes::one(&nobody, change)).await?;
    let reading = cx.files.read(ObjectName { tenant: tenant.id.0, file: id, part }).await?;
    let shown = Shown { size: Some(reading.size), ..row.shown(part) };
    Ok((shown, reading))
}

/// What the link shows, without using it.
///
/// # Errors
/// TOKEN_INVALID, also for one that was used or is over; faults of the database.
pub async fn look(cx: &Cx, word: &str, request_id: &str) -> Result<Shown, Failure> {
    let tenant = tenant_of(cx, word).await?.ok_or_else(|| invalid(None))?;
    let part = part_of(word);
    let tx = cx.read(&holder(&tenant, request_id)).await?;
    let file: Option<Uuid> = tx
        .scalar(
            "SELECT resource_id FROM capability_tokens
             WHERE token_hash = $1 AND purpose = $2 AND revoked_at IS NULL AND uses < max_uses AND expires_at > $3",
            [token_hash(word).into(), Purpose::FileDownload.as_str().into(), cx.now().into()],
        )
        .await?;
    let row = match file {
        Some(file) => ready(&tx, file, part).await?,
        None => None,
    };
    tx.commit().await?;
    Ok(row.ok_or_else(|| invalid(Some(tenant.id)))?.shown(part))
}

async fn ready(tx: &TenantTx, id: Uuid, part: Part) -> Result<Option<Row>, Failure> {
    let thumbnail = part == Part::Thumbnail;
    Ok(tx
        .find(
            "SELECT id, file_name, mime_type, size_bytes FROM attachments
             WHERE id = $1 AND status = 'READY' AND (NOT $2 OR thumbnail = 'READY')",
            [id.into(), thumbnail.into()],
        )
        .await?)
}
