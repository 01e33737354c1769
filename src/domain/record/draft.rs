//! What writing an entry and amending one have in common: values that fit their form, and what a draft consists of.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use super::{
    access::{self, same_person},
    attachments,
    model::Template,
    values::{self, Texts},
};
use crate::{
    auth::Actor,
    db::TenantTx,
    domain::{
        fields::{Attached, Given, Values, calculated, validate_values},
        known::{Named, Thing},
        patients::query,
        refusal::{Code, Failure, Refusal},
        sealing::TenantKeys,
    },
};

/// Finds the centre's attachment behind an id of the API.
pub type OpenAttachment = Arc<dyn Fn(&str) -> Option<Uuid> + Send + Sync>;

/// What somebody writes.
#[derive(Clone)]
pub struct Writing {
    /// About whom.
    pub patient: Uuid,
    /// In which form.
    pub template: Uuid,
    /// The visit it belongs to.
    pub appointment: Option<Uuid>,
    /// The files listed with it; none: as they are.
    pub attachments: Option<Vec<Uuid>>,
    /// Values to set, and to take away; others stay.
    pub values: Vec<Given>,
    /// Finds attachments that values name.
    pub open: OpenAttachment,
}

impl std::fmt::Debug for Writing {
    /// Without what is written about the patient.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writing(patient {}, template {})", self.patient, self.template)
    }
}

/// The same about the patient that the id names now, whom the caller sees; nobody merges that one until the transaction
/// ends.
pub(super) async fn about_the_kept(tx: &TenantTx, actor: &Actor, writing: Writing) -> Result<Writing, Failure> {
    let patient = query::kept(tx, writing.patient, "patientId").await?;
    access::require_visible(tx, actor, patient, "patientId").await?;
    Ok(Writing { patient, ..writing })
}

/// Refuses another form than this one; an id of nothing is NOT_FOUND, as everywhere.
pub(super) async fn require_form(
    tx: &TenantTx,
    actor: &Actor,
    writing: &Writing,
    (form, message): (Uuid, &str),
) -> Result<(), Failure> {
    if writing.template == form {
        return Ok(());
    }
    Named::default().one(Thing::RecordTemplate, Some(writing.template), "templateId").require(tx, actor).await?;
    Err(Refusal::invalid("templateId", message).into())
}

/// What a draft says.
pub(super) struct Drafted {
    /// Its values.
    pub texts: Texts,
    /// The files that they name, with the keys of the fields.
    pub named: BTreeMap<Uuid, Vec<String>>,
    /// The files that were named just now.
    pub given: Vec<Attached>,
}

/// The values that there were, with what was given, as they are kept. Fields that the writer may not see are not the
/// writer's to set.
pub(super) fn merged(
    actor: &Actor,
    template: &Template,
    before: Values,
    writing: &Writing,
) -> Result<Drafted, Failure> {
    let fields = &template.fields;
    let hidden = |key: &str| {
        let field = fields.iter().find(|field| field.key == key);
        field.is_some_and(|field| !field.is_visible(fields, actor.permissions))
    };
    let refused: Vec<Refusal> = writing
        .values
        .iter()
        .enumerate()
        .filter(|(_, given)| hidden(&given.key))
        .map(|(at, _)| Refusal::new(Code::Forbidden, "this field is not for you").at(&format!("values.{at}.key")))
        .collect();
    if !refused.is_empty() {
        return Err(refused.into());
    }
    let checked = validate_values(fields, &writing.values, "values", writing.open.as_ref())?;
    let mut after = before;
    after.extend(checked.values);
    after.retain(|_, value| !value.is_null());
    let results = calculated(fields, &after);
    after.extend(results);
    let named = attachments::named(fields, &after);
    Ok(Drafted { texts: values::texts(&after), named, given: checked.attachments })
}

/// Makes this what a draft says; its listed files stay if none are given.
pub(super) async fn write(
    tx: &TenantTx,
    actor: &Actor,
    keys: &TenantKeys,
    entry: Uuid,
    (writing, drafted): (&Writing, &Drafted),
    listed: Vec<Uuid>,
) -> Result<(), Failure> {
    attachments::require(tx, actor, writing, &drafted.given).await?;
    values::write(tx, keys, entry, &drafted.texts).await?;
    attachments::write(tx, entry, writing.attachments.as_ref().unwrap_or(&listed), &drafted.named).await
}

/// The files that are listed with an entry.
pub(super) async fn listed(tx: &TenantTx, entry: Uuid) -> Result<Vec<Uuid>, Failure> {
    let held = attachments::of(tx, vec![entry]).await?.remove(&entry).unwrap_or_default();
    Ok(held.iter().filter(|one| one.listed).map(|one| one.id).collect())
}

/// Refuses an appointment that is not one of this patient's.
pub(super) async fn require_appointment(tx: &TenantTx, writing: &Writing) -> Result<(), Failure> {
    let Some(appointment) = writing.appointment else { return Ok(()) };
    let sql = concat!(
        "SELECT 1 FROM appointments a WHERE a.id = $2 AND a.status NOT IN ('HELD', 'EXPIRED') AND a.patient_id IN (",
        same_person!("$1"),
        ")"
    );
    let found: Option<i32> = tx.scalar(sql, [writing.patient.into(), appointment.into()]).await?;
    found.map(drop).ok_or_else(|| Refusal::not_found("appointmentId").into())
}

/// Whether two patients are the same person.
pub(super) async fn is_same_person(tx: &TenantTx, one: Uuid, other: Uuid) -> Result<bool, Failure> {
    let sql = concat!("SELECT $2 IN (", same_person!("$1"), ")");
    Ok(tx.scalar(sql, [one.into(), other.into()]).await? == Some(true))
}

/// What a draft stands in the place of, and why.
pub(super) struct Amendment<'a> {
    pub of: Uuid,
    pub reason: &'a str,
}

/// A draft to put in.
pub(super) struct NewDraft<'a> {
    pub id: Uuid,
    pub writing: &'a Writing,
    pub template_version: i32,
    pub author: Uuid,
    pub amendment: Option<Amendment<'a>>,
    pub at: chrono::DateTime<chrono::Utc>,
}

/// Puts a draft in, without values.
pub(super) async fn insert(tx: &TenantTx, keys: &TenantKeys, new: NewDraft<'_>) -> Result<(), Failure> {
    let NewDraft { id, writing, template_version, author, amendment, at } = new;
    let place = values::own_place(id, "amendment_reason_sealed");
    let reason = amendment.as_ref().map(|one| keys.seal(&place, one.reason.as_bytes())).transpose()?;
    let inserted = tx
        .run(
            "INSERT INTO record_entries (id, patient_id, template_id, template_version, appointment_id, author_id, status, at,
                 amends_id, amendment_reason_sealed, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'DRAFT', $7, $8, $9, $7)",
            [
                id.into(),
                writing.patient.into(),
                writing.template.into(),
                template_version.into(),
                writing.appointment.into(),
                author.into(),
                at.into(),
                amendment.map(|one| one.of).into(),
                reason.into(),
            ],
        )
        .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if error.violates("record_entries_one_amendment") => {
            let message = "somebody is amending it already; sign or void that draft first";
            Err(Refusal::new(Code::AlreadyExists, message).at("id").into())
        }
        Err(error) => Err(error.into()),
    }
}
