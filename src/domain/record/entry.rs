//! Rows of entries, and how they become what a reader sees.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    attachments::{self, Held},
    model::{Entry, EntryStatus, Person, Signed, Template, Voided},
    signature::{self, Content},
    templates,
    values::{self, Texts},
};
use crate::{
    auth::Actor,
    db::TenantTx,
    domain::{cx::Cx, refusal::Failure, sealing::TenantKeys},
};

/// The columns of [`Row`], of a `record_entries e` joined by [`joins`].
macro_rules! columns {
    () => {
        "e.id, e.version, e.patient_id, e.template_id, e.template_version, e.appointment_id, e.author_id, e.status, e.at,
             e.amends_id, e.amendment_reason_sealed, e.signed_at, e.signed_by, e.signature, e.voided_at, e.voided_by,
             e.void_reason_sealed, v.name, v.specialty, v.fields, coalesce(a.name, '') AS author_name,
             coalesce(s.name, '') AS signer_name, coalesce(w.name, '') AS voider_name"
    };
}
pub(super) use columns;

/// The form of `e`, and the people in it.
macro_rules! joins {
    () => {
        " JOIN record_template_versions v ON v.template_id = e.template_id AND v.version = e.template_version
          LEFT JOIN users a ON a.id = e.author_id LEFT JOIN users s ON s.id = e.signed_by LEFT JOIN users w ON w.id = e.voided_by "
    };
}
pub(super) use joins;

/// An entry as it lies in the database.
#[derive(Debug, FromQueryResult)]
pub(super) struct Row {
    pub id: Uuid,
    pub version: i32,
    pub patient_id: Uuid,
    pub template_id: Uuid,
    pub template_version: i32,
    pub appointment_id: Option<Uuid>,
    pub author_id: Uuid,
    pub status: String,
    pub at: DateTime<Utc>,
    pub amends_id: Option<Uuid>,
    pub amendment_reason_sealed: Option<Vec<u8>>,
    pub signed_at: Option<DateTime<Utc>>,
    pub signed_by: Option<Uuid>,
    pub signature: Option<Vec<u8>>,
    pub voided_at: Option<DateTime<Utc>>,
    pub voided_by: Option<Uuid>,
    pub void_reason_sealed: Option<Vec<u8>>,
    pub name: String,
    pub specialty: Option<String>,
    pub fields: serde_json::Value,
    pub author_name: String,
    pub signer_name: String,
    pub voider_name: String,
}

impl Row {
    /// The form that it is written in.
    pub fn template(&self) -> Result<Template, Failure> {
        Ok(Template {
            id: self.template_id,
            version: self.template_version,
            name: self.name.clone(),
            specialty: self.specialty.clone(),
            published: true,
            fields: templates::read_fields(self.fields.clone())?,
        })
    }

    /// What was signed, or would be by this person at this instant.
    pub fn content<'a>(
        &self,
        reason: Option<&'a str>,
        texts: &'a Texts,
        held: &[Held],
        signed_by: Uuid,
        signed_at: DateTime<Utc>,
    ) -> Content<'a> {
        Content {
            form: signature::FORM,
            entry: self.id,
            patient: self.patient_id,
            template: self.template_id,
            template_version: self.template_version,
            appointment: self.appointment_id,
            author: self.author_id,
            at: signature::instant(self.at),
            amends: self.amends_id,
            amendment_reason: reason,
            signed_by,
            signed_at: signature::instant(signed_at),
            values: texts,
            attachments: Held::signed(held),
        }
    }

    /// Why it stands in the place of another one.
    pub fn reason(&self, keys: &TenantKeys) -> Result<Option<String>, Failure> {
        let sealed = self.amendment_reason_sealed.as_deref();
        sealed.map(|sealed| values::open_text(keys, self.id, "amendment_reason_sealed", sealed)).transpose()
    }
}

/// The rows with these ids, in no order.
pub(super) async fn rows(tx: &TenantTx, ids: Vec<Uuid>) -> Result<Vec<Row>, Failure> {
    let sql = concat!("SELECT ", columns!(), " FROM record_entries e", joins!(), "WHERE e.id = ANY ($1)");
    Ok(tx.all(sql, [ids.into()]).await?)
}

/// The row with this id, locked; none: there is none.
pub(super) async fn locked(tx: &TenantTx, id: Uuid) -> Result<Option<Row>, Failure> {
    // First the lock, then the row as it is under it.
    tx.run("SELECT 1 FROM record_entries WHERE id = $1 FOR UPDATE", [id.into()]).await?;
    Ok(rows(tx, vec![id]).await?.pop())
}

/// What the reader sees of these rows, in their order. Of fields that are not for this reader nothing is left.
pub(super) async fn opened(cx: &Cx, tx: &TenantTx, actor: &Actor, rows: Vec<Row>) -> Result<Vec<Entry>, Failure> {
    let sealed = values::sealed(tx, rows.iter().map(|row| row.id).collect()).await?;
    let mut held = attachments::of(tx, rows.iter().map(|row| row.id).collect()).await?;
    let keys = TenantKeys::to_open(cx, tx).await?;
    let mut texts = values::opened(&keys, sealed)?;
    let mut known: HashMap<(Uuid, i32), Arc<Template>> = HashMap::new();
    rows.into_iter()
        .map(|row| {
            let template = match known.get(&(row.template_id, row.template_version)) {
                Some(template) => Arc::clone(template),
                None => Arc::new(row.template()?),
            };
            known.insert((row.template_id, row.template_version), Arc::clone(&template));
            let texts = texts.remove(&row.id).unwrap_or_default();
            let held = held.remove(&row.id).unwrap_or_default();
            open(&keys, actor, row, template, &texts, &held)
        })
        .collect()
}

/// The one entry, as its reader sees it.
pub(super) async fn one(cx: &Cx, tx: &TenantTx, actor: &Actor, id: Uuid) -> Result<Entry, Failure> {
    let rows = rows(tx, vec![id]).await?;
    let entry = opened(cx, tx, actor, rows).await?.pop();
    entry.ok_or_else(|| Failure::fault("the entry just written is gone"))
}

fn open(
    keys: &TenantKeys,
    actor: &Actor,
    row: Row,
    template: Arc<Template>,
    texts: &Texts,
    held: &[Held],
) -> Result<Entry, Failure> {
    let reason = row.reason(keys)?;
    let signed = match (row.signed_at, row.signed_by, &row.signature) {
        (Some(at), Some(by), Some(hash)) => {
            let genuine = row.content(reason.as_deref(), texts, held, by, at).hash(keys)? == *hash;
            if !genuine {
                metrics::counter!("horae_record_signatures_broken_total").increment(1);
                tracing::error!(entry.id = %row.id, "A signed entry is not what was signed");
            }
            Some(Signed { at, by: Person { id: by, name: row.signer_name }, hash: hash.clone(), genuine })
        }
        _ => None,
    };
    let voided = match (row.voided_at, row.voided_by, &row.void_reason_sealed) {
        (Some(at), Some(by), Some(sealed)) => {
            let reason = values::open_text(keys, row.id, "void_reason_sealed", sealed)?;
            Some(Voided { at, by: Person { id: by, name: row.voider_name }, reason })
        }
        _ => None,
    };
    let fields = &template.fields;
    let seen: Vec<_> = fields.iter().filter(|field| field.is_visible(fields, actor.permissions)).cloned().collect();
    let mut values = values::read(texts)?;
    values.retain(|key, _| seen.iter().any(|field| field.key == *key));
    let named = attachments::named(&seen, &values);
    let shown = held.iter().filter(|one| one.listed || named.contains_key(&one.id)).map(|one| one.id).collect();
    Ok(Entry {
        id: row.id,
        version: row.version,
        patient: row.patient_id,
        appointment: row.appointment_id,
        author: Person { id: row.author_id, name: row.author_name },
        status: EntryStatus::parse(&row.status)?,
        at: row.at,
        amends: row.amends_id,
        amendment_reason: reason,
        template,
        signed,
        voided,
        values,
        seen,
        attachments: shown,
    })
}
