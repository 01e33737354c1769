//! Looks at bytes that have come: are they of the type that was said, and safe to open? Reads here and there, never the
//! whole into memory, and decodes nothing.

mod exif;
mod office;
mod picture;
mod text;

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use chrono::{DateTime, Utc};

pub(super) use picture::MAX_SIDE;

use super::FileType;

/// How many bytes tell a type.
const HEAD: u64 = 8 * 1024;

/// What is known of a file that may stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Width and height of a picture, as it is to be shown.
    pub pixels: Option<(i32, i32)>,
    /// When it was taken.
    pub captured_at: Option<DateTime<Utc>>,
}

/// Why it may not.
#[derive(Debug)]
pub(super) enum Problem {
    /// It is not what was said, or not safe; for people.
    Refused(String),
    /// It cannot be read at the moment.
    Unreadable(io::Error),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// Judges a file.
///
/// # Errors
/// Why it may not stay, or why it cannot be read.
pub(super) fn run(kind: FileType, file: File) -> Result<Findings, Problem> {
    judge(kind, &mut BufReader::new(file))
}

/// The same for anything that can be read anywhere.
pub(super) fn judge(kind: FileType, source: &mut (impl Read + Seek)) -> Result<Findings, Problem> {
    let mut head = Vec::new();
    source.by_ref().take(HEAD).read_to_end(&mut head)?;
    source.seek(SeekFrom::Start(0))?;
    match kind {
        FileType::Jpeg | FileType::Png | FileType::Webp | FileType::Pdf => is_said(kind, &head)?,
        FileType::Text | FileType::Csv => text::judge(&head, source)?,
        FileType::Xlsx => office::judge(source, "xl/workbook.xml")?,
        FileType::Docx => office::judge(source, "word/document.xml")?,
    }
    if kind.is_picture() { picture::measure(kind, source) } else { Ok(Findings::default()) }
}

fn is_said(kind: FileType, head: &[u8]) -> Result<(), Problem> {
    let found = infer::get(head).map(|found| found.mime_type());
    if found == Some(kind.mime()) {
        return Ok(());
    }
    let found = found.unwrap_or("something else");
    Err(Problem::Refused(format!("the file was announced as {}, and it is {found}", kind.mime())))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn refused(kind: FileType, bytes: &[u8]) -> String {
        match judge(kind, &mut Cursor::new(bytes)) {
            Err(Problem::Refused(why)) => why,
            other => panic!("{kind:?}: {other:?}"),
        }
    }

    #[test]
    fn a_type_that_is_not_said_is_named() {
        let jpeg = [0xFF, 0xD8, 0xFF, 0xE0, 0, 16, b'J', b'F', b'I', b'F', 0];
        assert!(refused(FileType::Png, &jpeg).contains("image/jpeg"));
        assert!(refused(FileType::Jpeg, b"<html>").contains("text/html"));
        assert!(refused(FileType::Pdf, b"MZ\x90\x00").contains("it is "));
        assert!(judge(FileType::Pdf, &mut Cursor::new(b"%PDF-1.7\n")).is_ok());
    }

    #[test]
    fn texts_are_texts() {
        for good in [&b"nombre;rut\nSo\xF1a;1-9\n"[..], "\u{FEFF}a,b".as_bytes(), b"\xFF\xFEa\0,\0", b"BMI,peso\n1,2"] {
            assert!(judge(FileType::Csv, &mut Cursor::new(good)).is_ok(), "{good:?}");
        }
        for bad in
            [&b"a\0b"[..], b"  <!DOCTYPE html>", b"<?xml version='1.0'?>", b"#!/bin/sh\n", b"%PDF-1.4", b"\x7fELF\x01"]
        {
            refused(FileType::Text, bad);
        }
        // What is no text only far behind is none.
        let mut late = vec![b'a'; 200_000];
        late.push(1);
        refused(FileType::Text, &late);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2_000), kind in 0_usize..8) {
            let heads: [&[u8]; 6] = [b"", b"\xFF\xD8\xFF", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"PK\x03\x04", b"PK\x05\x06"];
            for head in heads {
                let whole = [head, &bytes].concat();
                let _ = judge(FileType::ALL[kind], &mut Cursor::new(&whole));
            }
        }
    }
}
