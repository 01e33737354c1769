//! Offsets from UTC and the instants at which they change.
//!
//! Everything here asks only "which offset holds at this instant", which has exactly one answer in every zone.

use chrono::{DateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use super::format::format_offset;

/// No zone was ever further from UTC than this (Manila before 1845: −15:56).
pub(super) const FURTHEST_OFFSET_SECONDS: i64 = 16 * 3600;

/// How far apart instants are probed when looking for a change. No zone ever changed twice within less than 95 hours
/// (Freetown 1939), so a step of two days cannot jump over a change and its reversal.
pub(super) const PROBE_SECONDS: i64 = 48 * 3600;

/// How far [`next_transition`] looks: two years hold every yearly rule, also one that pauses for a year.
const HORIZON_SECONDS: i64 = 731 * 24 * 3600;

/// Offset in seconds east of UTC at a Unix time; 0 outside chrono's range.
pub(super) fn offset_seconds(tz: Tz, unix: i64) -> i64 {
    DateTime::from_timestamp(unix, 0)
        .map_or(0, |utc| i64::from(tz.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc()))
}

/// The Unix time as an instant, held at the end of chrono's range.
pub(super) fn instant(unix: i64) -> DateTime<Utc> {
    let end = if unix < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    DateTime::from_timestamp(unix, 0).unwrap_or(end)
}

/// The first second in `(before, holds_at]` at which `predicate` holds, which must hold from there on.
pub(super) fn first_second(before: i64, holds_at: i64, predicate: impl Fn(i64) -> bool) -> i64 {
    let (mut fails, mut holds) = (before, holds_at);
    while holds - fails > 1 {
        let middle = fails + (holds - fails) / 2;
        if predicate(middle) {
            holds = middle;
        } else {
            fails = middle;
        }
    }
    holds
}

/// The first second in `(after, until]` whose offset differs from the second before.
pub(super) fn next_change(tz: Tz, after: i64, until: i64) -> Option<i64> {
    let offset = offset_seconds(tz, after);
    let mut unchanged = after;
    while unchanged < until {
        let probe = unchanged.saturating_add(PROBE_SECONDS).min(until);
        if offset_seconds(tz, probe) != offset {
            return Some(first_second(unchanged, probe, |second| offset_seconds(tz, second) != offset));
        }
        unchanged = probe;
    }
    None
}

/// The first instant after `after` at which the zone's offset changes, to the second; `None` if it does not change
/// within two years. A change of name or of the daylight-saving flag alone is no transition.
pub fn next_transition(tz: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let after = after.timestamp();
    next_change(tz, after, after.saturating_add(HORIZON_SECONDS)).map(instant)
}

/// The zone's offset at `now`, as `-04:00`.
pub fn utc_offset_now(tz: Tz, now: DateTime<Utc>) -> String {
    format_offset(&now.with_timezone(&tz))
}
