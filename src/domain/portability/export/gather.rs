//! Everything that is known of a patient, as far as somebody sees it.

use std::{collections::HashMap, sync::Arc};

use chrono_tz::Tz;
use sea_orm::FromQueryResult;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        agenda::visibility::Sight,
        centre,
        cx::Cx,
        fields::{FieldDefinition, Values},
        files::held::{self, open_file},
        page::{MAX_PAGE, PageRequest},
        patients::{fields, model::Patient, query, values},
        record::{
            self,
            model::Entry,
            read::{Asked, Filter, Key},
        },
        refusal::{Failure, Refusal},
    },
};

/// Something of every visit of the patient $1 in the branches $2 and the column $3.
macro_rules! seen_visits {
    ($what:literal, $joined:literal, $order:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM appointments a JOIN ",
            $joined,
            " WHERE a.patient_id = $1 AND ($2::uuid[] IS NULL OR a.branch_id = ANY ($2))
                AND ($3::uuid IS NULL OR EXISTS (SELECT 1 FROM occupancies o WHERE o.appointment_id = a.id AND o.resource_id = $3))
              ORDER BY ",
            $order
        )
    };
}

/// What was found.
pub(super) struct Gathered {
    pub(super) centre: String,
    pub(super) locale: String,
    pub(super) zone: Tz,
    pub(super) patient: Patient,
    /// The centre's own fields that are seen.
    pub(super) fields: Vec<FieldDefinition>,
    pub(super) category: Option<String>,
    pub(super) professional: Option<String>,
    pub(super) guardians: Vec<String>,
    /// Those that are seen in the agenda.
    pub(super) appointments: Vec<Value>,
    /// Mails about them.
    pub(super) mails: Vec<Value>,
    /// None: not for who asks.
    pub(super) record: Option<Vec<Entry>>,
    pub(super) files: Vec<StoredFile>,
}

/// A file of the patient.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct StoredFile {
    pub(super) id: Uuid,
    pub(super) file_name: String,
    pub(super) mime_type: String,
    pub(super) size_bytes: i64,
}

#[derive(FromQueryResult)]
struct Names {
    category: Option<String>,
    professional: Option<String>,
    guardians: Vec<String>,
}

/// Reads all of it.
///
/// # Errors
/// NOT_FOUND when the patient is not seen any more; faults of the database.
pub(super) async fn run(cx: &Cx, requester: &Actor, patient: Uuid) -> Result<Gathered, Failure> {
    let tx = cx.read(requester).await?;
    let profile = centre::query::profile(&tx).await?;
    let found = query::visible(&tx, requester, vec![patient]).await?.pop();
    let mut patient = found.ok_or_else(|| Refusal::not_found("patientId"))?;
    // Which of them the requester may see, the definitions say.
    let sealed = values::opened(cx, &tx, vec![patient.id]).await?.remove(&patient.id).unwrap_or_default();
    Arc::make_mut(&mut patient.profile).custom.extend(sealed);
    let fields = fields::seen(&fields::active(&tx).await?, requester);
    let names = names(&tx, patient.id).await?;
    let (appointments, mails) = visits(&tx, requester, patient.id).await?;
    let reads = requester.may(Permission::RecordRead, Scope::Anywhere);
    // They are part of the record.
    let files = if reads && profile.clinical_record { files(&tx, requester, patient.id).await? } else { Vec::new() };
    tx.commit().await?;
    let mut record = if reads { entries(cx, requester, patient.id).await? } else { None };
    let names_of_files = files.iter().map(|file| file.id).zip(file_names(&files)).collect();
    name_files(&mut Arc::make_mut(&mut patient.profile).custom, &fields, &names_of_files);
    for entry in record.iter_mut().flatten() {
        name_files(&mut entry.values, &entry.seen, &names_of_files);
    }
    Ok(Gathered {
        centre: profile.trade_name,
        locale: profile.locale,
        zone: profile.default_zone,
        patient,
        fields,
        category: names.category,
        professional: names.professional,
        guardians: names.guardians,
        appointments,
        mails,
        record,
        files,
    })
}

async fn names(tx: &TenantTx, patient: Uuid) -> Result<Names, Failure> {
    let names = tx
        .find(
            "SELECT c.name AS category, r.name AS professional,
                 ARRAY(SELECT concat_ws(' ', g.given_names, g.paternal_surname, g.maternal_surname)
                       FROM patient_guardians pg JOIN patients g ON g.id = pg.guardian_id
                       WHERE pg.patient_id = p.id ORDER BY pg.position) AS guardians
             FROM patients p LEFT JOIN patient_categories c ON c.id = p.category_id
                 LEFT JOIN resources r ON r.id = p.usual_professional_id
             WHERE p.id = $1",
            [patient.into()],
        )
        .await?;
    names.ok_or_else(|| Refusal::not_found("patientId").into())
}

/// The visits that the requester sees in the agenda, and the mails about them. Nothing for who sees nothing there.
async fn visits(tx: &TenantTx, requester: &Actor, patient: Uuid) -> Result<(Vec<Value>, Vec<Value>), Failure> {
    let Ok(sight) = Sight::of(requester, Scope::Anywhere) else { return Ok((Vec::new(), Vec::new())) };
    let values = || [patient.into(), sight.branches_value(), sight.own.into()];
    let appointments = tx
        .scalars(
            seen_visits!(
                "jsonb_build_object('code', a.code, 'start', a.start_at, 'end', a.end_at, 'localStart', a.local_start,
                     'timeZone', a.time_zone, 'branch', b.name, 'status', a.status, 'paymentStatus', a.payment_status, 'channel', a.channel,
                     'notes', a.notes, 'internalNotes', a.internal_notes, 'cancelReason', a.cancel_reason,
                     'contactName', a.contact_name, 'contactEmail', a.contact_email, 'items', (
                         SELECT jsonb_agg(jsonb_build_object('treatment', t.name, 'professional', r.name) ORDER BY i.position)
                         FROM appointment_items i JOIN treatments t ON t.id = i.treatment_id
                             LEFT JOIN resources r ON r.id = i.professional_id
                         WHERE i.appointment_id = a.id))",
                "branches b ON b.id = a.branch_id",
                "a.start_at, a.id"
            ),
            values(),
        )
        .await?;
    let mails = tx
        .scalars(
            seen_visits!(
                "jsonb_build_object('kind', m.kind, 'recipient', m.recipient, 'subject', m.subject, 'status', m.status,
                     'sentAt', m.sent_at)",
                "email_messages m ON m.related_id = a.id",
                "m.created_at, m.id"
            ),
            values(),
        )
        .await?;
    Ok((appointments, mails))
}

/// Those that are in the record, and not in fields that are not for the requester.
async fn files(tx: &TenantTx, requester: &Actor, patient: Uuid) -> Result<Vec<StoredFile>, Failure> {
    let sql = concat!(
        "SELECT a.id, a.file_name, a.mime_type, a.size_bytes FROM attachments a
         WHERE a.patient_id = $1 AND a.status = 'READY' AND ",
        open_file!("$2"),
        " ORDER BY a.uploaded_at, a.id"
    );
    Ok(tx.all(sql, [patient.into(), held::permissions(requester)]).await?)
}

/// The record, oldest entries first. None: the centre keeps none.
async fn entries(cx: &Cx, requester: &Actor, patient: Uuid) -> Result<Option<Vec<Entry>>, Failure> {
    let mut all = Vec::new();
    let mut page = PageRequest::first(i64::from(MAX_PAGE));
    loop {
        let entries = vec![(patient, Filter::default(), page.clone())];
        let asked = Asked { entries, files: Vec::new() };
        let mut found = match record::read::pages(cx, requester, asked).await {
            Ok(found) => found.entries,
            Err(Failure::Refused(_)) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let Some(found) = found.pop() else { break };
        page.from = found.rows.last().map(Key::of);
        all.extend(found.rows);
        if !found.has_next {
            break;
        }
    }
    all.reverse();
    Ok(Some(all))
}

/// What the files are called in the archive: numbered, so that no two are alike.
fn file_names(files: &[StoredFile]) -> impl Iterator<Item = String> {
    (1..).zip(files).map(|(n, file)| format!("archivos/{n:03} {}", plain(&file.file_name)))
}

/// Ids are of no use to who reads the archive: fields that hold files tell what those are called there.
fn name_files(values: &mut Values, fields: &[FieldDefinition], names: &HashMap<Uuid, String>) {
    for field in fields.iter().filter(|field| field.kind.is_attachment()) {
        let Some(Value::Array(ids)) = values.get_mut(&field.key) else { continue };
        let known = ids.iter().filter_map(|id| names.get(&Uuid::parse_str(id.as_str()?).ok()?));
        *ids = known.map(|name| name.as_str().into()).collect();
    }
}

impl Gathered {
    /// As a program reads it.
    pub(super) fn json(&self, exported_at: chrono::DateTime<chrono::Utc>) -> Value {
        let (brief, profile) = (&self.patient.brief, &self.patient.profile);
        let document = brief.document.as_ref();
        let document =
            document.map(|(kind, number, country)| json!({"kind": kind, "number": number, "country": country}));
        let custom: Map<String, Value> = self
            .fields
            .iter()
            .filter_map(|field| Some((field.key.clone(), profile.custom.get(&field.key)?.clone())))
            .collect();
        let files = self.files.iter().zip(self.file_names());
        let files: Vec<Value> = files
            .map(|(file, name)| json!({"fileName": name, "mimeType": file.mime_type, "sizeBytes": file.size_bytes}))
            .collect();
        json!({
            "exportedAt": exported_at,
            "centre": self.centre,
            "patient": {
                "fileNumber": brief.file_number,
                "givenNames": brief.given_names,
                "paternalSurname": brief.paternal_surname,
                "maternalSurname": brief.maternal_surname,
                "document": document,
                "isForeign": brief.is_foreign,
                "email": brief.email,
                "phones": brief.phones,
                "sex": brief.sex,
                "birthDate": brief.birth_date,
                "status": brief.status,
                "usualProfessional": self.professional,
                "category": self.category,
                "referralSource": profile.referral_source,
                "rating": profile.rating,
                "comments": profile.comments,
                "customFields": custom,
                "marketingConsent": {
                    "granted": profile.marketing.granted, "at": profile.marketing.at, "source": profile.marketing.source,
                },
                "guardians": self.guardians,
                "createdAt": brief.created_at,
                "updatedAt": brief.updated_at,
            },
            "appointments": self.appointments,
            "emails": self.mails,
            "record": self.record.as_ref().map(|entries| entries.iter().map(entry).collect::<Vec<_>>()),
            "files": files,
        })
    }

    /// What the files are called in the archive, in their order.
    pub(super) fn file_names(&self) -> Vec<String> {
        file_names(&self.files).collect()
    }
}

/// A name that is one part of a path wherever it is unpacked.
fn plain(name: &str) -> String {
    name.chars()
        .map(|letter| if letter.is_control() || "/\\:*?\"<>|".contains(letter) { '_' } else { letter })
        .collect()
}

fn entry(entry: &Entry) -> Value {
    json!({
        "template": entry.template.name,
        "templateVersion": entry.template.version,
        "status": entry.status.as_str(),
        "at": entry.at,
        "author": entry.author.name,
        "signedAt": entry.signed.as_ref().map(|signed| signed.at),
        "amendmentReason": entry.amendment_reason,
        "values": entry.values,
    })
}
