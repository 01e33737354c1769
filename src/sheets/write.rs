//! XLSX files, a row at a time.

use std::fs::File;

use rust_xlsxwriter::{Format, Workbook, XlsxError};

/// Writes one sheet, row after row, and keeps none of them in memory. Every cell is a text and marked as one, so that no
/// program takes it for a formula, not even after somebody has edited it.
pub struct SheetWriter {
    book: Workbook,
    text: Format,
    row: u32,
}

impl SheetWriter {
    /// Begins with this header. Rows lie in a nameless temporary file until they are finished.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn begin<'a>(sheet: &str, header: impl IntoIterator<Item = &'a str>) -> Result<Self, XlsxError> {
        let mut book = Workbook::new();
        let page = book.add_worksheet_with_constant_memory();
        let page = page?.set_name(sheet)?;
        page.set_freeze_panes(1, 0)?;
        let bold = Format::new().set_bold().set_quote_prefix();
        for (column, name) in (0_u16..).zip(header) {
            page.write_string_with_format(0, column, name, &bold)?;
        }
        Ok(Self { book, text: Format::new().set_quote_prefix(), row: 1 })
    }

    /// One more row.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn row<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) -> Result<(), XlsxError> {
        let page = self.book.worksheet_from_index(0)?;
        for (column, cell) in (0_u16..).zip(cells) {
            if !cell.is_empty() {
                page.write_string_with_format(self.row, column, cell, &self.text)?;
            }
        }
        self.row += 1;
        Ok(())
    }

    /// Writes the file.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn finish(mut self, file: &File) -> Result<(), XlsxError> {
        self.book.save_to_writer(file)
    }
}
