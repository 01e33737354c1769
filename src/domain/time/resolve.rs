//! From a wall-clock time to the instant, or instants, at which the zone's clocks show it.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeZone};
use chrono_tz::Tz;

use super::day::local_day;
use super::format::{format_instant, format_local};
use super::offset::{FURTHEST_OFFSET_SECONDS, first_second, instant, offset_seconds};

/// What a wall-clock time means in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalResolution {
    /// The clocks show it once.
    Unique(DateTime<Tz>),
    /// The clocks never show it: they were put forward over it.
    Gap {
        /// The instant of the change, which is the first one with a later wall-clock time.
        next_valid: DateTime<Tz>,
    },
    /// The clocks show it twice: they were put back over it.
    Overlap {
        /// The earlier instant.
        first: DateTime<Tz>,
        /// The later instant.
        second: DateTime<Tz>,
    },
}

/// Finds what `local` means in the zone. Holds for every zone and every size of change: half an hour (Lord Howe), two
/// hours (Troll), a whole day (Apia, 30 December 2011).
pub fn resolve(tz: Tz, local: NaiveDateTime) -> LocalResolution {
    match tz.from_local_datetime(&local) {
        LocalResult::Single(only) => LocalResolution::Unique(only),
        LocalResult::Ambiguous(first, second) => LocalResolution::Overlap { first, second },
        LocalResult::None => LocalResolution::Gap { next_valid: end_of_gap(tz, local) },
    }
}

/// Around a gap the wall clock is below `local` before the change and above it afterwards, so bisection finds it.
fn end_of_gap(tz: Tz, local: NaiveDateTime) -> DateTime<Tz> {
    let wall = local.and_utc().timestamp();
    let (before, after) = (wall - FURTHEST_OFFSET_SECONDS, wall + FURTHEST_OFFSET_SECONDS);
    let change = first_second(before, after, |second| second + offset_seconds(tz, second) > wall);
    instant(change).with_timezone(&tz)
}

/// What to do with an appointment whose local time does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GapPolicy {
    /// Take the first instant after the gap.
    ShiftForward,
    /// Leave this occurrence of a series out.
    Skip,
    /// Refuse, and tell the next valid time. What a person who typed the time gets.
    #[default]
    Reject,
}

/// What to do with an appointment whose local time exists twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OverlapPolicy {
    /// Take the earlier instant.
    First,
    /// Take the later instant.
    Second,
    /// Refuse, and tell both. What a person who typed the time gets.
    #[default]
    Reject,
}

/// Why a local time gives no instant for an appointment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalTimeError {
    /// The zone's clocks never show it.
    #[error("{} does not exist in {zone}; the next valid time is {}", format_local(*requested), format_instant(next_valid))]
    Nonexistent {
        /// The wall-clock time that was asked for.
        requested: NaiveDateTime,
        /// The zone it was asked for in.
        zone: Tz,
        /// First instant after the gap.
        next_valid: DateTime<Tz>,
    },
    /// The zone's clocks show it twice.
    #[error(
        "{} happens twice in {zone}: {} and {}",
        format_local(*requested),
        format_instant(&candidates[0]),
        format_instant(&candidates[1])
    )]
    Ambiguous {
        /// The wall-clock time that was asked for.
        requested: NaiveDateTime,
        /// The zone it was asked for in.
        zone: Tz,
        /// Both instants, earlier first.
        candidates: [DateTime<Tz>; 2],
    },
}

/// The instant of an appointment at a wall-clock time, `None` if [`GapPolicy::Skip`] leaves it out.
///
/// [`GapPolicy::ShiftForward`] does not carry an appointment over a date that is missing as a whole (Apia, 30 December
/// 2011): nobody who asked for that day at 10:00 wants midnight of another day, so this is refused.
///
/// # Errors
/// [`LocalTimeError::Nonexistent`] in a gap and [`LocalTimeError::Ambiguous`] in an overlap, unless the policy decides.
pub fn appointment_instant(
    tz: Tz,
    local: NaiveDateTime,
    gap: GapPolicy,
    overlap: OverlapPolicy,
) -> Result<Option<DateTime<Tz>>, LocalTimeError> {
    match (resolve(tz, local), gap, overlap) {
        (LocalResolution::Unique(only), _, _) => Ok(Some(only)),
        (LocalResolution::Gap { .. }, GapPolicy::Skip, _) => Ok(None),
        (LocalResolution::Gap { next_valid }, GapPolicy::ShiftForward, _) if local_day(tz, local.date()).is_some() => {
            Ok(Some(next_valid))
        }
        (LocalResolution::Gap { next_valid }, GapPolicy::ShiftForward | GapPolicy::Reject, _) => {
            Err(LocalTimeError::Nonexistent { requested: local, zone: tz, next_valid })
        }
        (LocalResolution::Overlap { first, .. }, _, OverlapPolicy::First) => Ok(Some(first)),
        (LocalResolution::Overlap { second, .. }, _, OverlapPolicy::Second) => Ok(Some(second)),
        (LocalResolution::Overlap { first, second }, _, OverlapPolicy::Reject) => {
            Err(LocalTimeError::Ambiguous { requested: local, zone: tz, candidates: [first, second] })
        }
    }
}
