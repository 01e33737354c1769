//! One finished mail and its MIME form.

use chrono::{DateTime, Utc};
use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::error::SendError;
use super::plain::one_line;

/// A mail ready to be handed over. The same value always gives the same content, so a repeat is recognisable.
#[derive(Debug, Clone)]
pub struct OutgoingMail {
    /// With angle brackets, from the row; the relay and any sink recognise a repeat by it.
    pub message_id: String,
    /// The `Date` header; from the application's clock.
    pub date: DateTime<Utc>,
    /// Envelope sender and `From`.
    pub from: Mailbox,
    /// Where answers go, usually the centre, while `from` is an address that the relay may send for.
    pub reply_to: Option<Mailbox>,
    /// The one recipient; one mail per person, so nobody sees another's address.
    pub to: Mailbox,
    /// One line; line breaks are removed.
    pub subject: String,
    /// The HTML alternative.
    pub html: String,
    /// The plain-text alternative.
    pub text: String,
    /// An invitation or its cancellation.
    pub calendar: Option<CalendarPart>,
    /// For bulk mail; transactional mail has none.
    pub list_unsubscribe: Option<ListUnsubscribe>,
    /// The request that caused it, so that a mail can be found in the logs: letters, digits and hyphens.
    pub request_id: Option<String>,
}

/// What a calendar is asked to do (RFC 5546).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarMethod {
    /// Enter or update the event.
    Request,
    /// Remove the event.
    Cancel,
    /// Show the event; nobody is invited.
    Publish,
}

impl CalendarMethod {
    /// The iTIP name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "REQUEST",
            Self::Cancel => "CANCEL",
            Self::Publish => "PUBLISH",
        }
    }
}

/// An iCalendar object inside a mail.
#[derive(Debug, Clone)]
pub struct CalendarPart {
    /// Must equal the METHOD inside `ics`.
    pub method: CalendarMethod,
    /// The whole iCalendar text, CRLF.
    pub ics: String,
    /// Name of the attached copy, such as `cita.ics`.
    pub file_name: String,
}

/// How a recipient leaves a list with one click (RFC 2369, RFC 8058).
#[derive(Debug, Clone)]
pub struct ListUnsubscribe {
    /// An https address that accepts a POST without log-in.
    pub url: String,
}

/// The relay's word that it has the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The relay's answer; often its queue id, which its operators ask for.
    pub reply: String,
}

/// An address that cannot be written into a mail.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a mail address")]
pub struct InvalidMailbox;

/// A mailbox from what a person typed.
///
/// # Errors
/// When `address` is not a mail address. The name never fails: what cannot stand in a header is removed.
pub fn mailbox(name: &str, address: &str) -> Result<Mailbox, InvalidMailbox> {
    let address = address.trim().parse().map_err(|_| InvalidMailbox)?;
    let name = one_line(name);
    Ok(Mailbox::new((!name.is_empty()).then_some(name), address))
}

/// 128 bits of SHA-256 in hexadecimal.
pub(super) fn fingerprint(text: &str) -> String {
    format!("{:.32}", hex::encode(Sha256::digest(text)))
}

impl OutgoingMail {
    /// The message as it goes over the wire, headers and all.
    ///
    /// # Errors
    /// [`SendError::Permanent`] when a part cannot be expressed; trying again would not help.
    pub fn to_mime(&self) -> Result<Vec<u8>, SendError> {
        let mut builder = Message::builder()
            .message_id(Some(self.message_id.clone()))
            .date(self.date.into())
            .from(self.from.clone())
            .to(self.to.clone())
            .subject(one_line(&self.subject))
            // RFC 3834: keeps vacation responders from answering; the second is Exchange's own spelling.
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Auto-Response-Suppress", "All"));
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(reply_to.clone());
        }
        if let Some(id) = &self.request_id {
            builder = builder.raw_header(header("X-Request-Id", &one_line(id)));
        }
        if let Some(list) = &self.list_unsubscribe {
            if !list.url.starts_with("https://") || !list.url.bytes().all(|b| b.is_ascii_graphic() && b != b'>') {
                return Err(SendError::unsendable("the unsubscribe address is not https"));
            }
            builder = builder
                .raw_header(verbatim("List-Unsubscribe", format!("<{}>", list.url)))
                .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
        }
        let message = builder.multipart(self.body()?).map_err(SendError::unsendable)?;
        Ok(message.formatted())
    }

    /// Text, HTML and the invitation are alternatives of one another (so calendars show their own buttons); the
    /// invitation is attached once more for clients that ignore the alternative.
    fn body(&self) -> Result<MultiPart, SendError> {
        let alternative = MultiPart::alternative()
            .singlepart(SinglePart::plain(self.text.clone()))
            .singlepart(SinglePart::html(self.html.clone()));
        let Some(calendar) = &self.calendar else {
            return Ok(alternative);
        };
        let inline = ContentType::parse(&format!("text/calendar; method={}; charset=utf-8", calendar.method.name()))
            .map_err(SendError::unsendable)?;
        let attached = ContentType::parse("application/ics").map_err(SendError::unsendable)?;
        let alternative = alternative.singlepart(SinglePart::builder().content_type(inline).body(calendar.ics.clone()));
        Ok(MultiPart::mixed()
            .multipart(alternative)
            .singlepart(Attachment::new(one_line(&calendar.file_name)).body(calendar.ics.clone(), attached)))
    }
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// A value that is checked to be printable ASCII and must not be encoded, whatever its length.
fn verbatim(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}

#[cfg(test)]
pub(super) mod tests;
