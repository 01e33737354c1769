//! Text files with separators.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
};

use super::{
    read::{SheetError, Table},
    text,
};

/// What may stand between cells. Where the comma is for decimals, spreadsheets write semicolons.
const SEPARATORS: [u8; 4] = [b';', b',', b'\t', b'|'];

/// How much of the beginning is looked at to find the separator.
const LOOKED_AT: u64 = 64 * 1024;

pub(super) fn read(file: &File, table: &mut Table<'_>) -> Result<(), SheetError> {
    let mut start = String::new();
    text::open(file)?.take(LOOKED_AT).read_to_string_lossy(&mut start)?;
    if start.contains('\0') {
        return Err(SheetError::NotASheet);
    }
    let (separator, named) = separator(&start);
    let mut text = BufReader::new(text::open(file)?);
    let mut skipped = 0_u32;
    if named {
        // The line is for the program and not a row.
        let mut line = Vec::new();
        text.read_until(b'\n', &mut line)?;
        skipped = 1;
    }
    let text = Unblanked { text, quoted: false, in_line: false, ready: Vec::new(), given: 0 };
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).has_headers(false).flexible(true).from_reader(text);
    let mut record = csv::StringRecord::new();
    let mut number = skipped;
    while reader.read_record(&mut record).map_err(|error| damaged(&error))? {
        number += 1;
        if record.len() > table.bounds.columns * 4 {
            let most = table.bounds.columns;
            return Err(SheetError::TooLarge(format!("row {number} has more than {most} columns")));
        }
        let cells: Vec<String> = record.iter().map(str::to_owned).collect();
        if cells.iter().any(|cell| cell.contains('\0')) {
            return Err(SheetError::NotASheet);
        }
        if table.take(number, cells)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn damaged(error: &csv::Error) -> SheetError {
    SheetError::Damaged(match error.position() {
        Some(position) => format!("line {}", position.line()),
        None => "a line cannot be read".to_owned(),
    })
}

/// A text in which no line is empty: the library passes over empty lines, and a spreadsheet counts them as rows.
struct Unblanked<R> {
    text: R,
    quoted: bool,
    /// Whether the line has something in it.
    in_line: bool,
    ready: Vec<u8>,
    given: usize,
}

impl<R: Read> Read for Unblanked<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.given == self.ready.len() {
            let mut piece = [0; 8 * 1024];
            let read = self.text.read(&mut piece)?;
            self.ready.clear();
            self.given = 0;
            for byte in piece.iter().take(read).copied() {
                match byte {
                    b'"' => self.quoted = !self.quoted,
                    b'\n' if !self.quoted && !self.in_line => self.ready.push(b' '),
                    _ => {}
                }
                // A carriage return is part of the end of its line.
                self.in_line = self.quoted || (byte != b'\n' && (byte != b'\r' || self.in_line));
                self.ready.push(byte);
            }
        }
        let waiting = self.ready.get(self.given..).unwrap_or_default();
        let given = waiting.len().min(out.len());
        out.iter_mut().zip(waiting).for_each(|(to, from)| *to = *from);
        self.given += given;
        Ok(given)
    }
}

/// The separator, and whether the first line names it, as `sep=;`.
fn separator(start: &str) -> (u8, bool) {
    let first = start.lines().next().unwrap_or_default().trim();
    if let Some(named) = first.strip_prefix("sep=").and_then(|rest| rest.bytes().next()) {
        return (named, true);
    }
    // The one of which the first lines have most, outside of quotes.
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut quoted = false;
    let mut lines = 0;
    for byte in start.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => {
                lines += 1;
                if lines == 5 {
                    break;
                }
            }
            _ if !quoted => {
                for (count, separator) in counts.iter_mut().zip(SEPARATORS) {
                    *count += usize::from(byte == separator);
                }
            }
            _ => {}
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    let found = SEPARATORS.into_iter().zip(counts).find(|(_, count)| *count == most && most > 0);
    (found.map_or(b',', |(separator, _)| separator), false)
}

/// Reads what may be cut within a letter.
trait ReadLossy: Read + Sized {
    fn read_to_string_lossy(mut self, text: &mut String) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        text.push_str(&String::from_utf8_lossy(&bytes));
        Ok(())
    }
}

impl<R: Read> ReadLossy for R {}

#[cfg(test)]
mod tests {
    use super::separator;

    #[test]
    fn the_separator_is_the_one_the_first_lines_have_most_of() {
        for (start, expected) in [
            ("Nombre;RUT;Correo\nRosa;1-9;a,b@c\n", (b';', false)),
            ("Nombre,RUT\n\"Soto; Rosa; Ana\",1-9\n", (b',', false)),
            ("Nombre\tRUT\nRosa, Ana\t1-9\n", (b'\t', false)),
            ("Nombre\nRosa\n", (b',', false)),
            ("sep=|\nNombre|RUT\n", (b'|', true)),
            ("", (b',', false)),
        ] {
            assert_eq!(separator(start), expected, "{start:?}");
        }
    }
}
