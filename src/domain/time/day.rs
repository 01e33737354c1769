//! Local days, and the instant at which a recurring job is due on one.

use std::ops::Range;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;

use super::resolve::{LocalResolution, resolve};

/// The instants of a local date: from the first instant that bears it to the first instant of a later date. 23 and 25
/// hours are normal, more or less is possible. `None` if the zone skipped the date as a whole.
///
/// Consecutive days tile time: none overlaps, none is missing. That holds also where clocks are put back across
/// midnight after the new date has begun (St. John's until 2011, from 00:01 to 23:01): the repeated minutes of the old
/// date count for the day that has already begun, so a day that was closed never opens again. [`day_of`] tells it.
pub fn local_day(tz: Tz, date: NaiveDate) -> Option<Range<DateTime<Utc>>> {
    let start = first_instant_from(tz, date);
    if start.date_naive() != date {
        return None;
    }
    let end = first_instant_from(tz, date.succ_opt()?);
    Some(start.with_timezone(&Utc)..end.with_timezone(&Utc))
}

/// The date whose [`local_day`] holds the instant: the wall-clock date, except in minutes of yesterday that are
/// repeated after today has begun.
pub fn day_of(tz: Tz, at: DateTime<Utc>) -> NaiveDate {
    let shown = at.with_timezone(&tz).date_naive();
    match shown.succ_opt() {
        // A repeated stretch may be a whole day long (Kwajalein 1969), never more.
        Some(next) if first_instant_from(tz, next) <= at => next,
        _ => shown,
    }
}

/// When a day begins: the first instant whose local date is `date` or later, also where the zone's clocks jump over
/// midnight or show it twice.
pub fn day_start(tz: Tz, date: NaiveDate) -> DateTime<Utc> {
    first_instant_from(tz, date).to_utc()
}

/// The first instant whose local date is `date` or later.
fn first_instant_from(tz: Tz, date: NaiveDate) -> DateTime<Tz> {
    match resolve(tz, date.and_time(NaiveTime::MIN)) {
        LocalResolution::Unique(midnight) => midnight,
        LocalResolution::Overlap { first, .. } => first,
        LocalResolution::Gap { next_valid } => next_valid,
    }
}

/// When a recurring job at `time` on `date` is due.
///
/// - In a gap: the first instant after the gap. The job is still dated `date`, even in the rare zone where the gap ends
///   at midnight and that instant belongs to the next date.
/// - In an overlap: the first of the two, and only that one.
/// - On a date that the zone skipped as a whole: `None`, nothing is due.
pub fn job_instant(tz: Tz, date: NaiveDate, time: NaiveTime) -> Option<DateTime<Utc>> {
    let due = match resolve(tz, date.and_time(time)) {
        LocalResolution::Unique(only) => only,
        LocalResolution::Overlap { first, .. } => first,
        LocalResolution::Gap { next_valid } => {
            local_day(tz, date)?;
            next_valid
        }
    };
    Some(due.with_timezone(&Utc))
}
