//! How instants and wall-clock times are written in the API and in mails.

use chrono::{DateTime, NaiveDateTime, NaiveTime, Offset, SecondsFormat, Timelike};
use chrono_tz::Tz;

/// The offset from UTC at that moment: `-04:00`, `+05:45`, `+00:00`. Local mean times of long ago keep their seconds
/// (`-04:42:45`).
pub fn format_offset(at: &DateTime<Tz>) -> String {
    let east = at.offset().fix().local_minus_utc();
    let sign = if east < 0 { '-' } else { '+' };
    let east = east.unsigned_abs();
    let (hours, minutes, seconds) = (east / 3600, east / 60 % 60, east % 60);
    if seconds == 0 {
        format!("{sign}{hours:02}:{minutes:02}")
    } else {
        format!("{sign}{hours:02}:{minutes:02}:{seconds:02}")
    }
}

/// RFC 3339 with a numeric offset (`2026-07-15T08:00:00-04:00`), never `Z`; fractions only if there are any.
pub fn format_instant(at: &DateTime<Tz>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

/// Wall clock without offset: `2026-07-15T08:00`, with seconds only if they are not zero.
pub fn format_local(local: NaiveDateTime) -> String {
    format!("{}T{}", local.date().format("%Y-%m-%d"), format_local_time(local.time()))
}

/// Time of day: `08:00`, with seconds only if they are not zero.
pub fn format_local_time(time: NaiveTime) -> String {
    let pattern = if time.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    time.format(pattern).to_string()
}
