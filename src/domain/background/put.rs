//! Puts a job in, with the transaction of whoever asks for it.

use serde_json::{Value, json};
use uuid::Uuid;

use super::model::JobKind;
use crate::{
    auth::{Actor, Permission},
    db::{
        TenantTx,
        jobs::{Lane, NewJob as QueuedJob},
    },
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        refusal::Failure,
    },
};

/// A job to put in.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What it does.
    pub kind: JobKind,
    /// What its result takes to see.
    pub permission: Permission,
    /// Whether everybody who has the permission in the whole centre sees it.
    pub shared: bool,
    /// What the runner needs: ids and settings, never data of people.
    pub input: Value,
    /// The mutation's verb.
    pub action: &'static str,
}

/// Puts it in. It is queued when and only when the transaction commits.
///
/// # Errors
/// Faults of the database.
pub async fn put(cx: &Cx, tx: &TenantTx, actor: &Actor, new: NewJob, changes: &mut Changes) -> Result<Uuid, Failure> {
    let NewJob { kind, permission, shared, input, action } = new;
    let (id, now) = (cx.new_id(), cx.now());
    tx.run(
        "INSERT INTO background_jobs (id, kind, creator_kind, creator_id, permission, shared, input, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            id.into(),
            kind.as_str().into(),
            actor.kind.as_str().into(),
            actor.id.into(),
            permission.as_str().into(),
            shared.into(),
            input.into(),
            now.into(),
        ],
    )
    .await?;
    let queued = QueuedJob {
        kind: kind.as_str(),
        dedup_key: id.to_string(),
        payload: json!({ "job_id": id }),
        due_at: now,
        lane: Lane::Bulk,
        local: None,
    };
    tx.enqueue(queued).await?;
    changes.push(Change {
        after: Some(facts!({ "kind": kind.as_str(), "status": "QUEUED" })),
        ..Change::event("job.created", action, "BackgroundJob", id)
    });
    Ok(id)
}
