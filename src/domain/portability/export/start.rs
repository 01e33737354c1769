//! Asks for an export.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    auth::{Actor, ActorKind, Permission, PermissionSet, Scope},
    db::{Tenant, TenantTx},
    domain::{
        background::{self, JobKind, NewJob},
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        patients::query,
        refusal::{Code, Detail, Failure, Refusal},
    },
};

/// Exports of a centre that wait or run.
pub const OPEN_EXPORTS: &str = "exports.open";
/// Most of them.
const MOST_OPEN: i32 = 20;

/// What the job is put in with: whose data, and for whose eyes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct JobInput {
    pub(super) patient: Uuid,
    requested_by: Option<Uuid>,
    kind: String,
    permissions: Vec<String>,
    branches: Option<Vec<Uuid>>,
    professional: Option<Uuid>,
}

impl JobInput {
    fn of(actor: &Actor, patient: Uuid) -> Self {
        Self {
            patient,
            requested_by: actor.id,
            kind: actor.kind.as_str().to_owned(),
            permissions: actor.permissions.iter().map(|one| one.as_str().to_owned()).collect(),
            branches: actor.branches.as_ref().map(|branches| branches.to_vec()),
            professional: actor.professional,
        }
    }

    /// Whoever asked, with the rights of then: what goes into the archive is what they see, and the trail says who saw it.
    pub(super) fn requester(&self, tenant: &std::sync::Arc<Tenant>, request_id: &str) -> Actor {
        Actor {
            kind: ActorKind::parse(&self.kind),
            id: self.requested_by,
            permissions: PermissionSet::of_words(&self.permissions),
            branches: self.branches.as_deref().map(Into::into),
            professional: self.professional,
            ..Actor::system(std::sync::Arc::clone(tenant), "export", request_id)
        }
    }
}

/// Puts the export in and returns its job.
///
/// # Errors
/// FORBIDDEN without PATIENT_READ and PATIENT_WRITE; NOT_FOUND at `patientId`; INVALID there, when the patient is merged or
/// anonymised; QUOTA_EXCEEDED; faults.
pub async fn run(cx: &Cx, actor: &Actor, patient: Uuid) -> Result<Uuid, Failure> {
    actor.require(Permission::PatientWrite, Scope::Anywhere)?;
    actor.require(Permission::PatientRead, Scope::Anywhere)?;
    cx.retrying(|| put(cx, actor, patient)).await
}

async fn put(cx: &Cx, actor: &Actor, patient: Uuid) -> Result<Uuid, Failure> {
    let tx = cx.write(actor).await?;
    if query::visible(&tx, actor, vec![patient]).await?.is_empty() {
        return Err(Refusal::not_found("patientId").into());
    }
    require_somebody(&tx, patient).await?;
    require_place(&tx).await?;
    let input = JobInput::of(actor, patient);
    let mut changes = Changes::by(actor);
    // The archive holds the record for who reads records, and is not fetched by who does not any more.
    let reads = actor.may(Permission::RecordRead, Scope::Anywhere);
    let new = NewJob {
        kind: JobKind::PatientExport,
        permission: if reads { Permission::RecordRead } else { Permission::PatientWrite },
        shared: false,
        input: serde_json::to_value(&input).map_err(|error| Failure::fault(error.to_string()))?,
        action: "exportPatientData",
    };
    let job = background::put(cx, &tx, actor, new, &mut changes).await?;
    changes.push(Change {
        after: Some(facts!({ "job": job })),
        ..Change::audited("exportPatientData", "Patient", patient)
    });
    cx.commit(tx, changes).await?;
    Ok(job)
}

/// Refuses when nothing is left to export, and holds the patient's row: until the transaction ends nobody anonymises it.
pub(super) async fn require_somebody(tx: &TenantTx, patient: Uuid) -> Result<(), Failure> {
    if query::kept(tx, patient, "patientId").await? == patient {
        return Ok(());
    }
    Err(Refusal::invalid("patientId", "this patient is another one now; export that one").into())
}

async fn require_place(tx: &TenantTx) -> Result<(), Failure> {
    let open: Option<i64> = tx
        .scalar(
            "SELECT count(*) FROM background_jobs WHERE kind = $1 AND finished_at IS NULL",
            [JobKind::PatientExport.as_str().into()],
        )
        .await?;
    let open = i32::try_from(open.unwrap_or(0)).unwrap_or(i32::MAX);
    if open < MOST_OPEN {
        return Ok(());
    }
    let detail = Detail::Quota { quota: OPEN_EXPORTS.to_owned(), limit: MOST_OPEN, used: open, resets_at: None };
    let message = format!("{open} exports wait or run already; wait until one of them is done");
    Err(Refusal { detail, ..Refusal::new(Code::QuotaExceeded, message) }.into())
}
