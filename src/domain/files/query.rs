//! Reads of files.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Attachment,
    held::{self, open_file},
    model::attachment_columns,
    owner,
};
use crate::{
    auth::Actor,
    db::{Sql, TenantTx},
    domain::{
        cx::Cx,
        page::{Page, PageRequest, counting},
        refusal::Failure,
    },
    files::ObjectName,
};

/// What a list of files is ordered by: when they came, then the id.
pub type AttachmentKey = (DateTime<Utc>, Uuid);

/// The files with these ids that are ready and that the caller may see, in no order. Those of patients are part of the
/// record: in a centre that keeps none nobody sees them.
///
/// # Errors
/// Faults of the database.
pub async fn visible(tx: &TenantTx, actor: &Actor, ids: Vec<Uuid>) -> Result<Vec<Attachment>, Failure> {
    let sql = concat!(
        "SELECT ",
        attachment_columns!(),
        " FROM attachments a WHERE a.id = ANY ($1) AND a.status = 'READY'
             AND (a.patient_id IS NULL OR (SELECT c.clinical_record FROM centre_profile c) AND ",
        open_file!("$2"),
        ")"
    );
    let found: Vec<Attachment> = tx.all(sql, [ids.into(), held::permissions(actor)]).await?;
    let owners: Vec<_> = found.iter().map(|one| (one.patient_id, one.requested_by)).collect();
    let seen = owner::readable(tx, actor, &owners).await?;
    Ok(found.into_iter().zip(seen).filter(|(_, seen)| *seen).map(|(one, _)| one).collect())
}

macro_rules! bare {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT * FROM attachments a WHERE a.patient_id = wanted.id AND a.status = 'READY' AND ",
            open_file!("$5"),
            " AND ($2::timestamptz IS NULL OR (uploaded_at, id) ",
            $beyond,
            " ($2, $3)) ORDER BY ",
            $order,
            " LIMIT $4"
        )
    };
}

macro_rules! of_patients {
    ($beyond:literal, $order:literal) => {
        concat!(
            "SELECT ",
            attachment_columns!(),
            " FROM unnest($1::uuid[]) AS wanted (id), LATERAL (",
            bare!($beyond, $order),
            ") a ORDER BY ",
            $order
        )
    };
}

const FORWARDS: Sql = of_patients!("<", "uploaded_at DESC, id DESC");
const BACKWARDS: Sql = of_patients!(">", "uploaded_at, id");
const COUNT: Sql = concat!(
    "SELECT (",
    counting!(bare!("<", "uploaded_at DESC, id DESC")),
    ") FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place) ORDER BY wanted.place"
);

/// The same page of the files of each patient, latest first, in one statement, and one more when they are counted. Who
/// asks has made sure that the caller may see these records; what is in fields that are not for the caller is left out.
///
/// # Errors
/// Faults of the database.
pub async fn of_patients_unchecked(
    tx: &TenantTx,
    actor: &Actor,
    patients: Vec<Uuid>,
    page: &PageRequest<AttachmentKey>,
) -> Result<HashMap<Uuid, Page<Attachment>>, Failure> {
    let values = |page: &PageRequest<AttachmentKey>| {
        let (at, id) = page.from.unzip();
        [patients.clone().into(), at.into(), id.into(), page.fetch().into(), held::permissions(actor)]
    };
    let rows: Vec<Attachment> = tx.all(if page.backwards { BACKWARDS } else { FORWARDS }, values(page)).await?;
    let totals: Vec<i32> = if page.counted { tx.scalars(COUNT, values(&page.whole())).await? } else { Vec::new() };
    let rows = rows.into_iter().filter_map(|row| Some((row.patient_id?, row)));
    Ok(page.pages(patients, totals, rows))
}

/// A file that is ready as a file of this machine, to be read outside of the runtime: for jobs. None: there is none, or
/// not for this actor.
///
/// # Errors
/// Faults of the database and of the store.
pub async fn open(cx: &Cx, actor: &Actor, id: Uuid) -> Result<Option<(Attachment, std::fs::File)>, Failure> {
    let tx = cx.read(actor).await?;
    let found = visible(&tx, actor, vec![id]).await?.pop();
    tx.commit().await?;
    let Some(found) = found else { return Ok(None) };
    let file = cx.files.local(ObjectName::whole(actor.tenant.id.0, id)).await?;
    Ok(Some((found, file)))
}
