//! The file of an import, and what of the centre decides how it is read.

use std::fs::File;

use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{header::fold, judge::Judge};
use crate::{
    auth::Actor,
    domain::{
        centre::query,
        cx::Cx,
        files::{self, Owner},
        patients::fields,
        refusal::{Code, Failure, Refusal},
    },
    files::{FilesError, ObjectName},
};

/// What can be a spreadsheet.
const TYPES: [&str; 4] = [
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "text/csv",
    "text/plain",
    "text/tab-separated-values",
];

/// What the centre knows.
pub(super) struct Knowledge {
    /// Its country.
    pub(super) country: String,
    /// What rows are judged by.
    pub(super) judge: Judge,
}

impl Knowledge {
    /// Keys and labels of the centre's own fields.
    pub(super) fn names(&self) -> Vec<(String, String)> {
        self.judge.fields.iter().map(|field| (field.key.clone(), field.label.clone())).collect()
    }
}

#[derive(FromQueryResult)]
struct Category {
    id: Uuid,
    name: String,
}

/// Reads it. Fields that the caller does not see are none.
pub(super) async fn centre(cx: &Cx, actor: &Actor) -> Result<Knowledge, Failure> {
    let tx = cx.read(actor).await?;
    let country = query::profile(&tx).await?.country;
    let fields = fields::seen(&fields::active(&tx).await?, actor);
    let categories: Vec<Category> = tx.all("SELECT id, name FROM patient_categories", []).await?;
    tx.commit().await?;
    let categories = categories.into_iter().map(|category| (fold(&category.name), category.id)).collect();
    Ok(Knowledge { country, judge: Judge { fields, categories } })
}

/// Opens a file that the caller has brought for an import.
///
/// # Errors
/// NOT_FOUND at `attachmentId`; INVALID there, when it is part of a patient's record or no spreadsheet; faults.
pub(super) async fn open(cx: &Cx, actor: &Actor, id: Uuid) -> Result<File, Failure> {
    let (found, file) = files::query::open(cx, actor, id).await?.ok_or_else(|| Refusal::not_found("attachmentId"))?;
    let refuse = |message: &str| Err(Refusal::invalid("attachmentId", message).into());
    if found.owner() != Owner::Centre {
        return refuse("this file belongs to a patient; upload the list of patients with the centre as its owner");
    }
    if !TYPES.contains(&found.mime_type.as_str()) {
        return refuse("this is no spreadsheet: give an .xlsx file, or a .csv file");
    }
    Ok(file)
}

/// Opens it again for the job: whether its sender might, was asked when the job was put in.
///
/// # Errors
/// NOT_FOUND when it is not kept any more; faults of the store.
pub(super) async fn again(cx: &Cx, actor: &Actor, id: Uuid) -> Result<File, Failure> {
    match cx.files.local(ObjectName::whole(actor.tenant.id.0, id)).await {
        Ok(file) => Ok(file),
        Err(FilesError::Missing) => {
            let message = "the file is not kept any more; upload it again";
            Err(Refusal::new(Code::NotFound, message).at("attachmentId").into())
        }
        Err(error) => Err(error.into()),
    }
}
