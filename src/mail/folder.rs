//! Mail as files, for people who try Horae without a relay.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::AsyncWriteExt;

use super::error::SendError;
use super::message::{Accepted, OutgoingMail, fingerprint};

/// Writes each mail as one `.eml` file. Names sort by the mail's date; a repeat of the same mail is another file,
/// because hiding duplicates here would hide a fault of the sender.
#[derive(Debug)]
pub struct FolderMailer {
    directory: PathBuf,
    written: AtomicU64,
}

impl FolderMailer {
    /// A mailer for this folder, which need not exist yet.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), written: AtomicU64::new(0) }
    }

    /// Where the files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes one mail. A reader never sees half a file: it is written under a hidden name, synced and renamed.
    ///
    /// # Errors
    /// [`SendError::Unreachable`] when the folder cannot be written (worth trying again), [`SendError::Permanent`]
    /// when the mail cannot be expressed.
    pub async fn send(&self, mail: &OutgoingMail) -> Result<Accepted, SendError> {
        let bytes = mail.to_mime()?;
        let name = format!(
            "{}-{}-{}-{}.eml",
            mail.date.format("%Y%m%dT%H%M%S%.6fZ"),
            fingerprint(&mail.message_id),
            std::process::id(),
            self.written.fetch_add(1, Ordering::Relaxed),
        );
        self.write(&name, &bytes).await.map_err(|error| SendError::Unreachable { detail: error.to_string() })?;
        Ok(Accepted { reply: name })
    }

    async fn write(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        tokio::fs::create_dir_all(&self.directory).await?;
        let hidden = self.directory.join(format!(".{name}.part"));
        let mut file = tokio::fs::File::options().write(true).create_new(true).open(&hidden).await?;
        let written = async {
            file.write_all(bytes).await?;
            file.sync_all().await?;
            tokio::fs::rename(&hidden, self.directory.join(name)).await
        }
        .await;
        if written.is_err() {
            // Best effort: the first error is the one worth telling.
            let _ = tokio::fs::remove_file(&hidden).await;
        }
        written
    }
}

#[cfg(test)]
mod tests;
