//! An agenda as a calendar to subscribe to (RFC 5545). Instants are written in UTC: a subscriber's calendar shows them
//! by its own clock, and asks again when they change.

use super::{Lines, event_uid, text, utc};
use crate::domain::agenda::feed::Feed;

/// The whole iCalendar object, CRLF, lines folded at 75 octets.
pub fn feed(feed: &Feed) -> String {
    let mut lines = Lines::default();
    lines.push("BEGIN:VCALENDAR");
    lines.push("VERSION:2.0");
    lines.push("PRODID:-//Horae//Agenda//EN");
    lines.push("CALSCALE:GREGORIAN");
    lines.push("METHOD:PUBLISH");
    lines.push(&format!("X-WR-CALNAME:{}", text(&feed.name)));
    lines.push("REFRESH-INTERVAL;VALUE=DURATION:PT15M");
    for entry in &feed.entries {
        lines.push("BEGIN:VEVENT");
        lines.push(&format!("UID:{}", text(&event_uid(&entry.id.to_string(), &feed.id_domain))));
        lines.push(&format!("DTSTAMP:{}", utc(feed.read_at)));
        lines.push(&format!("SEQUENCE:{}", entry.revision));
        lines.push(&format!("DTSTART:{}", utc(entry.start_at)));
        lines.push(&format!("DTEND:{}", utc(entry.end_at)));
        lines.push(&format!("SUMMARY:{}", text(&format!("{} · {}", entry.treatments, entry.code))));
        lines.push(&format!("LOCATION:{}", text(&entry.branch)));
        lines.push("CLASS:PRIVATE");
        lines.push("TRANSP:OPAQUE");
        lines.push("END:VEVENT");
    }
    lines.push("END:VCALENDAR");
    lines.0
}
