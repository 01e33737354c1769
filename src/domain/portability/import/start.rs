//! Asks for an import: what can be said about the file without reading all of it is said at once.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{file, mapping::MappingInput, quota, source};
use crate::{
    auth::{Actor, Permission, PermissionSet, Scope},
    domain::{
        background::{self, JobKind, NewJob},
        centre::query,
        change::Changes,
        cx::Cx,
        idempotency::{Claim, Receipt},
        refusal::Failure,
    },
};

/// An import that somebody asks for.
#[derive(Clone, Debug, Serialize)]
pub struct Import {
    /// Of the client.
    #[serde(skip)]
    pub key: Uuid,
    /// The file, one of the centre's own.
    pub attachment: Uuid,
    /// What its columns are.
    pub mapping: Value,
}

/// What the job is put in with.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct JobInput {
    pub(super) attachment: Uuid,
    pub(super) mapping: MappingInput,
    /// Who gets the report of what was wrong.
    pub(super) requested_by: Option<Uuid>,
    /// What they might then. None: the job is older than this, and nobody was asked.
    #[serde(default)]
    permissions: Option<Vec<String>>,
}

impl JobInput {
    fn of(actor: &Actor, attachment: Uuid, mapping: MappingInput) -> Self {
        let permissions = actor.permissions.iter().map(|one| one.as_str().to_owned()).collect();
        Self { attachment, mapping, requested_by: actor.id, permissions: Some(permissions) }
    }

    /// Who runs the job, with the permissions of who sent the file: a field that they do not see is none in the job either.
    pub(super) fn sender(&self, runner: &Actor) -> Actor {
        let permissions = self.permissions.as_deref().map_or(runner.permissions, PermissionSet::of_words);
        Actor { permissions, ..runner.clone() }
    }
}

/// Puts the import in and returns its job.
///
/// # Errors
/// FORBIDDEN; NOT_FOUND at `attachmentId`; INVALID at what of the file or of the mapping cannot be; QUOTA_EXCEEDED; faults.
pub async fn run(cx: &Cx, actor: &Actor, input: Import) -> Result<Uuid, Failure> {
    actor.require(Permission::PatientWrite, Scope::Centre)?;
    let mapping = MappingInput::parse(input.mapping.clone())?;
    let receipt = Receipt::new(actor, "importPatients", input.key, &input)?;
    let tx = cx.write(actor).await?;
    if let Claim::Done(outcome) = receipt.claim(&tx, cx.now()).await? {
        tx.commit().await?;
        return job_of(&outcome);
    }
    // The file is read outside of any transaction; the key is claimed again with the work.
    tx.rollback().await?;
    let opened = file::open(cx, actor, input.attachment).await?;
    let beginning = source::begin(opened, &mapping, 0).await?;
    let centre = file::centre(cx, actor).await?;
    mapping.resolve(&beginning.header, &centre.names(), &centre.country)?;
    cx.retrying(|| put(cx, actor, &input, &mapping, &receipt)).await
}

async fn put(
    cx: &Cx,
    actor: &Actor,
    input: &Import,
    mapping: &MappingInput,
    receipt: &Receipt,
) -> Result<Uuid, Failure> {
    let tx = cx.write(actor).await?;
    if let Claim::Done(outcome) = receipt.claim(&tx, cx.now()).await? {
        tx.commit().await?;
        return job_of(&outcome);
    }
    let profile = query::profile(&tx).await?;
    quota::require(cx, &tx, &profile).await?;
    let mut changes = Changes::by(actor);
    let what = JobInput::of(actor, input.attachment, mapping.clone());
    let new = NewJob {
        kind: JobKind::PatientImport,
        permission: Permission::PatientWrite,
        shared: true,
        input: serde_json::to_value(&what).map_err(|error| Failure::fault(error.to_string()))?,
        action: "importPatients",
    };
    let id = background::put(cx, &tx, actor, new, &mut changes).await?;
    receipt.keep(&tx, json!({ "job": id })).await?;
    cx.commit(tx, changes).await?;
    Ok(id)
}

fn job_of(outcome: &Value) -> Result<Uuid, Failure> {
    let job = outcome.get("job").and_then(Value::as_str).and_then(|id| Uuid::parse_str(id).ok());
    job.ok_or_else(|| Failure::fault("a receipt of importPatients names no job"))
}
