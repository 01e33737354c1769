//! Appointments as iCalendar invitations (RFC 5545, RFC 5546, parameter encoding of RFC 6868).
//!
//! Written out by hand: the iCalendar crates cannot produce a VTIMEZONE, and that component is what makes the calendar
//! of someone abroad, or with older zone rules, show the instant we mean.

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use lettre::message::Mailbox;

use super::message::CalendarMethod;

mod feed;
mod file;
mod zone;

pub use feed::feed;
pub use file::file;

/// One appointment for someone's calendar.
#[derive(Debug, Clone)]
pub struct CalendarEvent {
    /// The same for every mail about this appointment; from [`event_uid`].
    pub uid: String,
    /// Grows with each change; calendars ignore an invitation older than what they have.
    pub revision: u32,
    /// When this text was made, from the application's clock.
    pub stamp: DateTime<Utc>,
    /// Start.
    pub starts_at: DateTime<Utc>,
    /// End; after the start.
    pub ends_at: DateTime<Utc>,
    /// The branch's zone: the calendar shows its wall clock.
    pub time_zone: Tz,
    /// One line.
    pub summary: String,
    /// May have several lines.
    pub description: String,
    /// One line.
    pub location: String,
    /// The centre.
    pub organizer: Mailbox,
    /// The patient; none: it is not said for whom.
    pub attendee: Option<Mailbox>,
    /// Asked for, and not approved so far.
    pub tentative: bool,
}

/// The UID of an appointment: its id, made worldwide unique by the tenant's domain.
pub fn event_uid(appointment_id: &str, tenant_domain: &str) -> String {
    format!("{appointment_id}@{tenant_domain}")
}

impl CalendarEvent {
    /// The whole iCalendar object, CRLF, lines folded at 75 octets.
    pub fn to_ics(&self, method: CalendarMethod) -> String {
        let status = match method {
            CalendarMethod::Request | CalendarMethod::Publish if self.tentative => "TENTATIVE",
            CalendarMethod::Request | CalendarMethod::Publish => "CONFIRMED",
            CalendarMethod::Cancel => "CANCELLED",
        };
        let mut lines = Lines::default();
        lines.push("BEGIN:VCALENDAR");
        lines.push("VERSION:2.0");
        lines.push("PRODID:-//Horae//Appointments//EN");
        lines.push("CALSCALE:GREGORIAN");
        lines.push(&format!("METHOD:{}", method.name()));
        let by_wall_clock = self.has_unambiguous_wall_clock();
        if by_wall_clock {
            zone::write(&mut lines, self.time_zone, self.starts_at, self.ends_at);
        }
        lines.push("BEGIN:VEVENT");
        lines.push(&format!("UID:{}", text(&self.uid)));
        lines.push(&format!("DTSTAMP:{}", utc(self.stamp)));
        lines.push(&format!("SEQUENCE:{}", self.revision));
        for (name, at) in [("DTSTART", self.starts_at), ("DTEND", self.ends_at)] {
            lines.push(&if by_wall_clock {
                let local = at.with_timezone(&self.time_zone).naive_local();
                format!("{name};TZID={}:{}", self.time_zone.name(), wall(local))
            } else {
                format!("{name}:{}", utc(at))
            });
        }
        lines.push(&format!("SUMMARY:{}", text(&self.summary)));
        lines.push(&format!("LOCATION:{}", text(&self.location)));
        lines.push(&format!("DESCRIPTION:{}", text(&self.description)));
        lines.push(&format!("ORGANIZER{}:mailto:{}", common_name(&self.organizer), self.organizer.email));
        if let Some(attendee) = &self.attendee {
            // Accepted already, by booking: the calendar shall enter it, not ask.
            lines.push(&format!(
                "ATTENDEE{};ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=FALSE:mailto:{}",
                common_name(attendee),
                attendee.email
            ));
        }
        lines.push(&format!("STATUS:{status}"));
        // What is treated is nobody's business in a shared calendar.
        lines.push("CLASS:PRIVATE");
        lines.push("TRANSP:OPAQUE");
        lines.push("END:VEVENT");
        lines.push("END:VCALENDAR");
        lines.0
    }

    /// RFC 5545 §3.3.5 reads a wall time that happens twice as its first occurrence, so the second one cannot be said
    /// with a TZID; such an event is given in UTC.
    fn has_unambiguous_wall_clock(&self) -> bool {
        [self.starts_at, self.ends_at].into_iter().all(|at| {
            let local = at.with_timezone(&self.time_zone).naive_local();
            self.time_zone.from_local_datetime(&local).earliest().is_some_and(|first| first.with_timezone(&Utc) == at)
        })
    }
}

/// Content lines with their endings, folded.
#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Adds one line: at most 75 octets each, never inside a character; a continuation begins with one space.
    fn push(&mut self, line: &str) {
        const LIMIT_OCTETS: usize = 75;
        let mut used = 0;
        for c in line.chars() {
            if used + c.len_utf8() > LIMIT_OCTETS {
                self.0.push_str("\r\n ");
                used = 1;
            }
            self.0.push(c);
            used += c.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

/// A TEXT value: the four escapes, and no other control character.
fn text(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.replace("\r\n", "\n").chars() {
        match c {
            '\\' => escaped.push_str("\\\\"),
            ';' => escaped.push_str("\\;"),
            ',' => escaped.push_str("\\,"),
            '\n' | '\r' => escaped.push_str("\\n"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

fn common_name(mailbox: &Mailbox) -> String {
    let Some(name) = &mailbox.name else {
        return String::new();
    };
    let mut quoted = String::from(";CN=\"");
    for c in name.chars() {
        match c {
            '^' => quoted.push_str("^^"),
            '"' => quoted.push_str("^'"),
            '\n' => quoted.push_str("^n"),
            c if c.is_control() => {}
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

fn utc(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

fn wall(local: chrono::NaiveDateTime) -> String {
    local.format("%Y%m%dT%H%M%S").to_string()
}

/// Seconds east of UTC in a zone at an instant.
fn offset_seconds(zone: Tz, at: DateTime<Utc>) -> i32 {
    zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()
}

#[cfg(test)]
mod tests;
