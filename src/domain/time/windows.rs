//! Weekly windows (opening hours, schedules, quiet hours) and what they are on one local date.

use std::ops::Range;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Utc, Weekday};
use chrono_tz::Tz;

use super::offset::{FURTHEST_OFFSET_SECONDS, instant, next_change, offset_seconds};
use super::ranges::normalise;

/// A stretch of wall-clock time that recurs every week, within one day.
///
/// `end` 00:00 is midnight at the end of the day, as 24:00 cannot be written. Hours past midnight (22:00 to 02:00) are
/// two windows, one on each day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeeklyWindow {
    day: Weekday,
    start: NaiveTime,
    end: NaiveTime,
    valid_from: Option<NaiveDate>,
    valid_to: Option<NaiveDate>,
}

/// Why a weekly window was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// It would be empty or run over midnight.
    #[error("a window ends after it starts, on the same day (00:00 means midnight at its end); split it at midnight")]
    EndNotAfterStart,
    /// It would never be valid.
    #[error("a window cannot stop being valid before it starts")]
    ValidToBeforeFrom,
}

impl WeeklyWindow {
    /// A window on `day` from `start` until `end`, valid on dates from `valid_from` to `valid_to`, both included;
    /// `None` is without limit.
    ///
    /// # Errors
    /// [`WindowError`] if no time could ever lie in it, or if it runs over midnight.
    pub fn try_new(
        day: Weekday,
        hours: Range<NaiveTime>,
        valid_from: Option<NaiveDate>,
        valid_to: Option<NaiveDate>,
    ) -> Result<Self, WindowError> {
        let Range { start, end } = hours;
        if end <= start && end != NaiveTime::MIN {
            return Err(WindowError::EndNotAfterStart);
        }
        if valid_from.zip(valid_to).is_some_and(|(from, to)| to < from) {
            return Err(WindowError::ValidToBeforeFrom);
        }
        Ok(Self { day, start, end, valid_from, valid_to })
    }

    /// Day of the week.
    pub fn day(&self) -> Weekday {
        self.day
    }

    /// First time of day in the window.
    pub fn start(&self) -> NaiveTime {
        self.start
    }

    /// First time of day after the window; 00:00 is midnight at the end of the day.
    pub fn end(&self) -> NaiveTime {
        self.end
    }

    /// First date on which it is valid.
    pub fn valid_from(&self) -> Option<NaiveDate> {
        self.valid_from
    }

    /// Last date on which it is valid.
    pub fn valid_to(&self) -> Option<NaiveDate> {
        self.valid_to
    }

    fn is_on(&self, date: NaiveDate) -> bool {
        self.day == date.weekday()
            && self.valid_from.is_none_or(|from| from <= date)
            && self.valid_to.is_none_or(|to| date <= to)
    }

    fn ends_at_midnight(&self) -> bool {
        self.end == NaiveTime::MIN
    }

    fn clashes_with(&self, other: &Self) -> bool {
        let starts_before_end_of = |one: &Self, two: &Self| two.ends_at_midnight() || one.start < two.end;
        let valid_before_end_of =
            |one: &Self, two: &Self| one.valid_from.zip(two.valid_to).is_none_or(|(from, to)| from <= to);
        self.day == other.day
            && starts_before_end_of(self, other)
            && starts_before_end_of(other, self)
            && valid_before_end_of(self, other)
            && valid_before_end_of(other, self)
    }
}

/// Positions of two windows that share a time of day on some date, if any do.
pub fn find_clash(windows: &[WeeklyWindow]) -> Option<(usize, usize)> {
    windows.iter().enumerate().find_map(|(first, window)| {
        let later = windows.iter().enumerate().skip(first + 1);
        later.filter(|(_, other)| window.clashes_with(other)).map(|(second, _)| (first, second)).next()
    })
}

/// The instants of one local date that lie in the windows, as a set of ranges.
///
/// An instant lies in a window exactly if the zone's wall clock then shows `date` and a time in the window. So a window
/// loses the minutes of a gap, and has those of an overlap twice: one that spans the overlap is one longer range, one
/// that begins or ends within it can be two. A skipped date has none. Lengths are elapsed time.
pub fn expand(windows: &[WeeklyWindow], tz: Tz, date: NaiveDate) -> Vec<Range<DateTime<Utc>>> {
    let mut ranges = Vec::new();
    for window in windows.iter().filter(|window| window.is_on(date)) {
        let last_date = if window.ends_at_midnight() { date.succ_opt() } else { Some(date) };
        let Some(last_date) = last_date else { continue };
        collect_shown(tz, date.and_time(window.start)..last_date.and_time(window.end), &mut ranges);
    }
    normalise(ranges)
}

/// Appends the instants at which the wall clock shows a time in `wall`, offset by offset.
fn collect_shown(tz: Tz, wall: Range<NaiveDateTime>, ranges: &mut Vec<Range<DateTime<Utc>>>) {
    let wall = wall.start.and_utc().timestamp()..wall.end.and_utc().timestamp();
    let until = wall.end + FURTHEST_OFFSET_SECONDS;
    let mut from = wall.start - FURTHEST_OFFSET_SECONDS;
    while from < until {
        let offset = offset_seconds(tz, from);
        let change = next_change(tz, from, until).unwrap_or(until);
        let shown = (wall.start - offset).max(from)..(wall.end - offset).min(change);
        if !shown.is_empty() {
            ranges.push(instant(shown.start)..instant(shown.end));
        }
        from = change;
    }
}
