//! Pictures: how large they would be, read from their heads, before anybody decodes them.

use std::io::{ErrorKind, Read, Seek, SeekFrom};

use super::{
    Findings, Problem,
    exif::{self, Exif},
};
use crate::domain::files::FileType;

/// Most pixels of a side.
pub(in super::super) const MAX_SIDE: u32 = 12_000;
/// Most pixels in all: more than any camera of a telephone makes, and 200 MB when decoded.
const MAX_PIXELS: u64 = 50_000_000;

pub(super) fn measure(kind: FileType, source: &mut (impl Read + Seek)) -> Result<Findings, Problem> {
    let measured = match kind {
        FileType::Png => png(source).map(|size| (size, Exif::default())),
        FileType::Webp => webp(source).map(|size| (size, Exif::default())),
        _ => jpeg(source),
    };
    let ((width, height), exif) = match measured {
        Ok(measured) => measured,
        Err(Problem::Unreadable(error)) if error.kind() == ErrorKind::UnexpectedEof => return Err(damaged()),
        Err(problem) => return Err(problem),
    };
    if width == 0 || height == 0 {
        return Err(damaged());
    }
    if width > MAX_SIDE || height > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS {
        let message = format!(
            "a picture of {width} × {height} pixels is too large: at most {MAX_SIDE} a side and {} million in all are taken",
            MAX_PIXELS / 1_000_000
        );
        return Err(Problem::Refused(message));
    }
    let side = |pixels| i32::try_from(pixels).unwrap_or(i32::MAX);
    let (width, height) = if exif.lies_on_its_side { (height, width) } else { (width, height) };
    Ok(Findings { pixels: Some((side(width), side(height))), captured_at: exif.captured_at })
}

fn damaged() -> Problem {
    Problem::Refused("the picture is damaged: its head does not say how large it is".to_owned())
}

fn bytes<const N: usize>(source: &mut impl Read) -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The first chunk of a PNG is its head.
fn png(source: &mut impl Read) -> Result<(u32, u32), Problem> {
    let [.., b'I', b'H', b'D', b'R'] = bytes::<16>(source)? else { return Err(damaged()) };
    Ok((u32::from_be_bytes(bytes(source)?), u32::from_be_bytes(bytes(source)?)))
}

/// A WebP is in one of three forms, which the first chunk tells.
fn webp(source: &mut impl Read) -> Result<(u32, u32), Problem> {
    bytes::<12>(source)?;
    let form = bytes::<4>(source)?;
    bytes::<4>(source)?;
    match &form {
        b"VP8 " => {
            let [_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1] = bytes::<10>(source)? else { return Err(damaged()) };
            let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
            Ok((side(w0, w1), side(h0, h1)))
        }
        b"VP8L" => {
            let [0x2F, b0, b1, b2, b3] = bytes::<5>(source)? else { return Err(damaged()) };
            let bits = u32::from_le_bytes([b0, b1, b2, b3]);
            Ok(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
        }
        b"VP8X" => {
            bytes::<4>(source)?;
            let [w0, w1, w2, h0, h1, h2] = bytes::<6>(source)?;
            Ok((u32::from_le_bytes([w0, w1, w2, 0]) + 1, u32::from_le_bytes([h0, h1, h2, 0]) + 1))
        }
        _ => Err(damaged()),
    }
}

/// A JPEG is a row of segments; the size is in the one that begins the frame, what the camera noted in one before.
fn jpeg(source: &mut (impl Read + Seek)) -> Result<((u32, u32), Exif), Problem> {
    /// More segments than cameras write before the frame.
    const MOST_SEGMENTS: usize = 1_000;
    bytes::<2>(source)?;
    let mut noted = Exif::default();
    for _ in 0..MOST_SEGMENTS {
        let [0xFF, mut marker] = bytes::<2>(source)? else { return Err(damaged()) };
        while marker == 0xFF {
            [marker] = bytes(source)?;
        }
        // Markers that stand alone.
        if matches!(marker, 0x01 | 0xD0..=0xD8) {
            continue;
        }
        let length = u16::from_be_bytes(bytes(source)?).checked_sub(2).ok_or_else(damaged)?;
        match marker {
            // The beginnings of frames, of all ways of coding.
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                let [_, h0, h1, w0, w1] = bytes::<5>(source)?;
                return Ok(((u16::from_be_bytes([w0, w1]).into(), u16::from_be_bytes([h0, h1]).into()), noted));
            }
            // The picture's end, or its bytes without a frame before them.
            0xD9 | 0xDA => return Err(damaged()),
            0xE1 => {
                let mut segment = vec![0; usize::from(length)];
                source.read_exact(&mut segment)?;
                if let Some(tiff) = segment.strip_prefix(b"Exif\0\0") {
                    noted = exif::read(tiff);
                }
            }
            _ => {
                source.seek(SeekFrom::Current(i64::from(length)))?;
            }
        }
    }
    Err(damaged())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use std::io::Cursor;

    use image::{DynamicImage, ImageFormat};

    use super::*;

    fn drawn(format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::new_rgb8(40, 30).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn pictures_are_measured_as_their_decoders_would() {
        let cases = [
            (FileType::Jpeg, ImageFormat::Jpeg),
            (FileType::Png, ImageFormat::Png),
            (FileType::Webp, ImageFormat::WebP),
        ];
        for (kind, format) in cases {
            let bytes = drawn(format);
            assert_eq!(measure(kind, &mut Cursor::new(&bytes)).unwrap().pixels, Some((40, 30)), "{kind:?}");
            let cut = &bytes[..20];
            assert!(matches!(measure(kind, &mut Cursor::new(cut)), Err(Problem::Refused(_))), "{kind:?}");
        }
    }

    #[test]
    fn what_claims_to_be_huge_is_refused_unread() {
        let mut png = drawn(ImageFormat::Png);
        png[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
        png[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
        let Err(Problem::Refused(why)) = measure(FileType::Png, &mut Cursor::new(&png)) else { panic!("taken") };
        assert!(why.contains("60000 × 60000"), "{why}");
        // Both sides allowed, and too many pixels in all.
        png[16..20].copy_from_slice(&11_000_u32.to_be_bytes());
        png[20..24].copy_from_slice(&11_000_u32.to_be_bytes());
        assert!(matches!(measure(FileType::Png, &mut Cursor::new(&png)), Err(Problem::Refused(_))));
    }

    #[test]
    fn a_photograph_taken_upright_is_measured_upright() {
        let bytes = drawn(ImageFormat::Jpeg);
        let tiff = exif::tests::tiff(6, Some(("2026:07:13 10:30:00".to_owned(), "-04:00")));
        let segment = [b"Exif\0\0", tiff.as_slice()].concat();
        let length = u16::try_from(segment.len() + 2).unwrap().to_be_bytes();
        let photo = [&bytes[..2], &[0xFF, 0xE1], &length, &segment, &bytes[2..]].concat();
        let found = measure(FileType::Jpeg, &mut Cursor::new(&photo)).unwrap();
        assert_eq!(found.pixels, Some((30, 40)));
        assert_eq!(found.captured_at, Some("2026-07-13T14:30:00Z".parse().unwrap()));
    }
}
