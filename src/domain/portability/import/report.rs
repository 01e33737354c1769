//! The rows that did not come in, as a spreadsheet: their own columns and what is wrong with each, to be corrected and
//! imported again.

use std::{collections::BTreeMap, fs::File, ops::ControlFlow};

use sea_orm::FromQueryResult;
use serde_json::Value;
use uuid::Uuid;

use super::{source::refused, start::JobInput};
use crate::{
    auth::Actor,
    domain::{
        background::Job,
        cx::Cx,
        files::deposit::{self, Made},
        refusal::Failure,
    },
    sheets::{self, Bounds, Row, SheetWriter, Sink},
};

/// Name of the column that says what is wrong. An import takes no notice of it.
const COLUMN: &str = "Error";

/// Most of what is said of one row, in units of UTF-16. The format takes 32 767, and an import, which a corrected report
/// becomes, 10 000 characters.
const CELL: usize = 8_000;

#[derive(FromQueryResult)]
struct Wrong {
    row_no: i32,
    problems: Value,
}

/// Makes the report and keeps it for who asked for the import. None: nobody could fetch it.
pub(super) async fn make(
    cx: &Cx,
    actor: &Actor,
    job: &Job,
    file: File,
    input: &JobInput,
) -> Result<Option<Uuid>, Failure> {
    let Some(requested_by) = input.requested_by else { return Ok(None) };
    let tx = cx.read(actor).await?;
    let rows: Vec<Wrong> = tx
        .all("SELECT row_no, problems FROM import_problems WHERE job_id = $1 ORDER BY row_no", [job.id.into()])
        .await?;
    tx.commit().await?;
    let wrong: BTreeMap<u32, String> =
        rows.into_iter().map(|row| (u32::try_from(row.row_no).unwrap_or_default(), words(&row.problems))).collect();
    let layout = input.mapping.layout();
    let writing = tokio::task::spawn_blocking(move || {
        let mut report = Report { wrong, sheet: None, failed: None };
        sheets::read(&file, &layout, &Bounds::default(), &mut report).map_err(refused)?;
        report.written()
    });
    let file = writing.await.map_err(|_| Failure::fault("the report broke off"))??;
    let made = Made {
        requested_by,
        file_name: format!("errores-{}.xlsx", cx.now().format("%Y-%m-%d")),
        mime_type: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        file,
    };
    Ok(Some(deposit::run(cx, actor, made).await?.id))
}

/// `RUT: the check digit is wrong; Correo: write a mail address`
fn words(problems: &Value) -> String {
    let one = |problem: &Value| {
        let message = problem["message"].as_str().unwrap_or_default();
        match problem["column"].as_str() {
            Some(column) => format!("{column}: {message}"),
            None => message.to_owned(),
        }
    };
    let all = problems.as_array().map(|all| all.iter().map(one).collect::<Vec<_>>().join("; "));
    cut(all.unwrap_or_default())
}

/// As much of it as a cell takes, by whole letters.
fn cut(text: String) -> String {
    let mut units = 0;
    for (at, letter) in text.char_indices() {
        units += letter.len_utf16();
        if units > CELL {
            return format!("{}…", text.get(..at).unwrap_or_default());
        }
    }
    text
}

struct Report {
    wrong: BTreeMap<u32, String>,
    sheet: Option<SheetWriter>,
    /// Where in the file the column of a report of before is: it gets the new errors.
    failed: Option<usize>,
}

impl Report {
    fn put(&mut self, mut cells: Vec<String>, error: &str) -> ControlFlow<()> {
        match self.failed.and_then(|at| cells.get_mut(at)) {
            Some(cell) => error.clone_into(cell),
            None => cells.push(error.to_owned()),
        }
        let written = self.sheet.as_mut().map(|sheet| sheet.row(cells.iter().map(String::as_str)));
        if matches!(written, Some(Ok(()))) {
            return ControlFlow::Continue(());
        }
        self.sheet = None;
        ControlFlow::Break(())
    }

    fn written(self) -> Result<File, Failure> {
        let fault = |what: String| Failure::fault(format!("the report cannot be written: {what}"));
        let sheet = self.sheet.ok_or_else(|| fault("a row".to_owned()))?;
        let file = tempfile::tempfile().map_err(|error| fault(error.to_string()))?;
        sheet.finish(&file).map_err(|error| fault(error.to_string()))?;
        Ok(file)
    }
}

impl Sink for Report {
    fn header(&mut self, mut header: Vec<String>) -> ControlFlow<()> {
        self.failed = header.iter().position(|name| name == COLUMN);
        if self.failed.is_none() {
            header.push(COLUMN.to_owned());
        }
        self.sheet = SheetWriter::begin("Pacientes", header.iter().map(String::as_str)).ok();
        if self.sheet.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        match self.wrong.remove(&row.number) {
            Some(error) => self.put(row.cells, &error),
            None => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said_of_a_row_fits_into_its_cell() {
        let few =
            json!([{"column": "RUT", "message": "the check digit is wrong"}, {"column": null, "message": "known"}]);
        assert_eq!(words(&few), "RUT: the check digit is wrong; known");

        let one = json!({"column": "🦷".repeat(200), "message": "write a mail address, like ana@example.com"});
        let said = words(&json!(vec![one; 200]));
        let units = said.encode_utf16().count();
        assert!(said.ends_with('…') && (CELL..=CELL + 1).contains(&units), "{units}");
        let mut sheet = SheetWriter::begin("Pacientes", ["Nombre", COLUMN]).unwrap();
        sheet.row(["Rosa", said.as_str()]).unwrap();
        let written = tempfile::tempfile().unwrap();
        sheet.finish(&written).unwrap();

        // Of a letter of two units that begins at the last one nothing is left.
        let odd = format!("x{}", "🦷".repeat(CELL));
        assert_eq!(cut(odd).encode_utf16().count(), CELL);
        assert_eq!(cut("x".repeat(CELL)).len(), CELL);
    }
}
