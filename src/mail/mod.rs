//! Mail: what a message says, how it looks, and how it is handed to a relay.
//!
//! Three independent steps, so each can be tested alone: [`templates`] turns typed data into subject, HTML and text;
//! [`calendar`] turns an appointment into an iCalendar invitation; [`Mailer`] hands a finished [`OutgoingMail`] to SMTP
//! or to a folder and says precisely what became of it.
//!
//! What does not belong here: when a mail is due, whether it is still wanted, retries and suppression. Those are the
//! jobs' decisions; this module only tells them the facts they need ([`SendError`]).

pub mod calendar;
mod error;
mod folder;
mod message;
mod plain;
mod smtp;
pub mod templates;

use std::path::PathBuf;

use crate::domain::time::prose as dates;
pub use dates::Locale;
pub use error::SendError;
pub use folder::FolderMailer;
pub use lettre::message::Mailbox;
pub use message::{Accepted, CalendarMethod, CalendarPart, InvalidMailbox, ListUnsubscribe, OutgoingMail, mailbox};
pub use smtp::{SmtpMailer, SmtpSettings, SmtpUrlError};

/// Where finished mail goes: a relay in production, a folder of `.eml` files for newcomers and demonstrations.
#[derive(Debug)]
pub enum Mailer {
    /// A real relay.
    Smtp(Box<SmtpMailer>),
    /// A folder; nothing leaves the machine.
    Folder(FolderMailer),
}

impl Mailer {
    /// Prepares a relay; no connection is opened before the first mail.
    ///
    /// # Errors
    /// When the URL is not one of the forms described at [`SmtpSettings::url`].
    pub fn smtp(settings: &SmtpSettings) -> Result<Self, SmtpUrlError> {
        Ok(Self::Smtp(Box::new(SmtpMailer::new(settings)?)))
    }

    /// Writes each mail as a file into `directory`, which is created when the first mail arrives.
    pub fn folder(directory: impl Into<PathBuf>) -> Self {
        Self::Folder(FolderMailer::new(directory))
    }

    /// True when mail really leaves the machine. Production refuses to start otherwise.
    pub fn leaves_the_machine(&self) -> bool {
        matches!(self, Self::Smtp(_))
    }

    /// Hands over one mail. `Ok` means that the relay has taken responsibility for it.
    ///
    /// # Errors
    /// [`SendError`] says whether trying again makes sense and whether the relay may have kept the mail anyway.
    pub async fn send(&self, mail: &OutgoingMail) -> Result<Accepted, SendError> {
        match self {
            Self::Smtp(smtp) => smtp.send(mail).await,
            Self::Folder(folder) => folder.send(mail).await,
        }
    }

    /// Says goodbye to the relay on idle connections; call it once when the process stops.
    pub async fn close(&self) {
        if let Self::Smtp(smtp) = self {
            smtp.close().await;
        }
    }
}
