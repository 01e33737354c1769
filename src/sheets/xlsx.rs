//! Office Open XML.

use std::{
    fs::File,
    io::{BufReader, Read},
};

use calamine::{DataRef, Reader, SheetType, Xlsx, XlsxError};
use zip::ZipArchive;

use super::read::{Bounds, SheetError, Table, from_start};

/// Most parts of a file: a workbook with a hundred sheets, charts and pictures has fewer.
const PARTS: usize = 5_000;
/// Room for so many texts is made at once when a file says that it has them, so it must not say anything.
const TEXTS: u64 = 4_000_000;
/// Sheets that are told when another is wanted, and how much of their names: as long as the format has them.
const SHEETS: usize = 10;
const SHEET_NAME: usize = 31;
/// Columns of a sheet, in the format itself.
const LAST_COLUMN: u32 = 16_384;

pub(super) fn read(file: &File, table: &mut Table<'_>) -> Result<(), SheetError> {
    measure(file, table.bounds)?;
    let mut book: Xlsx<_> = Xlsx::new(BufReader::new(from_start(file)?)).map_err(damaged)?;
    let sheets: Vec<String> = book
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| sheet.name.clone())
        .collect();
    let wanted = match &table.layout.sheet {
        Some(wanted) => match sheets.iter().find(|name| name.trim().eq_ignore_ascii_case(wanted.trim())) {
            Some(name) => name.clone(),
            None => {
                let there = sheets.iter().take(SHEETS).map(|name| name.chars().take(SHEET_NAME).collect()).collect();
                return Err(SheetError::NoSuchSheet { wanted: wanted.clone(), there });
            }
        },
        None => sheets.first().cloned().ok_or_else(|| SheetError::Damaged("it has no sheets".to_owned()))?,
    };
    let mut cells = book.worksheet_cells_reader(&wanted).map_err(damaged)?;
    let (mut row, mut row_cells, mut row_bytes) = (0_u32, Vec::<String>::new(), 0_usize);
    while let Some(cell) = cells.next_cell().map_err(damaged)? {
        let (at, column) = cell.get_position();
        if at < row {
            return Err(SheetError::Damaged("its rows are not in order".to_owned()));
        }
        if at > row {
            let finished = std::mem::take(&mut row_cells);
            if table.take(row + 1, finished)?.is_break() {
                return Ok(());
            }
            (row, row_bytes) = (at, 0);
        }
        let text = text(cell.get_value());
        // Formats reach far beyond what is filled in.
        if text.is_empty() {
            continue;
        }
        // Here already: cells that share one long text would fill the memory before the row is whole.
        row_bytes += text.len();
        if row_bytes > table.bounds.row_bytes {
            return Err(table.too_much_text(at + 1));
        }
        let most = u32::try_from(table.bounds.columns).unwrap_or(LAST_COLUMN);
        if column >= most {
            return Err(SheetError::TooLarge(format!("row {} has more than {most} columns", at + 1)));
        }
        let place = usize::try_from(column).unwrap_or_default();
        if row_cells.len() <= place {
            row_cells.resize(place + 1, String::new());
        }
        if let Some(cell) = row_cells.get_mut(place) {
            *cell = text;
        }
    }
    let _ = table.take(row + 1, row_cells)?;
    Ok(())
}

/// A cell as people see it, as far as that does not depend on formats: dates as `2026-07-13`, numbers without an exponent.
/// Of a formula it is what it was worth when the file was saved; nothing is computed.
fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Empty => String::new(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(yes) => if *yes { "TRUE" } else { "FALSE" }.to_owned(),
        DataRef::DateTime(at) if at.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            let date = format!("{year:04}-{month:02}-{day:02}");
            if (hour, minute, second) == (0, 0, 0) { date } else { format!("{date}T{hour:02}:{minute:02}:{second:02}") }
        }
        DataRef::DateTime(at) => at.as_f64().to_string(),
        DataRef::Error(error) => error.to_string(),
    }
}

fn damaged(error: XlsxError) -> SheetError {
    match error {
        XlsxError::Io(error) => SheetError::Io(error),
        XlsxError::Password => SheetError::OldOrLocked,
        XlsxError::FileNotFound(_) | XlsxError::RelationshipNotFound => SheetError::NotASheet,
        // Others quote what is in the file.
        _ => SheetError::Damaged("a part of it cannot be read".to_owned()),
    }
}

/// Unpacks everything once, piece by piece, and keeps nothing: what a part says about its own size proves nothing.
fn measure(file: &File, bounds: &Bounds) -> Result<(), SheetError> {
    let mut archive = ZipArchive::new(BufReader::new(from_start(file)?)).map_err(|_| not_a_zip())?;
    if archive.len() > PARTS {
        return Err(SheetError::TooLarge(format!("it has more than {PARTS} parts")));
    }
    let mut left = bounds.unpacked_bytes;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(|_| not_a_zip())?;
        let name = part.name().map_err(|_| not_a_zip())?.to_lowercase();
        let is_texts = name.ends_with("sharedstrings.xml");
        let most = if is_texts { left.min(bounds.text_bytes) } else { left };
        let read = part_size(part, most, is_xml(&name))?;
        left = left.saturating_sub(read);
    }
    Ok(())
}

fn not_a_zip() -> SheetError {
    SheetError::Damaged("its parts cannot be unpacked".to_owned())
}

fn is_xml(name: &str) -> bool {
    [".xml", ".rels"].iter().any(|end| name.ends_with(end))
}

/// How large a part is. Refuses one that is larger than `most`, or says in its head that it holds more texts than there
/// could be; for that it must be in UTF-8, as every program writes it.
fn part_size(mut part: impl Read, most: u64, xml: bool) -> Result<u64, SheetError> {
    let mut piece = vec![0; 64 * 1024];
    // The end of the piece before, for words that lie across.
    let mut before = Vec::new();
    let mut size = 0_u64;
    loop {
        let read = part.read(&mut piece).map_err(|_| not_a_zip())?;
        if read == 0 {
            return Ok(size);
        }
        let bytes = piece.get(..read).unwrap_or_default();
        if xml && size == 0 && !is_plain_xml(bytes) {
            return Err(SheetError::Damaged("a part of it is not in UTF-8".to_owned()));
        }
        size += u64::try_from(read).unwrap_or(u64::MAX);
        if size > most {
            return Err(SheetError::TooLarge("it unpacks to more than a list of patients can be".to_owned()));
        }
        if xml {
            before.extend_from_slice(bytes);
            if says_too_many(&before) {
                return Err(SheetError::TooLarge("it says that it holds millions of texts".to_owned()));
            }
            before.drain(..before.len().saturating_sub(64));
        }
    }
}

/// Not UTF-16, which would hide words from the look at them, nor another encoding by declaration.
fn is_plain_xml(start: &[u8]) -> bool {
    let head: Vec<u8> = start.iter().take(200).map(u8::to_ascii_lowercase).collect();
    let declares = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    !head.contains(&0)
        && !matches!(head.as_slice(), [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..])
        && (!declares(b"encoding") || declares(b"utf-8") || declares(b"us-ascii"))
}

fn says_too_many(bytes: &[u8]) -> bool {
    const WORD: &[u8] = b"uniqueCount";
    bytes.windows(WORD.len()).enumerate().filter(|(_, window)| *window == WORD).any(|(at, _)| {
        let digits: String = bytes
            .get(at + WORD.len()..)
            .unwrap_or_default()
            .iter()
            .skip_while(|byte| !byte.is_ascii_digit())
            .take_while(|byte| byte.is_ascii_digit())
            .take(20)
            .map(|byte| char::from(*byte))
            .collect();
        !digits.is_empty() && digits.parse::<u64>().map_or(true, |count| count > TEXTS)
    })
}
