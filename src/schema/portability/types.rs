//! What imports and exports are made of.

use async_graphql::SimpleObject;

use crate::{
    domain::portability::import::{self, preview},
    schema::{background::types::BackgroundJob, error::UserError, patients::types::Patient},
};

/// Answer of `importPatients`.
#[derive(SimpleObject)]
pub struct ImportPatientsPayload {
    /// The import, which goes on in the background.
    pub job: Option<BackgroundJob>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `exportPatientData`.
#[derive(SimpleObject)]
pub struct ExportPatientDataPayload {
    /// The export, which goes on in the background.
    pub job: Option<BackgroundJob>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// Answer of `anonymisePatient`.
#[derive(SimpleObject)]
pub struct AnonymisePatientPayload {
    /// The patient, who is nobody now.
    pub patient: Option<Patient>,
    /// Why it did not happen; empty: it did.
    pub user_errors: Vec<UserError>,
}

/// What an import would make of a file.
#[derive(SimpleObject)]
pub struct ImportPreview {
    /// The columns of the file, in their order.
    pub columns: Vec<ImportColumn>,
    /// Its first rows, at most 100.
    pub rows: Vec<ImportRow>,
}

/// A column of a file.
#[derive(SimpleObject)]
pub struct ImportColumn {
    /// Its name in the file.
    pub name: String,
    /// What it is taken for, as in the mapping; null: nothing.
    pub target: Option<String>,
}

/// A row of a file.
#[derive(SimpleObject)]
pub struct ImportRow {
    /// As a spreadsheet counts it, from 1.
    pub number: i32,
    /// Its cells, in the order of the columns.
    pub cells: Vec<String>,
    /// What is wrong with it; empty: it would become a patient, or be skipped because the patient is known.
    pub problems: Vec<ImportProblem>,
}

/// What is wrong with a cell.
#[derive(SimpleObject)]
pub struct ImportProblem {
    /// The column's name in the file; null: it is about the row.
    pub column: Option<String>,
    /// What to write.
    pub message: String,
}

impl From<preview::Preview> for ImportPreview {
    fn from(preview: preview::Preview) -> Self {
        let preview::Preview { columns, rows } = preview;
        let column = |preview::PreviewColumn { name, target }| ImportColumn { name, target };
        Self {
            columns: columns.into_iter().map(column).collect(),
            rows: rows.into_iter().map(ImportRow::from).collect(),
        }
    }
}

impl From<preview::PreviewRow> for ImportRow {
    fn from(row: preview::PreviewRow) -> Self {
        let problem = |import::Problem { column, message }| ImportProblem { column, message };
        Self {
            number: i32::try_from(row.row.number).unwrap_or(i32::MAX),
            cells: row.row.cells,
            problems: row.problems.into_iter().map(problem).collect(),
        }
    }
}
