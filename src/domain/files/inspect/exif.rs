//! The two things that are wanted of what a camera notes: how it was held, and when. Where it was is not looked at.

use chrono::{DateTime, Utc};

/// What was noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exif {
    /// Width and height change places when it is shown.
    pub lies_on_its_side: bool,
    /// When the photograph was taken; none: it does not say, or not in which zone.
    pub captured_at: Option<DateTime<Utc>>,
}

const ORIENTATION: u16 = 0x0112;
const CAMERA_NOTES: u16 = 0x8769;
const TAKEN_AT: u16 = 0x9003;
const TAKEN_AT_OFFSET: u16 = 0x9011;

/// Reads a TIFF structure. What is wrong in it is left out.
pub(super) fn read(bytes: &[u8]) -> Exif {
    let Some(tiff) = Tiff::of(bytes) else { return Exif::default() };
    let Some(first) = tiff.number32(4) else { return Exif::default() };
    let orientation = tiff.entry(first, ORIENTATION).and_then(|entry| tiff.number16(entry + 8));
    let notes = tiff.entry(first, CAMERA_NOTES).and_then(|entry| tiff.number32(entry + 8));
    let text = |tag| tiff.text(tiff.entry(notes?, tag)?);
    let captured_at = text(TAKEN_AT)
        .zip(text(TAKEN_AT_OFFSET))
        .and_then(|(time, offset)| DateTime::parse_from_str(&format!("{time} {offset}"), "%Y:%m:%d %H:%M:%S %:z").ok());
    Exif { lies_on_its_side: matches!(orientation, Some(5..=8)), captured_at: captured_at.map(|at| at.to_utc()) }
}

struct Tiff<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Tiff<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        match bytes.get(..4)? {
            b"II*\0" => Some(Self { bytes, big_endian: false }),
            b"MM\0*" => Some(Self { bytes, big_endian: true }),
            _ => None,
        }
    }

    fn at<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn number16(&self, at: usize) -> Option<u16> {
        let bytes = self.at(at)?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn number32(&self, at: usize) -> Option<usize> {
        let bytes = self.at(at)?;
        usize::try_from(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }).ok()
    }

    /// Where the entry of a tag is in the directory at `directory`: tag, type, count, value.
    fn entry(&self, directory: usize, tag: u16) -> Option<usize> {
        let entries = usize::from(self.number16(directory)?);
        (0..entries)
            .map_while(|n| directory.checked_add(2 + 12 * n))
            .take_while(|at| self.number16(*at).is_some())
            .find(|at| self.number16(*at) == Some(tag))
    }

    /// The text of an entry, without the zero at its end.
    fn text(&self, entry: usize) -> Option<&'a str> {
        let length = self.number32(entry + 4)?;
        let at = if length <= 4 { entry + 8 } else { self.number32(entry + 8)? };
        let text = self.bytes.get(at..at.checked_add(length)?)?;
        std::str::from_utf8(text).ok().map(|text| text.trim_end_matches('\0'))
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    /// A structure with an orientation, and a time with its offset.
    pub(in super::super) fn tiff(orientation: u16, taken: Option<(String, &str)>) -> Vec<u8> {
        let mut bytes = b"MM\0*\0\0\0\x08".to_vec();
        let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
            [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value].concat()
        };
        let [high, low] = orientation.to_be_bytes();
        let notes: u32 = 8 + 2 + 24 + 4;
        bytes.extend(2_u16.to_be_bytes());
        bytes.extend(entry(ORIENTATION, 3, 1, [high, low, 0, 0]));
        bytes.extend(entry(CAMERA_NOTES, 4, 1, notes.to_be_bytes()));
        bytes.extend([0; 4]);
        if let Some((time, offset)) = taken {
            let texts = notes + 2 + 24 + 4;
            let length = u32::try_from(time.len() + 1).unwrap();
            bytes.extend(2_u16.to_be_bytes());
            bytes.extend(entry(TAKEN_AT, 2, length, texts.to_be_bytes()));
            let count = u32::try_from(offset.len() + 1).unwrap();
            bytes.extend(entry(TAKEN_AT_OFFSET, 2, count, (texts + length).to_be_bytes()));
            bytes.extend([0; 4]);
            bytes.extend(format!("{time}\0{offset}\0").into_bytes());
        }
        bytes
    }

    #[test]
    fn how_it_was_held_and_when() {
        let taken = Some(("2026:07:13 10:30:00".to_owned(), "-04:00"));
        let found = read(&tiff(8, taken));
        assert_eq!(found, Exif { lies_on_its_side: true, captured_at: Some("2026-07-13T14:30:00Z".parse().unwrap()) });
        assert_eq!(read(&tiff(3, None)), Exif::default());
        assert_eq!(read(&tiff(1, Some(("2026:13:40 10:30:00".to_owned(), "-04:00")))), Exif::default());
    }

    proptest::proptest! {
        #[test]
        fn no_notes_are_too_strange(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), at in 0_usize..60, byte: u8) {
            for order in [b"II*\0", b"MM\0*"] {
                let _ = read(&[order.as_slice(), &bytes].concat());
            }
            let mut edited = tiff(6, Some(("2026:07:13 10:30:00".to_owned(), "-04:00")));
            if let Some(place) = edited.get_mut(at) {
                *place = byte;
            }
            let _ = read(&edited);
        }
    }
}
