//! Ranges of instants and of local dates.

use std::ops::Range;

use async_graphql::{InputObject, SimpleObject};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::schema::scalar::{Instant, LocalDate, LocalDateTime, TimeZone};

/// From one instant until before another.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct DateTimeRange {
    /// First instant in it.
    pub from: Instant,
    /// First instant after it.
    pub to: Instant,
}

/// From one local date to another, both included.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct LocalDateRange {
    /// First date in it.
    pub from: LocalDate,
    /// Last date in it.
    pub to: LocalDate,
}

/// From one instant until before another, and what a branch's clock shows then.
#[derive(SimpleObject, Clone, Debug)]
pub struct TimeRange {
    /// First instant in it.
    pub start: Instant,
    /// First instant after it.
    pub end: Instant,
    /// Start on the branch's clock.
    pub local_start: LocalDateTime,
    /// End on the branch's clock.
    pub local_end: LocalDateTime,
    /// The branch's zone.
    pub time_zone: TimeZone,
}

impl TimeRange {
    /// The API's form of a range in a branch's zone.
    #[must_use]
    pub fn new(range: Range<DateTime<Utc>>, zone: Tz) -> Self {
        let local = |at: DateTime<Utc>| LocalDateTime(at.with_timezone(&zone).naive_local());
        Self {
            start: Instant::in_zone(range.start, zone),
            end: Instant::in_zone(range.end, zone),
            local_start: local(range.start),
            local_end: local(range.end),
            time_zone: TimeZone(zone),
        }
    }
}

/// For the domain.
pub(super) fn range(input: DateTimeRange) -> Range<DateTime<Utc>> {
    input.from.to_utc()..input.to.to_utc()
}
