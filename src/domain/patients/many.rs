//! Many new patients at once, by the rules of [`super::create`]: for imports, which take a constant number of statements
//! for any number of rows.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{
    facts,
    input::{Draft, PatientInput, Rules},
    values,
};
use crate::{
    db::TenantTx,
    domain::{
        centre::check::Check,
        change::{Change, Changes},
        cx::Cx,
        fields::{FieldDefinition, Values},
        refusal::{Failure, Refusal},
    },
};

/// A patient that can be put in.
#[derive(Clone, Debug)]
pub struct Ready(Draft);

/// What makes two patients one.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "they are the fields of `PatientInput`")]
pub struct Identity<'a> {
    pub file_number: Option<&'a str>,
    pub kind: Option<&'a str>,
    pub number: Option<&'a str>,
    pub country: Option<&'a str>,
    pub email: Option<&'a str>,
    pub given_names: &'a str,
    pub paternal_surname: Option<&'a str>,
}

impl Ready {
    /// Judges an input by the rules for new patients. What it refers to, the caller has found.
    ///
    /// # Errors
    /// Everything that does not fit, each at its place.
    pub fn read(
        input: PatientInput,
        country: &str,
        fields: &[FieldDefinition],
        now: DateTime<Utc>,
    ) -> Result<Self, Vec<Refusal>> {
        // Files cannot come out of a spreadsheet.
        let rules = Rules { now, country, fields, attachment: &|_| None, is_new: true, source: "IMPORT" };
        let mut check = Check::default();
        let (draft, _) = Draft::new().apply(&mut check, input, &rules);
        match check.done() {
            Ok(()) => Ok(Self(draft)),
            Err(Failure::Refused(refusals)) => Err(refusals),
            Err(Failure::Fault(fault)) => Err(vec![Refusal::invalid("", fault.to_string())]),
        }
    }

    /// What makes it one with another.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        let Self(draft) = self;
        Identity {
            file_number: draft.file_number.as_deref(),
            kind: draft.document.as_ref().map(|document| document.kind.as_str()),
            number: draft.document.as_ref().map(|document| document.number.as_str()),
            country: draft.document.as_ref().map(|document| document.country.as_str()),
            email: draft.email.as_deref(),
            given_names: &draft.given_names,
            paternal_surname: draft.paternal_surname.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    id: Uuid,
    file_number: Option<&'a str>,
    given_names: &'a str,
    paternal_surname: Option<&'a str>,
    maternal_surname: Option<&'a str>,
    document_kind: Option<&'a str>,
    document_number: Option<&'a str>,
    document_country: Option<&'a str>,
    is_foreign: bool,
    email: Option<&'a str>,
    phones: &'a [String],
    sex: &'a str,
    birth_date: Option<NaiveDate>,
    status: &'a str,
    category_id: Option<Uuid>,
    referral_source: Option<&'a str>,
    comments: &'a [String],
    custom_values: &'a Values,
    marketing_granted: bool,
    marketing_at: Option<DateTime<Utc>>,
    marketing_source: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(id: Uuid, Ready(draft): &'a Ready) -> Self {
        let document = draft.document.as_ref();
        Self {
            id,
            file_number: draft.file_number.as_deref(),
            given_names: &draft.given_names,
            paternal_surname: draft.paternal_surname.as_deref(),
            maternal_surname: draft.maternal_surname.as_deref(),
            document_kind: document.map(|document| document.kind.as_str()),
            document_number: document.map(|document| document.number.as_str()),
            document_country: document.map(|document| document.country.as_str()),
            is_foreign: draft.is_foreign,
            email: draft.email.as_deref(),
            phones: &draft.phones,
            sex: &draft.sex,
            birth_date: draft.birth_date,
            status: &draft.status,
            category_id: draft.category,
            referral_source: draft.referral_source.as_deref(),
            comments: &draft.comments,
            custom_values: &draft.custom,
            marketing_granted: draft.marketing.granted,
            marketing_at: draft.marketing.at,
            marketing_source: draft.marketing.source.as_deref(),
        }
    }
}

/// Puts them in with one statement, and what is sensitive of them with another. Their ids, in order; none: somebody with the same document came in between.
///
/// # Errors
/// Faults of the database.
pub async fn insert_all(
    cx: &Cx,
    tx: &TenantTx,
    all: &[&Ready],
    action: &'static str,
    changes: &mut Changes,
) -> Result<Vec<Option<Uuid>>, Failure> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<Row<'_>> = all.iter().map(|ready| Row::of(cx.new_id(), ready)).collect();
    let written = serde_json::to_value(&rows).map_err(|error| Failure::fault(error.to_string()))?;
    let created: Vec<Uuid> = tx
        .scalars(
            "INSERT INTO patients (id, file_number, given_names, paternal_surname, maternal_surname, document_kind, document_number,
                 document_country, is_foreign, email, phones, sex, birth_date, status, category_id, referral_source, comments,
                 custom_values, marketing_granted, marketing_at, marketing_source, created_at, updated_at)
             SELECT n.*, $2, $2
             FROM jsonb_to_recordset($1) AS n (id uuid, file_number text, given_names text, paternal_surname text,
                 maternal_surname text, document_kind text, document_number text, document_country text, is_foreign boolean,
                 email text, phones text[], sex text, birth_date date, status text, category_id uuid, referral_source text,
                 comments text[], custom_values jsonb, marketing_granted boolean, marketing_at timestamptz, marketing_source text)
             ON CONFLICT DO NOTHING RETURNING id",
            [written.into(), cx.now().into()],
        )
        .await?;
    let created: std::collections::HashSet<Uuid> = created.into_iter().collect();
    let ids: Vec<Option<Uuid>> = rows.iter().map(|row| created.contains(&row.id).then_some(row.id)).collect();
    let placed = || all.iter().zip(&ids).filter_map(|(ready, id)| Some((ready, (*id)?)));
    let sealed: Vec<(Uuid, &Values)> = placed().map(|(Ready(draft), id)| (id, &draft.sealed)).collect();
    values::put(cx, tx, &sealed).await?;
    for (ready, id) in placed() {
        let change = Change::event("patient.created", action, "Patient", id);
        changes.push(Change { after: Some(facts::patient(&ready.0)), ..change });
    }
    Ok(ids)
}
