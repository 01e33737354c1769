//! Merges two patients that are one person: everything of the one goes to the other, and its id leads there from then on.
//!
//! Both rows are locked in the order of their ids before anything is read, so of two merges that meet the second sees what
//! the first has done: nothing can be merged into what is merged itself, and so no row is lost and no circle closed.

use serde_json::json;
use uuid::Uuid;

use super::{
    create::rewrite,
    facts,
    input::{Draft, MAX_PHONES},
    model::{Consent, Patient},
    query,
    references::give_all,
    values,
};
use crate::{
    auth::{Actor, Permission, Scope},
    db::TenantTx,
    domain::{
        change::{Change, Changes},
        cx::Cx,
        facts::facts,
        idempotency::{Claim, Receipt},
        refusal::{Failure, Refusal},
    },
};

/// Merges `merge` into `keep`. Done already, it is done: the answer is the one that is kept.
///
/// # Errors
/// NOT_FOUND, INVALID for patients that were merged into others, a missing permission, faults.
pub async fn run(cx: &Cx, actor: &Actor, keep: Uuid, merge: Uuid, key: Uuid) -> Result<Patient, Failure> {
    actor.require(Permission::PatientMerge, Scope::Anywhere)?;
    if keep == merge {
        return Err(Refusal::invalid("mergeId", "a patient cannot be merged with itself").into());
    }
    cx.retrying(|| attempt(cx, actor, keep, merge, key)).await
}

async fn attempt(cx: &Cx, actor: &Actor, keep: Uuid, merge: Uuid, key: Uuid) -> Result<Patient, Failure> {
    let receipt = Receipt::new(actor, "mergePatients", key, &(keep, merge))?;
    let tx = cx.write(actor).await?;
    if let Claim::Done(_) = receipt.claim(&tx, cx.now()).await? {
        let id = query::kept(&tx, keep, "keepId").await?;
        let patient = query::written(&tx, id).await?;
        tx.commit().await?;
        return Ok(patient);
    }
    tx.run("SELECT 1 FROM patients WHERE id = ANY ($1) ORDER BY id FOR UPDATE", [vec![keep, merge].into()]).await?;
    let kept = query::lock(&tx, actor, Permission::PatientMerge, keep, "keepId").await?;
    let merged = query::lock(&tx, actor, Permission::PatientMerge, merge, "mergeId").await?;
    if merged.profile.merged_into == Some(keep) {
        receipt.keep(&tx, json!({ "patient": keep })).await?;
        tx.commit().await?;
        return Ok(kept);
    }
    for (patient, field) in [(&kept, "keepId"), (&merged, "mergeId")] {
        if patient.profile.merged_into.is_some() {
            let message = "this patient was merged into another meanwhile; take the one in mergedInto";
            return Err(Refusal::invalid(field, message).into());
        }
    }
    let after = write(cx, &tx, &kept, &merged).await?;
    receipt.keep(&tx, json!({ "patient": keep })).await?;
    let mut changes = Changes::by(actor);
    changes.push(Change {
        data: json!({ "mergedId": merge }),
        before: Some(facts::patient(&Draft::of(&kept)).with("version", kept.brief.version)),
        after: Some(facts::patient(&Draft::of(&after)).with("version", after.brief.version).with("mergedId", merge)),
        ..Change::event("patient.merged", "mergePatients", "Patient", keep)
    });
    changes.push(Change {
        before: Some(facts!({ "version": merged.brief.version })),
        after: Some(facts!({ "version": merged.brief.version + 1, "status": "MERGED", "mergedInto": keep })),
        ..Change::audited("mergePatients", "Patient", merge)
    });
    cx.commit(tx, changes).await?;
    Ok(after)
}

async fn write(cx: &Cx, tx: &TenantTx, kept: &Patient, merged: &Patient) -> Result<Patient, Failure> {
    let (mine, theirs) = (Draft::of(kept), Draft::of(merged));
    let moves_document = mine.document.is_none() && theirs.document.is_some();
    // First, because a document is one patient's.
    tx.run(
        "UPDATE patients SET status = 'MERGED', merged_into = $2, version = version + 1, updated_at = $3,
             document_kind = CASE WHEN $4 THEN NULL ELSE document_kind END,
             document_number = CASE WHEN $4 THEN NULL ELSE document_number END,
             document_country = CASE WHEN $4 THEN NULL ELSE document_country END
         WHERE id = $1",
        [merged.id.into(), kept.id.into(), cx.now().into(), moves_document.into()],
    )
    .await?;
    let mut sealed = values::opened(cx, tx, vec![kept.id, merged.id]).await?;
    let mine = Draft { sealed: sealed.remove(&kept.id).unwrap_or_default(), ..mine };
    let theirs = Draft { sealed: sealed.remove(&merged.id).unwrap_or_default(), ..theirs };
    let before = mine.sealed.clone();
    let after = filled(mine, theirs);
    rewrite(cx, tx, kept.id, &after).await?;
    values::write(cx, tx, kept.id, &before, &after.sealed).await?;
    give_all(tx, kept.id, merged.id, cx.now()).await?;
    query::written(tx, kept.id).await
}

/// The one with what only the other has. Nothing is written over, but for a no to marketing that was said later.
fn filled(mine: Draft, theirs: Draft) -> Draft {
    let Draft {
        file_number,
        given_names: _,
        paternal_surname,
        maternal_surname,
        document,
        is_foreign: _,
        email,
        phones,
        sex,
        birth_date,
        status: _,
        usual_professional,
        category,
        referral_source,
        rating,
        comments,
        custom,
        sealed,
        // They are rows of their own, and go over with the others.
        guardians: _,
        marketing,
    } = theirs;
    let mut all_phones = mine.phones;
    for phone in phones {
        if all_phones.len() < MAX_PHONES && !all_phones.contains(&phone) {
            all_phones.push(phone);
        }
    }
    let mut all_comments = mine.comments;
    for comment in comments {
        if !all_comments.contains(&comment) {
            all_comments.push(comment);
        }
    }
    let (mut open, mut secret) = (custom, sealed);
    open.extend(mine.custom);
    secret.extend(mine.sealed);
    Draft {
        file_number: mine.file_number.or(file_number),
        given_names: mine.given_names,
        paternal_surname: mine.paternal_surname.or(paternal_surname),
        maternal_surname: mine.maternal_surname.or(maternal_surname),
        document: mine.document.or(document),
        is_foreign: mine.is_foreign,
        email: mine.email.or(email),
        phones: all_phones,
        sex: if mine.sex == "UNKNOWN" { sex } else { mine.sex },
        birth_date: mine.birth_date.or(birth_date),
        status: mine.status,
        usual_professional: mine.usual_professional.or(usual_professional),
        category: mine.category.or(category),
        referral_source: mine.referral_source.or(referral_source),
        rating: mine.rating.or(rating),
        comments: all_comments,
        custom: open,
        sealed: secret,
        guardians: mine.guardians,
        marketing: later_no(mine.marketing, marketing),
    }
}

fn later_no(mine: Consent, theirs: Consent) -> Consent {
    let never_said = mine.at.is_none();
    let taken_back = theirs.at.is_some() && !theirs.granted && theirs.at > mine.at;
    if never_said || taken_back { theirs } else { mine }
}
