//! What both kinds of files have in common.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::ControlFlow,
};

use super::{separated, xlsx};

/// What a file may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of an XLSX file when it is unpacked, all parts together.
    pub unpacked_bytes: u64,
    /// Bytes of the part that keeps the texts of an XLSX file: it is held in memory.
    pub text_bytes: u64,
    /// Rows below the header.
    pub rows: u32,
    /// Columns.
    pub columns: usize,
    /// Characters of one cell.
    pub cell_chars: usize,
    /// Bytes of all cells of one row: one text of an XLSX file can be in all of them and takes no room there.
    pub row_bytes: usize,
    /// Characters of a column's name.
    pub name_chars: usize,
}

impl Default for Bounds {
    /// A hundred thousand rows of a centre's patients, with long comments.
    fn default() -> Self {
        Self {
            unpacked_bytes: 512 << 20,
            text_bytes: 48 << 20,
            rows: 100_000,
            columns: 200,
            cell_chars: 10_000,
            row_bytes: 64 << 10,
            name_chars: 200,
        }
    }
}

/// Which kind of file it is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Office Open XML.
    Xlsx,
    /// Text with separators.
    Csv,
}

/// Where in the file the table is.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Which sheet; none: the first. Of no meaning in a text file.
    pub sheet: Option<String>,
    /// In which row the columns are named, from 1.
    pub header_row: u32,
}

/// A row with something in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// As a spreadsheet counts it, from 1.
    pub number: u32,
    /// Its cells, as many as the header has, without blanks around them.
    pub cells: Vec<String>,
}

/// Takes what is read. `Break` ends the reading.
pub trait Sink {
    /// The names of the columns, before any row.
    fn header(&mut self, header: Vec<String>) -> ControlFlow<()>;
    /// A row.
    fn row(&mut self, row: Row) -> ControlFlow<()>;
}

/// Why a file cannot be read, in words for who sent it.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// Neither kind.
    #[error("this is no spreadsheet: give an .xlsx file, or a .csv file")]
    NotASheet,
    /// The format of before 2007.
    #[error("this is a spreadsheet of the old kind, or one with a password: save it as .xlsx without a password")]
    OldOrLocked,
    /// Cannot be read.
    #[error("the file is damaged ({0}): open it in your spreadsheet program and save it again as .xlsx")]
    Damaged(String),
    /// There are others.
    #[error("there is no sheet `{wanted}`; there is: {}", .there.join(", "))]
    NoSuchSheet {
        /// Asked for.
        wanted: String,
        /// In the file.
        there: Vec<String>,
    },
    /// Nothing in the header's row.
    #[error("row {0} has no names of columns")]
    NoHeader(u32),
    /// A NUL in this row, which no text has and the database does not keep.
    #[error("row {0} has a cell with a character that no text has (NUL); write the cell anew")]
    Nul(u32),
    /// More than its bounds allow.
    #[error("the file is too large: {0}")]
    TooLarge(String),
    /// The disk.
    #[error("the file could not be read")]
    Io(#[from] std::io::Error),
}

impl Format {
    /// Looks at the first bytes.
    ///
    /// # Errors
    /// When it is neither kind.
    pub fn of(file: &File) -> Result<Self, SheetError> {
        let mut start = Vec::new();
        from_start(file)?.take(8).read_to_end(&mut start)?;
        match start.as_slice() {
            [b'P', b'K', 3, 4, ..] => Ok(Self::Xlsx),
            [0xD0, 0xCF, 0x11, 0xE0, ..] => Err(SheetError::OldOrLocked),
            _ => Ok(Self::Csv),
        }
    }
}

/// Reads a file from its header on, until its end or until the sink has enough.
///
/// # Errors
/// [`SheetError`]; rows that came before have been taken.
pub fn read(file: &File, layout: &Layout, bounds: &Bounds, sink: &mut dyn Sink) -> Result<(), SheetError> {
    let format = Format::of(file)?;
    let mut table = Table { layout, bounds, sink, columns: 0, rows: 0 };
    match format {
        Format::Xlsx => xlsx::read(file, &mut table)?,
        Format::Csv => separated::read(file, &mut table)?,
    }
    if table.columns == 0 {
        return Err(SheetError::NoHeader(layout.header_row));
    }
    Ok(())
}

/// The same file at its beginning. All of them share one position: use one after the other.
pub(super) fn from_start(file: &File) -> std::io::Result<File> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// Cuts raw rows to the table and keeps the bounds.
pub(super) struct Table<'a> {
    pub(super) layout: &'a Layout,
    pub(super) bounds: &'a Bounds,
    sink: &'a mut dyn Sink,
    columns: usize,
    rows: u32,
}

impl Table<'_> {
    /// Takes the next row of the file.
    pub(super) fn take(&mut self, number: u32, mut cells: Vec<String>) -> Result<ControlFlow<()>, SheetError> {
        if number < self.layout.header_row {
            return Ok(ControlFlow::Continue(()));
        }
        let mut bytes = 0;
        for cell in &mut cells {
            bytes += cell.len();
            if cell.chars().count() > self.bounds.cell_chars {
                let most = self.bounds.cell_chars;
                return Err(SheetError::TooLarge(format!("row {number} has a cell of more than {most} characters")));
            }
            if bytes > self.bounds.row_bytes {
                return Err(self.too_much_text(number));
            }
            if cell.contains('\0') {
                return Err(SheetError::Nul(number));
            }
            let trimmed = cell.trim_matches(is_blank);
            if trimmed.len() != cell.len() {
                *cell = trimmed.to_owned();
            }
        }
        while cells.last().is_some_and(String::is_empty) {
            cells.pop();
        }
        if cells.len() > self.bounds.columns {
            let most = self.bounds.columns;
            return Err(SheetError::TooLarge(format!("row {number} has more than {most} columns")));
        }
        if self.columns == 0 {
            if number > self.layout.header_row || cells.is_empty() {
                return Err(SheetError::NoHeader(self.layout.header_row));
            }
            let most = self.bounds.name_chars;
            if cells.iter().any(|name| name.chars().count() > most) {
                let message = format!("row {number} has a column's name of more than {most} characters");
                return Err(SheetError::TooLarge(message));
            }
            self.columns = cells.len();
            return Ok(self.sink.header(cells));
        }
        if cells.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        self.rows += 1;
        if self.rows > self.bounds.rows {
            let most = self.bounds.rows;
            return Err(SheetError::TooLarge(format!("it has more than {most} rows; split it")));
        }
        // What stands beyond the named columns belongs to none.
        cells.resize(self.columns, String::new());
        Ok(self.sink.row(Row { number, cells }))
    }

    /// Of a row with more text than people write into one.
    pub(super) fn too_much_text(&self, number: u32) -> SheetError {
        let most = self.bounds.row_bytes / 1024;
        SheetError::TooLarge(format!("row {number} has more than {most} KiB of text"))
    }
}

/// Blanks as spreadsheets have them: the no-break space and the byte order mark are no white space to the standard.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\u{a0}' | '\u{feff}' | '\u{200b}')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use std::io::Write;

    use super::*;
    use crate::sheets::SheetWriter;

    #[derive(Default)]
    struct All {
        header: Vec<String>,
        rows: Vec<Row>,
    }

    impl Sink for All {
        fn header(&mut self, header: Vec<String>) -> ControlFlow<()> {
            self.header = header;
            ControlFlow::Continue(())
        }

        fn row(&mut self, row: Row) -> ControlFlow<()> {
            self.rows.push(row);
            ControlFlow::Continue(())
        }
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn all(file: &File, header_row: u32, bounds: &Bounds) -> Result<All, SheetError> {
        let mut all = All::default();
        read(file, &Layout { sheet: None, header_row }, bounds, &mut all)?;
        Ok(all)
    }

    fn texts(bytes: &[u8]) -> Vec<Vec<String>> {
        let read = all(&file(bytes), 1, &Bounds::default()).unwrap();
        std::iter::once(read.header).chain(read.rows.into_iter().map(|row| row.cells)).collect()
    }

    #[test]
    fn a_text_is_read_in_whatever_encoding_it_came() {
        let text = "Nombre;Año\r\nÍñigo Muñoz;1985\r\n\"Pérez; Ana\";\"1\n2\"\r\n";
        let expected = [["Nombre", "Año"], ["Íñigo Muñoz", "1985"], ["Pérez; Ana", "1\n2"]];
        let utf16 = |bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let (western, _, _) = encoding_rs::WINDOWS_1252.encode(text);
        for (what, bytes) in [
            ("UTF-8", text.as_bytes().to_vec()),
            ("UTF-8 with a mark", [b"\xEF\xBB\xBF", text.as_bytes()].concat()),
            ("Windows-1252", western.into_owned()),
            ("UTF-16 with a mark", [&[0xFF, 0xFE][..], &utf16(u16::to_le_bytes)].concat()),
            ("UTF-16, big, with a mark", [&[0xFE, 0xFF][..], &utf16(u16::to_be_bytes)].concat()),
            ("UTF-16 without a mark", utf16(u16::to_le_bytes)),
        ] {
            assert_eq!(texts(&bytes), expected, "{what}");
        }
    }

    #[test]
    fn a_long_text_is_decoded_whole_wherever_its_pieces_end() {
        let line = "Ñandú,Güemes,ó\n";
        for shift in 0..3 {
            let text = format!("{}a,b,c\n{}", "x\n".repeat(shift), line.repeat(5_000));
            let (western, _, _) = encoding_rs::WINDOWS_1252.encode(&text);
            for bytes in [text.as_bytes(), &western] {
                let read = all(&file(bytes), u32::try_from(shift).unwrap() + 1, &Bounds::default()).unwrap();
                assert_eq!(read.rows.len(), 5_000);
                assert!(read.rows.iter().all(|row| row.cells == ["Ñandú", "Güemes", "ó"]));
            }
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_formulas_stay_texts() {
        let mut sheet = SheetWriter::begin("Errores", ["Nombre", "Nota", "Error"]).unwrap();
        sheet.row(["=HYPERLINK(\"http://x\")", "", "+cmd|' /C calc'!A0"]).unwrap();
        sheet.row(["", "", ""]).unwrap();
        sheet.row(["Íñigo", "@SUM(A1)", "-1"]).unwrap();
        let written = tempfile::tempfile().unwrap();
        sheet.finish(&written).unwrap();
        let read = all(&written, 1, &Bounds::default()).unwrap();
        assert_eq!(read.header, ["Nombre", "Nota", "Error"]);
        let rows: Vec<(u32, Vec<String>)> = read.rows.into_iter().map(|row| (row.number, row.cells)).collect();
        let text = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let expected =
            [(2, text(["=HYPERLINK(\"http://x\")", "", "+cmd|' /C calc'!A0"])), (4, text(["Íñigo", "@SUM(A1)", "-1"]))];
        assert_eq!(rows, expected);
    }

    #[test]
    fn rows_keep_their_numbers_and_bounds_are_kept() {
        let text = "lista de pacientes\n\nNombre,RUT,,\n\nRosa,1-9,,,fuera\n   ,\u{a0}\nAna\n";
        let read = all(&file(text.as_bytes()), 3, &Bounds::default()).unwrap();
        assert_eq!(read.header, ["Nombre", "RUT"]);
        let rows: Vec<_> = read.rows.iter().map(|row| (row.number, row.cells.clone())).collect();
        assert_eq!(rows, [(5, vec!["Rosa".to_owned(), "1-9".to_owned()]), (7, vec!["Ana".to_owned(), String::new()])]);

        let usual = Bounds::default();
        let too_large =
            |bounds: Bounds| matches!(all(&file(text.as_bytes()), 3, &bounds), Err(SheetError::TooLarge(_)));
        assert!(too_large(Bounds { rows: 1, ..usual }));
        assert!(too_large(Bounds { columns: 1, ..usual }));
        assert!(too_large(Bounds { cell_chars: 3, ..usual }));
        assert!(!too_large(Bounds { rows: 2, columns: 5, cell_chars: 18, ..usual }));
    }

    #[test]
    fn what_is_no_table_is_refused_with_words_that_help() {
        let refused = |bytes: &[u8]| match all(&file(bytes), 1, &Bounds::default()) {
            Ok(_) => panic!("taken"),
            Err(error) => error.to_string(),
        };
        assert!(refused(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1old").contains("old kind"));
        assert!(refused(b"").contains("no names of columns"));
        assert!(refused(b"\nRosa\n").contains("no names of columns"));
        assert!(refused(b"PK\x03\x04 is not enough").contains("damaged"));
    }

    /// A workbook whose cells share their texts, as programs write it.
    fn sharing(rows: &[Vec<&str>]) -> File {
        let mut book = rust_xlsxwriter::Workbook::new();
        let page = book.add_worksheet();
        for (row, cells) in (0_u32..).zip(rows) {
            for (column, cell) in (0_u16..).zip(cells) {
                page.write_string(row, column, *cell).unwrap();
            }
        }
        let written = tempfile::tempfile().unwrap();
        book.save_to_writer(&written).unwrap();
        written
    }

    /// Nothing: it is taken.
    fn refusal(file: &File) -> Option<String> {
        all(file, 1, &Bounds::default()).err().map(|error| error.to_string())
    }

    #[test]
    fn a_row_is_bounded_also_where_its_cells_share_one_text() {
        let long = "x".repeat(10_000);
        for (count, expected) in [(6, None), (7, Some("row 2 has more than 64 KiB of text"))] {
            let (names, cells) = (vec!["Nota"; count], vec![long.as_str(); count]);
            let text = format!("{}\n{}\n", names.join(";"), cells.join(";"));
            for written in [sharing(&[names, cells]), file(text.as_bytes())] {
                let refused = refusal(&written);
                assert_eq!(refused.is_some(), expected.is_some(), "{count} cells: {refused:?}");
                assert!(expected.is_none_or(|said| refused.is_some_and(|words| words.contains(said))), "{count} cells");
            }
        }
        // While it is read, before anybody asks for the row: this one is above the names.
        let above = sharing(&[vec![long.as_str(); 200], vec!["Nombre"], vec!["Rosa"]]);
        let refused = all(&above, 2, &Bounds::default()).err().map(|error| error.to_string());
        assert!(refused.is_some_and(|words| words.contains("row 1 has more than 64 KiB")));
    }

    #[test]
    fn names_of_columns_are_short_and_no_cell_has_a_nul() {
        let (most, more) = ("ñ".repeat(200), "ñ".repeat(201));
        for (name, taken) in [(&most, true), (&more, false)] {
            for written in [sharing(&[vec![name.as_str()], vec!["Rosa"]]), file(format!("{name}\nRosa\n").as_bytes())] {
                let refused = refusal(&written);
                let too_long = refused.as_ref().is_some_and(|words| words.contains("name of more than 200 characters"));
                assert_eq!((refused.is_none(), too_long), (taken, !taken), "{refused:?}");
            }
        }
        // Of the cell `_x0000_` a NUL comes out.
        for rows in [[vec!["No\0mbre"], vec!["Rosa"]], [vec!["Nombre"], vec!["Ro\0sa"]]] {
            assert!(refusal(&sharing(&rows)).is_some_and(|words| words.contains("NUL")), "{rows:?}");
        }
    }

    /// A workbook of parts with these texts.
    fn workbook(parts: &[(&str, Vec<u8>)]) -> File {
        let mut archive = zip::ZipWriter::new(tempfile::tempfile().unwrap());
        for (name, bytes) in parts {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap()
    }

    #[test]
    fn bombs_are_refused_before_they_are_unpacked_into_memory() {
        let bounds = Bounds { unpacked_bytes: 4 << 20, text_bytes: 1 << 20, ..Bounds::default() };
        let refused = |parts: &[(&str, Vec<u8>)]| match all(&workbook(parts), 1, &bounds) {
            Ok(_) => panic!("taken"),
            Err(error) => error.to_string(),
        };
        let zeros = vec![b' '; 8 << 20];
        assert!(refused(&[("xl/worksheets/sheet1.xml", zeros.clone())]).contains("too large"));
        assert!(refused(&[("xl/sharedStrings.xml", vec![b' '; 2 << 20])]).contains("too large"));
        let says = b"<sst uniqueCount=\"99999999999\"></sst>".to_vec();
        assert!(refused(&[("xl/sharedStrings.xml", says.clone())]).contains("millions"));
        // Across the pieces that it is looked at in, too.
        let far = [vec![b' '; 65_530], says].concat();
        assert!(refused(&[("xl/sharedStrings.xml", far)]).contains("millions"));
        let hidden: Vec<u8> = "<sst uniqueCount=\"99999999999\"/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(refused(&[("xl/sharedStrings.xml", hidden)]).contains("UTF-8"));
    }
}
