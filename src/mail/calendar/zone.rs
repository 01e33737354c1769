//! VTIMEZONE from the rules this binary was built with.
//!
//! Only the years around the event are described, each change as an observance of its own with an explicit onset:
//! recurrence rules would promise a future that legislators keep changing, and an event needs none.

use chrono::{DateTime, Datelike, Duration, TimeZone, Utc};
use chrono_tz::{OffsetComponents, OffsetName, Tz};

use super::{Lines, offset_seconds, wall};

/// The moment at which clocks in a zone begin to show another offset.
pub(super) struct Change {
    pub(super) at: DateTime<Utc>,
    from_seconds: i32,
    to_seconds: i32,
}

/// Writes the zone as it is from a year before `start` to a year after `end`.
pub(super) fn write(lines: &mut Lines, zone: Tz, start: DateTime<Utc>, end: DateTime<Utc>) {
    let first = new_year(start.year() - 1, start - Duration::days(366));
    let last = new_year(end.year() + 2, end + Duration::days(366));
    lines.push("BEGIN:VTIMEZONE");
    lines.push(&format!("TZID:{}", zone.name()));
    // What is in force when the description begins; nothing before it matters to the event.
    let initial = offset_seconds(zone, first);
    let mut described = vec![Change { at: first, from_seconds: initial, to_seconds: initial }];
    described.extend(changes(zone, first, last));
    // Where the rules call the winter's time the saving one (Dublin, Casablanca), the rest is what readers know as summer:
    // with all parts STANDARD, those that look for one of each kind would see no change.
    let saves_in_winter = described.iter().any(|change| saving(zone, change) < Duration::zero());
    for change in &described {
        let saving = saving(zone, change);
        let is_summer = saving > Duration::zero() || saves_in_winter && saving.is_zero();
        observance(lines, zone, change, if is_summer { "DAYLIGHT" } else { "STANDARD" });
    }
    lines.push("END:VTIMEZONE");
}

/// How far the clocks are put away from the zone's own time from a change on.
fn saving(zone: Tz, change: &Change) -> Duration {
    zone.offset_from_utc_datetime(&change.at.naive_utc()).dst_offset()
}

fn new_year(year: i32, otherwise: DateTime<Utc>) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).single().unwrap_or(otherwise)
}

fn observance(lines: &mut Lines, zone: Tz, change: &Change, kind: &str) {
    let offset = zone.offset_from_utc_datetime(&change.at.naive_utc());
    lines.push(&format!("BEGIN:{kind}"));
    // The onset is written in the wall time that ends with it (RFC 5545 §3.6.5).
    let onset = change.at.naive_utc() + Duration::seconds(i64::from(change.from_seconds));
    lines.push(&format!("DTSTART:{}", wall(onset)));
    lines.push(&format!("TZOFFSETFROM:{}", offset_text(change.from_seconds)));
    lines.push(&format!("TZOFFSETTO:{}", offset_text(change.to_seconds)));
    if let Some(name) = offset.abbreviation() {
        lines.push(&format!("TZNAME:{name}"));
    }
    lines.push(&format!("END:{kind}"));
}

/// Every change of offset in `(first, last]`, found by comparing day by day and halving: the table of changes inside
/// chrono-tz is private, and no zone has ever gone there and back within a day.
pub(super) fn changes(zone: Tz, first: DateTime<Utc>, last: DateTime<Utc>) -> Vec<Change> {
    let mut found = Vec::new();
    let mut day = first;
    while day < last {
        let next = day + Duration::days(1);
        let (from_seconds, to_seconds) = (offset_seconds(zone, day), offset_seconds(zone, next));
        if from_seconds != to_seconds {
            let (mut before, mut after) = (day, next);
            while after - before > Duration::seconds(1) {
                let middle = before + Duration::seconds((after - before).num_seconds() / 2);
                if offset_seconds(zone, middle) == from_seconds {
                    before = middle;
                } else {
                    after = middle;
                }
            }
            found.push(Change { at: after, from_seconds, to_seconds });
        }
        day = next;
    }
    found
}

/// `+HHMM`, or `+HHMMSS` for the local mean times of old.
fn offset_text(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let absolute = seconds.unsigned_abs();
    let (hours, minutes, rest) = (absolute / 3600, absolute / 60 % 60, absolute % 60);
    if rest == 0 { format!("{sign}{hours:02}{minutes:02}") } else { format!("{sign}{hours:02}{minutes:02}{rest:02}") }
}
