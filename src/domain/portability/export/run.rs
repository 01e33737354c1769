//! Makes an export.

use std::fs::File;

use uuid::Uuid;

use super::{
    bundle::Bundle,
    gather::{self, Gathered},
    paper,
    start::{JobInput, require_somebody},
};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        background::{self, Running},
        change::Changes,
        cx::Cx,
        files::deposit::{self, Made, Stored},
        refusal::Failure,
    },
    files::{FilesError, ObjectName},
    pdf,
};

/// Makes the export of this job. Run again it begins anew: nothing of a run that was killed is kept.
///
/// # Errors
/// Faults, after which the job can be run again.
pub async fn run(cx: &Cx, actor: &Actor, job: Uuid) -> Result<(), Failure> {
    actor.require(Permission::PatientRead, Scope::Centre)?;
    let Some(mut running) = background::begin(cx, actor, job).await? else { return Ok(()) };
    match make(cx, actor, &mut running).await {
        Err(Failure::Refused(refusals)) => {
            let why: Vec<String> = refusals.into_iter().map(|refusal| refusal.message).collect();
            background::fail(cx, actor, job, &why.join("; ")).await
        }
        done => done,
    }
}

async fn make(cx: &Cx, actor: &Actor, running: &mut Running) -> Result<(), Failure> {
    let input: JobInput =
        serde_json::from_value(running.input.clone()).map_err(|error| Failure::fault(error.to_string()))?;
    let Some(requested_by) = running.job.creator_id else {
        // Nobody could fetch it.
        return background::finish(cx, actor, running, None).await;
    };
    let tx = cx.write(actor).await?;
    require_somebody(&tx, input.patient).await?;
    tx.commit().await?;
    let requester = input.requester(&actor.tenant, &actor.request_id);
    let all = gather::run(cx, &requester, input.patient).await?;
    let mut files = Vec::new();
    for (file, name) in all.files.iter().zip(all.file_names()) {
        match cx.files.local(ObjectName::whole(actor.tenant.id.0, file.id)).await {
            Ok(opened) => files.push((name, opened)),
            // Removed since it was listed.
            Err(FilesError::Missing) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let now = cx.now();
    let writing = tokio::task::spawn_blocking(move || bundle(&all, files, now));
    let file = writing.await.map_err(|_| Failure::fault("the export broke off"))??;
    let made = Made {
        requested_by,
        file_name: format!("paciente-{}.zip", now.format("%Y-%m-%d")),
        mime_type: "application/zip",
        file,
    };
    let stored = deposit::store(cx, actor, made).await?;
    let published = publish(cx, actor, running, input.patient, &stored).await;
    if matches!(published, Err(Failure::Refused(_))) {
        // The sweep finds it too, but not before a day is over.
        if let Err(error) = cx.files.remove(actor.tenant.id.0, &[stored.id]).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "An archive that nobody may have is left to the sweep"
            );
        }
    }
    published
}

/// Gives the archive to who asked. The patient may have been anonymised while it was written, which takes away the archives
/// that jobs name: so the row, its job and a look at the patient are one transaction, and the patient is locked before the
/// job, as anonymising does it.
async fn publish(cx: &Cx, actor: &Actor, running: &mut Running, patient: Uuid, stored: &Stored) -> Result<(), Failure> {
    let tx = cx.write(actor).await?;
    require_somebody(&tx, patient).await?;
    background::hold(&tx, running).await?;
    let mut changes = Changes::by(actor);
    let kept = deposit::keep(cx, &tx, stored, &mut changes).await?;
    running.finish(cx, &tx, Some(kept.id), &mut changes).await?;
    cx.commit(tx, changes).await
}

fn bundle(all: &Gathered, files: Vec<(String, File)>, now: chrono::DateTime<chrono::Utc>) -> Result<File, Failure> {
    let fault = |what: &dyn std::fmt::Display| Failure::fault(format!("the export cannot be written: {what}"));
    let data = serde_json::to_vec_pretty(&all.json(now)).map_err(|error| fault(&error))?;
    let paper = pdf::write(&paper::document(all, now)).map_err(|error| fault(&error))?;
    let mut bundle = Bundle::begin().map_err(|error| fault(&error))?;
    bundle.put("datos.json", &data).map_err(|error| fault(&error))?;
    bundle.put("ficha.pdf", &paper).map_err(|error| fault(&error))?;
    for (name, file) in files {
        bundle.copy(&name, file).map_err(|error| fault(&error))?;
    }
    bundle.finish().map_err(|error| fault(&error))
}
