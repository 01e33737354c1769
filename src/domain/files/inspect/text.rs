//! Texts: no marks of anything else at the front, no control characters anywhere.

use std::io::Read;

use super::Problem;

/// What a text must not pretend to be, though it is made of letters: what browsers, shells and readers of documents run.
const NOT_TEXT: [&str; 6] =
    ["text/html", "text/xml", "text/x-shellscript", "application/pdf", "application/rtf", "application/postscript"];

pub(super) fn judge(head: &[u8], source: &mut impl Read) -> Result<(), Problem> {
    if let Some(found) = infer::get(head).filter(|found| NOT_TEXT.contains(&found.mime_type())) {
        return Err(Problem::Refused(format!("the file was announced as a text, and it is {}", found.mime_type())));
    }
    // Spreadsheets write UTF-16 too, where every other byte of plain letters is zero.
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return Ok(());
    }
    let mut chunk = [0; 16 * 1024];
    loop {
        let taken = source.read(&mut chunk)?;
        let bytes = chunk.get(..taken).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.iter().any(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C)) {
            return Err(Problem::Refused("the file was announced as a text, and it is none".to_owned()));
        }
    }
}
