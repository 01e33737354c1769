//! Creates a patient, and tells which of those that there are it may be.

use serde_json::json;
use uuid::Uuid;

use super::{
    document::Document,
    duplicates, facts, fields,
    input::{Draft, PatientInput, Rules},
    model::Patient,
    query, values,
};
use crate::{
    auth::{Actor, ActorKind, Permission, Scope},
    db::{DbError, TenantTx},
    domain::{
        centre::{self, check::Check},
        change::{Change, Changes},
        cx::Cx,
        fields::{Attached, FieldDefinition, Values},
        idempotency::{Claim, Receipt},
        known::{Named, Thing},
        refusal::{Code, Failure, Refusal},
    },
};

/// The constraint that a document is one patient's.
pub(super) const DOCUMENT_ONCE: &str = "patients_document_kind_document_number_document_country_key";

/// Finds the attachment behind an id of the API.
pub type Attachments = dyn Fn(&str) -> Option<Uuid> + Send + Sync;

/// A patient that was created, and whom it may be.
#[derive(Clone, Debug)]
pub struct Created {
    /// The new one.
    pub patient: Patient,
    /// Those that may be the same person.
    pub duplicates: Vec<Patient>,
}

/// Creates it.
///
/// # Errors
/// Values that do not fit, ALREADY_EXISTS for another patient's document, a missing permission, faults.
pub async fn run(
    cx: &Cx,
    actor: &Actor,
    input: PatientInput,
    key: Uuid,
    attachments: &Attachments,
) -> Result<Created, Failure> {
    actor.require(Permission::PatientWrite, Scope::Anywhere)?;
    cx.retrying(|| attempt(cx, actor, &input, key, attachments)).await
}

async fn attempt(
    cx: &Cx,
    actor: &Actor,
    input: &PatientInput,
    key: Uuid,
    attachments: &Attachments,
) -> Result<Created, Failure> {
    let receipt = Receipt::new(actor, "createPatient", key, input)?;
    let tx = cx.write(actor).await?;
    if let Claim::Done(outcome) = receipt.claim(&tx, cx.now()).await? {
        let id = outcome.get("patient").and_then(|id| id.as_str()).and_then(|id| Uuid::parse_str(id).ok());
        let id = id.ok_or_else(|| Failure::fault("a receipt of createPatient without a patient"))?;
        let created = told(&tx, actor, id).await?;
        tx.commit().await?;
        return Ok(created);
    }
    let draft = checked(cx, actor, &tx, None, Draft::new(), input.clone(), attachments).await?;
    let id = cx.new_id();
    insert(cx, &tx, id, &draft).await?;
    values::write(cx, &tx, id, &Values::new(), &draft.sealed).await?;
    replace_guardians(&tx, id, &draft.guardians).await?;
    let created = told(&tx, actor, id).await?;
    receipt.keep(&tx, json!({ "patient": id })).await?;
    let change = Change {
        after: Some(facts::patient(&draft)),
        ..Change::event("patient.created", "createPatient", "Patient", id)
    };
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok(created)
}

async fn told(tx: &TenantTx, actor: &Actor, id: Uuid) -> Result<Created, Failure> {
    let patient = query::written(tx, id).await?;
    Ok(Created { patient, duplicates: duplicates::of(tx, actor, id).await? })
}

/// The draft with the input in it, or everything that does not fit. `id` is of the patient, if there is one already.
pub(super) async fn checked(
    cx: &Cx,
    actor: &Actor,
    tx: &TenantTx,
    id: Option<Uuid>,
    before: Draft,
    input: PatientInput,
    attachments: &Attachments,
) -> Result<Draft, Failure> {
    let country = centre::query::profile(tx).await?.country;
    let defined: Vec<FieldDefinition> = fields::active(tx).await?;
    let rules = Rules {
        now: cx.now(),
        country: &country,
        fields: &fields::seen(&defined, actor),
        attachment: attachments,
        is_new: id.is_none(),
        source: source(actor),
    };
    let mut check = Check::default();
    let named = Names::of(&input);
    let (mut draft, attached) = before.apply(&mut check, input, &rules);
    check.done()?;
    require_attached(tx, id, &attached).await?;
    named.require(tx, actor).await?;
    if named.guardians {
        let all = std::mem::take(&mut draft.guardians);
        query::require_seen(tx, actor, &all, "guardianIds").await?;
        for (at, id) in all.into_iter().enumerate() {
            let id = query::kept(tx, id, &format!("guardianIds.{at}")).await?;
            if !draft.guardians.contains(&id) {
                draft.guardians.push(id);
            }
        }
    }
    Ok(draft)
}

/// Files are of somebody: of this patient, who has to be there before, and all of them have to be ready.
async fn require_attached(tx: &TenantTx, patient: Option<Uuid>, attached: &[Attached]) -> Result<(), Failure> {
    if attached.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = attached.iter().map(|one| one.id).collect();
    let there: Vec<Uuid> = tx
        .scalars(
            "SELECT id FROM attachments WHERE id = ANY ($1) AND patient_id = $2 AND status = 'READY'",
            [ids.into(), patient.into()],
        )
        .await?;
    match attached.iter().find(|one| !there.contains(&one.id)) {
        Some(one) => Err(Refusal::not_found(&one.path).into()),
        None => Ok(()),
    }
}

/// How consent comes in, unless somebody says.
fn source(actor: &Actor) -> &'static str {
    match actor.kind {
        ActorKind::User => "STAFF",
        _ if actor.publishable => "WEB_WIDGET",
        kind => kind.as_str(),
    }
}

/// What an input refers to.
struct Names {
    professional: Option<Uuid>,
    category: Option<Uuid>,
    guardians: bool,
}

impl Names {
    fn of(input: &PatientInput) -> Self {
        Self {
            professional: input.usual_professional.value().copied(),
            category: input.category.value().copied(),
            guardians: input.guardians.is_some(),
        }
    }

    async fn require(&self, tx: &TenantTx, actor: &Actor) -> Result<(), Failure> {
        let named = Named::default().one(Thing::Resource, self.professional, "usualProfessionalId").one(
            Thing::PatientCategory,
            self.category,
            "categoryId",
        );
        named.require(tx, actor).await?;
        let Some(professional) = self.professional else { return Ok(()) };
        let kind: Option<String> = tx.scalar("SELECT kind FROM resources WHERE id = $1", [professional.into()]).await?;
        if kind.as_deref() != Some("PROFESSIONAL") {
            return Err(Refusal::invalid("usualProfessionalId", "this is not a professional").into());
        }
        Ok(())
    }
}

/// The columns of a row, as the statements below name them.
fn columns(id: Uuid, draft: &Draft, cx: &Cx) -> Result<[sea_orm::Value; 24], Failure> {
    let custom = serde_json::to_value(&draft.custom).map_err(|error| Failure::fault(error.to_string()))?;
    let document = |part: fn(&Document) -> &String| draft.document.as_ref().map(|document| part(document).clone());
    Ok([
        id.into(),
        draft.file_number.clone().into(),
        draft.given_names.clone().into(),
        draft.paternal_surname.clone().into(),
        draft.maternal_surname.clone().into(),
        document(|document| &document.kind).into(),
        document(|document| &document.number).into(),
        document(|document| &document.country).into(),
        draft.is_foreign.into(),
        draft.email.clone().into(),
        draft.phones.clone().into(),
        draft.sex.clone().into(),
        draft.birth_date.into(),
        draft.status.clone().into(),
        draft.usual_professional.into(),
        draft.category.into(),
        draft.referral_source.clone().into(),
        draft.rating.into(),
        draft.comments.clone().into(),
        custom.into(),
        draft.marketing.granted.into(),
        draft.marketing.at.into(),
        cx.now().into(),
        draft.marketing.source.clone().into(),
    ])
}

macro_rules! insert {
    ($rest:literal) => {
        concat!(
            "INSERT INTO patients (id, file_number, given_names, paternal_surname, maternal_surname, document_kind, document_number,
                 document_country, is_foreign, email, phones, sex, birth_date, status, usual_professional_id, category_id,
                 referral_source, rating, comments, custom_values, marketing_granted, marketing_at, created_at, updated_at,
                 marketing_source)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $23, $24)",
            $rest
        )
    };
}

/// Writes a new row.
async fn insert(cx: &Cx, tx: &TenantTx, id: Uuid, draft: &Draft) -> Result<(), Failure> {
    tx.run(insert!(""), columns(id, draft, cx)?).await.map(drop).map_err(document_is_taken)
}

/// Writes a new row, unless somebody has its document; whether it did.
pub(super) async fn insert_unless_known(cx: &Cx, tx: &TenantTx, id: Uuid, draft: &Draft) -> Result<bool, Failure> {
    let sql = insert!(" ON CONFLICT (document_kind, document_number, document_country) DO NOTHING");
    Ok(tx.run(sql, columns(id, draft, cx)?).await? == 1)
}

/// Writes a row that is locked.
pub(super) async fn rewrite(cx: &Cx, tx: &TenantTx, id: Uuid, draft: &Draft) -> Result<(), Failure> {
    let written = tx
        .run(
            "UPDATE patients SET file_number = $2, given_names = $3, paternal_surname = $4, maternal_surname = $5, document_kind = $6,
                 document_number = $7, document_country = $8, is_foreign = $9, email = $10, phones = $11, sex = $12, birth_date = $13,
                 status = $14, usual_professional_id = $15, category_id = $16, referral_source = $17, rating = $18, comments = $19,
                 custom_values = $20, marketing_granted = $21, marketing_at = $22, marketing_source = $24,
                 version = version + 1, updated_at = $23
             WHERE id = $1",
            columns(id, draft, cx)?,
        )
        .await;
    match written {
        Ok(1) => Ok(()),
        Ok(_) => Err(Failure::fault("a locked patient is gone")),
        Err(error) => Err(document_is_taken(error)),
    }
}

fn document_is_taken(error: DbError) -> Failure {
    if error.violates(DOCUMENT_ONCE) {
        let message = "another patient has this document; look the patient up by it";
        return Refusal::new(Code::AlreadyExists, message).at("document.number").into();
    }
    error.into()
}

/// Puts these into the place of who answered for the patient before.
pub(super) async fn replace_guardians(tx: &TenantTx, id: Uuid, guardians: &[Uuid]) -> Result<(), Failure> {
    if guardians.contains(&id) {
        return Err(Refusal::invalid("guardianIds", "nobody is the own guardian").into());
    }
    tx.run("DELETE FROM patient_guardians WHERE patient_id = $1", [id.into()]).await?;
    if guardians.is_empty() {
        return Ok(());
    }
    tx.run(
        "INSERT INTO patient_guardians (patient_id, guardian_id, position)
         SELECT $1, g.id, g.at FROM unnest($2::uuid[]) WITH ORDINALITY AS g (id, at)",
        [id.into(), guardians.to_vec().into()],
    )
    .await?;
    Ok(())
}
