//! One appointment as a file that a link leads to: the event of its mails, by the same UID and SEQUENCE, without the
//! patient, because links get around.

use super::event_uid;
use crate::{
    domain::booking::calendar_file::CalendarFile,
    mail::{
        CalendarMethod, InvalidMailbox, Locale, mailbox,
        templates::{AppointmentMail, EventIdentity},
    },
};

/// The whole iCalendar object. `sender` is the address of mails: who owns the entry where the branch has no address.
///
/// # Errors
/// When the sender's address cannot be written.
pub fn file(file: &CalendarFile, sender: &str) -> Result<String, InvalidMailbox> {
    let content = &file.content;
    let method = if file.is_cancelled() { CalendarMethod::Cancel } else { CalendarMethod::Publish };
    let from = |address: &str| mailbox(&content.centre_name, address);
    let organizer = match content.branch_email.as_deref().map(from) {
        Some(Ok(branch)) => branch,
        _ => from(sender)?,
    };
    let identity = EventIdentity {
        uid: event_uid(&content.appointment.to_string(), &file.id_domain),
        revision: EventIdentity::sequence(content.revision, method),
        stamp: file.read_at,
        organizer,
        attendee: None,
    };
    let locale = Locale::from_language_tag(&content.centre_locale).unwrap_or(Locale::Es);
    Ok(AppointmentMail::of(content).calendar_part(identity, method, locale).ics)
}
