//! The end of what is known of somebody: names, contacts, documents, words, files and the record go, and cannot come
//! back. Appointments and what was paid stay, under a patient who is nobody.

mod traces;

use chrono::NaiveDate;
use sea_orm::FromQueryResult;
use uuid::Uuid;

pub use traces::{TRACES, Trace};

use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        centre,
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        patients::{model::Patient, query},
        refusal::{Failure, Refusal},
        time,
    },
};

/// Longest reason.
const MAX_REASON: usize = 500;

#[derive(FromQueryResult)]
struct Row {
    status: String,
    anonymised: bool,
}

/// Anonymises a patient, with everybody who was merged into it. Done again it changes nothing.
///
/// # Errors
/// FORBIDDEN without PATIENT_READ, PATIENT_MERGE and RECORD_SIGN in the whole centre; NOT_FOUND at `patientId`; INVALID there while
/// the record has to be kept, or something is booked; at `reason`; faults.
pub async fn run(cx: &Cx, actor: &Actor, patient: Uuid, reason: &str) -> Result<Patient, Failure> {
    actor.require(Permission::PatientMerge, Scope::Centre)?;
    actor.require(Permission::PatientRead, Scope::Centre)?;
    actor.require(Permission::RecordSign, Scope::Centre)?;
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Refusal::required("reason", "say why, without naming anybody: it stays in the audit trail").into());
    }
    if reason.chars().count() > MAX_REASON || reason.chars().any(char::is_control) {
        let message = format!("at most {MAX_REASON} characters on one line");
        return Err(Refusal::invalid("reason", message).into());
    }
    let (patient, files) = cx.retrying(|| attempt(cx, actor, patient, reason)).await?;
    // Their rows are gone; what a crash leaves of the bytes here, the sweep of the store finds.
    if let Err(error) = cx.files.remove(actor.tenant.id.0, &files).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "Files of a patient who was anonymised are left to the sweep"
        );
    }
    Ok(patient)
}

async fn attempt(cx: &Cx, actor: &Actor, patient: Uuid, reason: &str) -> Result<(Patient, Vec<Uuid>), Failure> {
    let tx = cx.write(actor).await?;
    let row: Option<Row> = tx
        .find(
            "SELECT status, anonymised_at IS NOT NULL AS anonymised FROM patients WHERE id = $1 FOR UPDATE",
            [patient.into()],
        )
        .await?;
    let row = row.ok_or_else(|| Refusal::not_found("patientId"))?;
    let before = seen(&tx, actor, patient).await?;
    if row.anonymised {
        tx.commit().await?;
        return Ok((before, Vec::new()));
    }
    if row.status == "MERGED" {
        let message = "this patient is another one now, and goes with that one";
        return Err(Refusal::invalid("patientId", message).into());
    }
    let same: Vec<Uuid> = tx
        .scalars("SELECT id FROM patients WHERE id = $1 OR merged_into = $1 ORDER BY id FOR UPDATE", [patient.into()])
        .await?;
    refuse_while_booked(cx, &tx, &same).await?;
    refuse_while_kept(cx, &tx, &same).await?;
    let files: Vec<Uuid> = tx.scalars(traces::FILES, [same.clone().into()]).await?;
    let mut gone = 0_i64;
    for trace in TRACES {
        let rows = tx.run(trace.erase, [same.clone().into(), cx.now().into()]).await?;
        gone += i64::try_from(rows).unwrap_or(i64::MAX);
    }
    let change = Change {
        after: Some(facts!({ "rows": gone, "files": files.len() })),
        reason: Some(reason.to_owned()),
        ..Change::event("patient.anonymised", "anonymisePatient", "Patient", patient)
    };
    let after = seen(&tx, actor, patient).await?;
    cx.commit(tx, Changes::one(actor, change)).await?;
    Ok((after, files))
}

async fn seen(tx: &TenantTx, actor: &Actor, patient: Uuid) -> Result<Patient, Failure> {
    let found = query::visible(tx, actor, vec![patient]).await?.pop();
    found.ok_or_else(|| Refusal::not_found("patientId").into())
}

/// Somebody who is expected is somebody.
async fn refuse_while_booked(cx: &Cx, tx: &TenantTx, same: &[Uuid]) -> Result<(), Failure> {
    let booked: Option<bool> = tx
        .scalar(
            "SELECT true FROM appointments WHERE patient_id = ANY ($1) AND end_at > $2
                 AND status NOT IN ('CANCELLED', 'EXPIRED', 'REJECTED', 'NO_SHOW', 'COMPLETED') LIMIT 1",
            [same.to_vec().into(), cx.now().into()],
        )
        .await?;
    if booked.is_none() {
        return Ok(());
    }
    Err(Refusal::invalid("patientId", "the patient has appointments ahead; cancel them first").into())
}

/// The record is kept as long as the country's law says.
async fn refuse_while_kept(cx: &Cx, tx: &TenantTx, same: &[Uuid]) -> Result<(), Failure> {
    let profile = centre::query::profile(tx).await?;
    let today = time::day_of(profile.default_zone, cx.now());
    let until: Option<Option<NaiveDate>> = tx.scalar("SELECT record_kept_until($1)", [same.to_vec().into()]).await?;
    match until.flatten().filter(|until| *until >= today) {
        None => Ok(()),
        Some(until) => {
            let message = format!("the clinical record has to be kept until {until}; anonymise the patient after that");
            Err(Refusal::invalid("patientId", message).into())
        }
    }
}
