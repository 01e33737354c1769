//! The rules over every compiled zone, at and around every change of offset since 1900.
//!
//! The oracle asks only which offset holds at an instant, which cannot be ambiguous: a wall-clock time exists at the
//! instants `local − offset` for those offsets, near it, that give the wall-clock time back.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc, Weekday};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;

use super::utc;
use crate::domain::time::offset::{PROBE_SECONDS, first_second, instant, offset_seconds};
use crate::domain::time::{
    LocalResolution, ReminderTimes, WeeklyWindow, day_of, expand, job_instant, local_day, next_transition,
    reminder_due, resolve,
};

/// Every change of offset: zone and first second of the new offset. Walked in finer steps than the code under test
/// takes, so that a step too wide there shows.
static CHANGES: LazyLock<Vec<(Tz, i64)>> = LazyLock::new(|| {
    let (start, end) = (utc("1900-01-01T00:00:00Z").timestamp(), utc("2040-01-01T00:00:00Z").timestamp());
    let mut changes = Vec::new();
    for tz in TZ_VARIANTS {
        let mut offset = offset_seconds(tz, start);
        for probe in (start..end).step_by(36 * 3600).skip(1) {
            let offset_then = offset_seconds(tz, probe);
            if offset_then != offset {
                let changed = |second| offset_seconds(tz, second) != offset;
                changes.push((tz, first_second(probe - 36 * 3600, probe, changed)));
                offset = offset_then;
            }
        }
    }
    changes
});

fn wall(tz: Tz, unix: i64) -> NaiveDateTime {
    instant(unix).with_timezone(&tz).naive_local()
}

/// All instants that show `local`, by trying the offsets on both sides of a change.
fn shown_at(tz: Tz, local: NaiveDateTime, offsets: [i64; 2]) -> BTreeSet<DateTime<Utc>> {
    let seconds = local.and_utc().timestamp();
    let tried = offsets.into_iter().map(|offset| seconds - offset);
    tried.filter(|unix| wall(tz, *unix) == local).map(instant).collect()
}

/// Wall-clock times at, just around, and amid the stretch that a change skips or repeats.
fn around(tz: Tz, change: i64) -> Vec<NaiveDateTime> {
    let (before, after) = (offset_seconds(tz, change - 1), offset_seconds(tz, change));
    let (low, high) = (change + before.min(after), change + before.max(after));
    let walls = [low - 1, low, i64::midpoint(low, high), high - 1, high, high + 1];
    walls.into_iter().map(|unix| instant(unix).naive_utc()).collect()
}

#[test]
fn every_local_time_around_a_change_resolves_to_what_the_clocks_show() {
    assert!(CHANGES.len() > 40_000, "{}", CHANGES.len());
    for (tz, change) in CHANGES.iter().copied() {
        let offsets = [offset_seconds(tz, change - 1), offset_seconds(tz, change)];
        for local in around(tz, change) {
            let shown: Vec<_> = shown_at(tz, local, offsets).into_iter().collect();
            match (resolve(tz, local), shown.as_slice()) {
                (LocalResolution::Unique(at), [only]) => assert_eq!(at, *only, "{tz} {local}"),
                (LocalResolution::Overlap { first, second }, [one, two]) => {
                    assert!(first < second, "{tz} {local}");
                    assert_eq!((first.to_utc(), second.to_utc()), (*one, *two), "{tz} {local}");
                    assert_eq!((first.naive_local(), second.naive_local()), (local, local));
                }
                (LocalResolution::Gap { next_valid }, []) => {
                    // Nothing valid lies between: the wall clock one second earlier is still below.
                    assert_eq!(next_valid.timestamp(), change, "{tz} {local}");
                    assert!(next_valid.naive_local() > local, "{tz} {local}");
                    assert!(wall(tz, change - 1) < local, "{tz} {local}");
                }
                (found, shown) => panic!("{tz} {local}: {found:?} but shown at {shown:?}"),
            }
        }
    }
}

#[test]
fn no_zone_changes_twice_within_the_probing_step() {
    let pairs = CHANGES.iter().zip(CHANGES.iter().skip(1)).filter(|(one, next)| one.0 == next.0);
    let closest = pairs.map(|(one, next)| next.1 - one.1).min();
    assert!(closest > Some(PROBE_SECONDS), "{closest:?}");
}

#[test]
fn days_around_every_change_tile_time_and_jobs_keep_the_order_of_dates() {
    let times = ["00:00", "02:30", "08:00", "23:30"].map(super::time);
    for (tz, change) in CHANGES.iter().copied() {
        let first = wall(tz, change).date() - TimeDelta::days(3);
        let dates: Vec<_> = first.iter_days().take(7).collect();
        let days: Vec<_> = dates.iter().filter_map(|date| local_day(tz, *date).map(|day| (*date, day))).collect();
        assert!(days.len() >= dates.len() - 1, "{tz} {first}");
        for ((_, one), (_, next)) in days.iter().zip(days.iter().skip(1)) {
            assert_eq!(one.end, next.start, "{tz} {first}");
        }
        for (date, day) in &days {
            assert!(day.start < day.end, "{tz} {date}");
            assert_eq!(day.start.with_timezone(&tz).date_naive(), *date, "{tz}");
            let middle = day.start + (day.end - day.start) / 2;
            for at in [day.start, middle, day.end - TimeDelta::nanoseconds(1)] {
                assert_eq!(day_of(tz, at), *date, "{tz} {at}");
            }
        }
        for time in times {
            let due: Vec<_> = dates.iter().filter_map(|date| job_instant(tz, *date, time)).collect();
            assert_eq!(due.len(), days.len(), "{tz} {first} {time}");
            assert!(due.is_sorted_by(|one, next| one < next), "{tz} {first} {time}: {due:?}");
        }
    }
}

#[test]
fn windows_of_the_whole_day_hold_the_instants_that_show_its_date() {
    let week = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
    let midnight = super::time("00:00");
    let windows: Vec<_> =
        week.into_iter().filter_map(|day| WeeklyWindow::try_new(day, midnight..midnight, None, None).ok()).collect();
    assert_eq!(windows.len(), 7);
    for (tz, change) in CHANGES.iter().copied() {
        let at = instant(change);
        let date = at.with_timezone(&tz).date_naive();
        let ranges = expand(&windows, tz, date);
        for offset in [-86_400, -3_600, -1, 0, 1, 3_600, 86_400] {
            let probe = instant(change + offset);
            let open = ranges.iter().any(|range| range.contains(&probe));
            assert_eq!(open, probe.with_timezone(&tz).date_naive() == date, "{tz} {probe}");
        }
    }
}

#[test]
fn the_next_transition_is_the_next_change() {
    // Every 7th change is enough: the walk over two years is the slow part.
    let pairs = CHANGES.iter().zip(CHANGES.iter().skip(1)).filter(|(one, next)| one.0 == next.0);
    for ((tz, change), (_, next)) in pairs.step_by(7).take(4_000) {
        let found = next_transition(*tz, instant(*change));
        assert_eq!(found, (next - change <= 731 * 86_400).then(|| instant(*next)), "{tz} {change}");
    }
}

fn any_zone() -> impl Strategy<Value = Tz> {
    proptest::sample::select(TZ_VARIANTS.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_instant_is_found_again_from_its_wall_clock(tz in any_zone(), unix in -2_208_000_000_i64..4_000_000_000) {
        let at = instant(unix);
        match resolve(tz, wall(tz, unix)) {
            LocalResolution::Unique(found) => prop_assert_eq!(found, at),
            LocalResolution::Overlap { first, second } => prop_assert!(first == at || second == at),
            LocalResolution::Gap { next_valid } => prop_assert!(false, "{} shown at {} is in a gap up to {}", tz, at, next_valid),
        }
        let day = local_day(tz, day_of(tz, at));
        prop_assert!(day.is_some_and(|day| day.contains(&at)));
    }

    #[test]
    fn a_reminder_lies_between_booking_and_start(
        tz in any_zone(), start in 0_i64..4_000_000_000, booked_before in 0_i64..200_000, morning in 0_u32..24, evening in 0_u32..24,
    ) {
        let hour = |hour: u32| super::time(&format!("{hour:02}:00"));
        let times = ReminderTimes { on_the_day: hour(morning), evening_before: hour(evening) };
        let (start, booked_at) = (instant(start), instant(start - booked_before));
        if let Some(due) = reminder_due(tz, start, times, booked_at) {
            prop_assert!(booked_at <= due.instant && due.instant < start);
            prop_assert_eq!(due.appointment_date, start.with_timezone(&tz).date_naive());
            if due.date == due.appointment_date {
                prop_assert!(start - due.instant >= TimeDelta::hours(1));
            }
        }
    }
}
