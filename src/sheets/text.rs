//! Text files of whatever encoding as UTF-8, a piece at a time.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::read::from_start;

const PIECE: usize = 16 * 1024;

/// Reads a file as UTF-8, without its byte order mark.
pub(super) struct Utf8<R> {
    raw: R,
    decoder: Decoder,
    encoded: Vec<u8>,
    /// Bytes of `encoded` that are not decoded yet.
    waiting: std::ops::Range<usize>,
    decoded: Vec<u8>,
    /// How much of `decoded` is text, and how much of that has been given away.
    ready: usize,
    given: usize,
    ended: bool,
    done: bool,
}

/// Opens a file in the encoding that its bytes show: a byte order mark, or the zeros of UTF-16; what is valid UTF-8 is
/// that; anything else is what spreadsheets of Windows write in the west.
pub(super) fn open(file: &File) -> io::Result<Utf8<BufReader<File>>> {
    let mut file = from_start(file)?;
    let mut start = Vec::new();
    file.by_ref().take(1024).read_to_end(&mut start)?;
    let encoding = match Encoding::for_bom(&start) {
        Some((encoding, _)) => encoding,
        None => match zeros(&start) {
            Some(encoding) => encoding,
            None => {
                file.seek(SeekFrom::Start(0))?;
                if is_utf8(&mut file)? { UTF_8 } else { WINDOWS_1252 }
            }
        },
    };
    file.seek(SeekFrom::Start(0))?;
    Ok(Utf8 {
        raw: BufReader::new(file),
        decoder: encoding.new_decoder_with_bom_removal(),
        encoded: vec![0; PIECE],
        waiting: 0..0,
        decoded: vec![0; PIECE],
        ready: 0,
        given: 0,
        ended: false,
        done: false,
    })
}

/// Texts of the west in UTF-16 have a zero in every other byte, and other texts have none.
fn zeros(start: &[u8]) -> Option<&'static Encoding> {
    let at = |parity: usize| start.iter().enumerate().filter(|(at, byte)| at % 2 == parity && **byte == 0).count();
    let (even, odd) = (at(0), at(1));
    let many = start.len() / 4;
    if start.len() < 4 || even.max(odd) < many.max(1) {
        None
    } else if odd > even {
        Some(UTF_16LE)
    } else {
        Some(UTF_16BE)
    }
}

fn is_utf8(file: &mut File) -> io::Result<bool> {
    let mut decoder = UTF_8.new_decoder_without_bom_handling();
    let (mut bytes, mut text) = (vec![0; PIECE], vec![0; PIECE * 3]);
    loop {
        let read = file.read(&mut bytes)?;
        let piece = bytes.get(..read).unwrap_or_default();
        let (_, _, _, wrong) = decoder.decode_to_utf8(piece, &mut text, read == 0);
        if wrong {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.given == self.ready {
            self.decode()?;
        }
        let waiting = self.decoded.get(self.given..self.ready).unwrap_or_default();
        let given = waiting.len().min(out.len());
        out.iter_mut().zip(waiting).for_each(|(to, from)| *to = *from);
        self.given += given;
        Ok(given)
    }
}

impl<R: Read> Utf8<R> {
    /// Fills `decoded` with what comes next; with nothing at the end.
    fn decode(&mut self) -> io::Result<()> {
        (self.given, self.ready) = (0, 0);
        while !self.done && self.ready == 0 {
            if self.waiting.is_empty() && !self.ended {
                let read = self.raw.read(&mut self.encoded)?;
                self.ended = read == 0;
                self.waiting = 0..read;
            }
            let waiting = self.encoded.get(self.waiting.clone()).unwrap_or_default();
            let (result, read, written, _) = self.decoder.decode_to_utf8(waiting, &mut self.decoded, self.ended);
            self.waiting.start += read;
            self.done = self.ended && self.waiting.is_empty() && result == encoding_rs::CoderResult::InputEmpty;
            self.ready = written;
        }
        Ok(())
    }
}
