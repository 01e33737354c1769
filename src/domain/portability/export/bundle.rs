//! One archive of everything. Files go through it piece by piece.

use std::{
    fs::File,
    io::{self, Write},
};

use zip::{ZipWriter, result::ZipError, write::SimpleFileOptions};

/// Writes the archive.
pub(super) struct Bundle(ZipWriter<File>);

impl Bundle {
    /// In a nameless temporary file.
    pub(super) fn begin() -> io::Result<Self> {
        Ok(Self(ZipWriter::new(tempfile::tempfile()?)))
    }

    /// A part that is at hand.
    pub(super) fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), ZipError> {
        self.0.start_file(name, options())?;
        Ok(self.0.write_all(bytes)?)
    }

    /// A part out of a file.
    pub(super) fn copy(&mut self, name: &str, mut file: File) -> Result<(), ZipError> {
        self.0.start_file(name, options())?;
        io::copy(&mut file, &mut self.0)?;
        Ok(())
    }

    /// The archive.
    pub(super) fn finish(self) -> Result<File, ZipError> {
        self.0.finish()
    }
}

fn options() -> SimpleFileOptions {
    // Photographs are of some megabytes; more than four gigabytes no file may have.
    SimpleFileOptions::default()
}
