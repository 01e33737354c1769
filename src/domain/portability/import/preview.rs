//! A look at a file before it is imported: what its columns would be, and what is wrong with its first rows.

use serde_json::Value;
use uuid::Uuid;

use super::{
    cell::{Problem, Reading, SexWords, type_row},
    file,
    mapping::{MappingInput, Target},
    source,
};
use crate::{
    auth::{Actor, Permission, Scope},
    domain::{cx::Cx, refusal::Failure},
    sheets::Row,
};

/// Rows that a preview looks at.
const ROWS: usize = 100;

/// What an import would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The columns of the file, in their order.
    pub columns: Vec<PreviewColumn>,
    /// The first rows.
    pub rows: Vec<PreviewRow>,
}

/// A column of the file.
#[derive(Clone, Debug)]
pub struct PreviewColumn {
    /// Its name.
    pub name: String,
    /// What it would be; none: nothing.
    pub target: Option<String>,
}

/// A row of the file.
#[derive(Clone, Debug)]
pub struct PreviewRow {
    /// As a spreadsheet counts it.
    pub row: Row,
    /// What is wrong with it; nothing: it would be a patient, or is one.
    pub problems: Vec<Problem>,
}

/// Looks at a file. Nothing is changed.
///
/// # Errors
/// FORBIDDEN; NOT_FOUND at `attachmentId`; INVALID at what of the file or of the mapping cannot be; faults.
pub async fn run(cx: &Cx, actor: &Actor, attachment: Uuid, mapping: Value) -> Result<Preview, Failure> {
    actor.require(Permission::PatientWrite, Scope::Centre)?;
    let input = MappingInput::parse(mapping)?;
    let opened = file::open(cx, actor, attachment).await?;
    let beginning = source::begin(opened, &input, ROWS).await?;
    let centre = file::centre(cx, actor).await?;
    let mapping = input.resolve(&beginning.header, &centre.names(), &centre.country)?;
    let target = |at: usize| {
        let column = mapping.columns.iter().find(|column| column.at == at);
        column.map(|column| column.target.word())
    };
    let columns = beginning.header.iter().enumerate();
    let columns = columns.map(|(at, name)| PreviewColumn { name: name.clone(), target: target(at) }).collect();
    let mut sex = SexWords::default();
    if let Some(column) = mapping.columns.iter().find(|column| column.target == Target::Sex) {
        beginning.rows.iter().filter_map(|row| row.cells.get(column.at)).for_each(|cell| sex.look(cell));
    }
    let reading = Reading { m_is_female: sex.m_is_female(), fields: centre.judge.fields.clone() };
    let judged = |row: Row| {
        let judged =
            type_row(&mapping, &reading, &row.cells).and_then(|typed| centre.judge.row(&typed, &mapping, cx.now()));
        PreviewRow { row, problems: judged.err().unwrap_or_default() }
    };
    Ok(Preview { columns, rows: beginning.rows.into_iter().map(judged).collect() })
}
