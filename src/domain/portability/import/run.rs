//! Runs an import: step by step, each in one transaction with how far the job is.

use uuid::Uuid;

use super::{
    cell::Reading,
    file, report,
    source::{self, Steps},
    start::JobInput,
    step::{self, Rules},
};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{
        background::{self, Running},
        change::Changes,
        cx::Cx,
        refusal::Failure,
    },
};

/// Runs the import of this job from where it is to its end. What cannot be done fails the job and not the run.
///
/// # Errors
/// Faults, after which the job can be run again.
pub async fn run(cx: &Cx, actor: &Actor, job: Uuid) -> Result<(), Failure> {
    actor.require(Permission::PatientWrite, Scope::Centre)?;
    let Some(running) = background::begin(cx, actor, job).await? else { return Ok(()) };
    match go_on(cx, actor, running).await {
        Err(Failure::Refused(refusals)) => {
            let why: Vec<String> = refusals.into_iter().map(|refusal| refusal.message).collect();
            background::fail(cx, actor, job, &why.join("; ")).await
        }
        done => done,
    }
}

async fn go_on(cx: &Cx, actor: &Actor, mut running: Running) -> Result<(), Failure> {
    let input: JobInput =
        serde_json::from_value(running.input.clone()).map_err(|error| Failure::fault(error.to_string()))?;
    let centre = file::centre(cx, &input.sender(actor)).await?;
    let opened = async || file::again(cx, actor, input.attachment).await;
    let header = source::begin(opened().await?, &input.mapping, 0).await?.header;
    let mapping = input.mapping.resolve(&header, &centre.names(), &centre.country)?;
    let survey = source::survey(opened().await?, &input.mapping, &mapping).await?;
    let total = i32::try_from(survey.rows).unwrap_or(i32::MAX);
    if running.job.total != Some(total) {
        let tx = cx.write(actor).await?;
        background::hold(&tx, &running).await?;
        let mut changes = Changes::by(actor);
        running.count(&tx, total, &mut changes).await?;
        cx.commit(tx, changes).await?;
    }
    let reading = Reading { m_is_female: survey.sex.m_is_female(), fields: centre.judge.fields.clone() };
    let rules = Rules { mapping: &mapping, reading: &reading, judge: &centre.judge };
    let done = u32::try_from(running.job.progress).unwrap_or_default();
    let mut steps = Steps::behind(opened().await?, &input.mapping, done);
    while let Some(rows) = steps.next().await? {
        running = cx.retrying(|| step::run(cx, actor, running.clone(), &rules, &rows)).await?;
    }
    let report = if running.job.error_count > 0 {
        report::make(cx, actor, &running.job, opened().await?, &input).await?
    } else {
        None
    };
    background::finish(cx, actor, &mut running, report).await
}
