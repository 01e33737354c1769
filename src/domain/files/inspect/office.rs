//! Documents and spreadsheets of office programs, which are ZIP archives of XML: small outside, any size inside.

use std::io::{self, Read, Seek, SeekFrom};

use zip::{ZipArchive, result::ZipError};

use super::Problem;

/// Most parts of a document.
const MAX_PARTS: u16 = 10_000;
/// Most bytes of all parts together, when they are unpacked.
const MAX_UNPACKED: u64 = 150 * 1024 * 1024;
/// How many times larger than the file they may be …
const MAX_RATIO: u64 = 100;
/// … when they are larger than this: short repetitive texts shrink even better.
const RATIO_FROM: u64 = 10 * 1024 * 1024;

/// Judges an archive that must have the part `main`. What the archive says of its sizes is believed only when it is bad:
/// everything is unpacked, into nothing, and counted.
pub(super) fn judge(source: &mut (impl Read + Seek), main: &str) -> Result<(), Problem> {
    let size = source.seek(SeekFrom::End(0))?;
    let parts = declared_parts(source, size)?;
    if parts > MAX_PARTS {
        return Err(refused("it has too many parts"));
    }
    source.seek(SeekFrom::Start(0))?;
    let mut archive = ZipArchive::new(source).map_err(broken)?;
    let names: Vec<Vec<u8>> = archive.file_names_raw().map(<[u8]>::to_ascii_lowercase).collect();
    if names.iter().any(|name| name.ends_with(b"vbaproject.bin")) {
        return Err(refused("it has macros"));
    }
    for needed in ["[content_types].xml", main] {
        if !names.iter().any(|name| name == needed.as_bytes()) {
            return Err(refused(&format!("{needed} is not in it")));
        }
    }
    let most = MAX_UNPACKED.min(size.saturating_mul(MAX_RATIO).max(RATIO_FROM));
    let too_large = || refused(&format!("unpacked it is more than {most} bytes"));
    if archive.decompressed_size().is_none_or(|declared| declared > u128::from(most)) {
        return Err(too_large());
    }
    if archive.has_overlapping_files().map_err(broken)? {
        return Err(refused("its parts overlap"));
    }
    let mut left = most;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(broken)?;
        let unpacked = io::copy(&mut part.take(left + 1), &mut io::sink()).map_err(|error| broken(error.into()))?;
        left = left.checked_sub(unpacked).ok_or_else(too_large)?;
    }
    Ok(())
}

/// How many parts the end of the archive says there are. Read before the archive is, which makes room for all of them.
fn declared_parts(source: &mut (impl Read + Seek), size: u64) -> Result<u16, Problem> {
    const END: [u8; 4] = *b"PK\x05\x06";
    // The record, and the longest comment.
    let tail = size.min(22 + 65_535);
    source.seek(SeekFrom::Start(size - tail))?;
    let mut bytes = Vec::new();
    source.take(tail).read_to_end(&mut bytes)?;
    let at = bytes.windows(4).rposition(|window| window == END);
    let record = at.and_then(|at| bytes.get(at + 10..at + 12));
    match record {
        Some([low, high]) => Ok(u16::from_le_bytes([*low, *high])),
        _ => Err(refused("it is no archive")),
    }
}

fn refused(why: &str) -> Problem {
    Problem::Refused(format!("this is not a document or spreadsheet that is taken: {why}"))
}

fn broken(error: ZipError) -> Problem {
    match error {
        // The disk's troubles are not the file's.
        ZipError::Io(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::InvalidData
                    | io::ErrorKind::InvalidInput
                    | io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::Other
            ) =>
        {
            Problem::Unreadable(error)
        }
        error => refused(&format!("it is damaged or encrypted ({error})")),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use std::io::{Cursor, Write};

    use zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;

    fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in parts {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn workbook(sheet: &[u8]) -> Vec<u8> {
        archive(&[
            ("[Content_Types].xml", b"<Types/>"),
            ("xl/workbook.xml", b"<workbook/>"),
            ("xl/worksheets/sheet1.xml", sheet),
        ])
    }

    fn why(bytes: &[u8]) -> Option<String> {
        match judge(&mut Cursor::new(bytes), "xl/workbook.xml") {
            Ok(()) => None,
            Err(Problem::Refused(why)) => Some(why),
            Err(Problem::Unreadable(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn a_workbook_is_taken_and_nothing_else() {
        assert_eq!(why(&workbook(b"<sheetData/>")), None);
        assert!(why(&archive(&[("[Content_Types].xml", b"x")])).unwrap().contains("xl/workbook.xml"));
        let macros = archive(&[("[Content_Types].xml", b"x"), ("xl/workbook.xml", b"x"), ("xl/vbaProject.bin", b"x")]);
        assert!(why(&macros).unwrap().contains("macros"));
        assert!(why(b"PK\x03\x04 nothing").is_some());
        assert!(why(b"").is_some());
        let whole = workbook(b"<sheetData/>");
        assert!(why(&whole[..whole.len() / 2]).is_some());
    }

    #[test]
    fn a_bomb_is_refused_by_what_it_says_and_by_what_it_does() {
        let bomb = workbook(&vec![b'0'; 12 * 1024 * 1024]);
        assert!(bomb.len() < 100 * 1024);
        assert!(why(&bomb).unwrap().contains("unpacked"), "{:?}", why(&bomb));
        // One that says that its sheet has a few bytes.
        let mut liar = bomb.clone();
        let size = u32::try_from(12 * 1024 * 1024).unwrap().to_le_bytes();
        while let Some(at) = liar.windows(4).position(|window| window == size) {
            liar[at..at + 4].copy_from_slice(&10_u32.to_le_bytes());
        }
        assert_ne!(liar, bomb);
        assert!(why(&liar).is_some());
    }

    #[test]
    fn too_many_parts_are_refused_before_they_are_read() {
        let mut many = workbook(b"x");
        let at = many.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
        many[at + 10..at + 12].copy_from_slice(&20_000_u16.to_le_bytes());
        assert!(why(&many).unwrap().contains("too many"));
    }
}
