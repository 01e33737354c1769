//! Expected instants, row by row.

use std::process::Command;

use chrono::{NaiveTime, TimeDelta};
use chrono_tz::Tz;

use super::{date, local, span, time, utc, zone};
use crate::domain::time::{
    GapPolicy, LocalResolution, LocalTimeError, OverlapPolicy, appointment_instant, day_of, format_instant,
    format_local, format_offset, job_instant, local_day, next_transition, resolve, utc_offset_now,
};

/// Zone, local date and time, offset, instant of a job.
const PLAIN: &[(&str, &str, &str, &str)] = &[
    ("America/Lima", "2026-07-15T08:00", "-05:00", "2026-07-15T13:00:00Z"),
    ("Europe/Madrid", "2026-07-15T08:00", "+02:00", "2026-07-15T06:00:00Z"),
    ("Europe/Madrid", "2026-01-15T08:00", "+01:00", "2026-01-15T07:00:00Z"),
    ("America/Santiago", "2026-01-15T08:00", "-03:00", "2026-01-15T11:00:00Z"),
    ("America/Santiago", "2026-07-15T08:00", "-04:00", "2026-07-15T12:00:00Z"),
    ("America/Punta_Arenas", "2026-07-15T08:00", "-03:00", "2026-07-15T11:00:00Z"),
    ("Pacific/Easter", "2026-07-15T08:00", "-06:00", "2026-07-15T14:00:00Z"),
    ("Pacific/Easter", "2026-01-15T08:00", "-05:00", "2026-01-15T13:00:00Z"),
    ("Asia/Kathmandu", "2026-07-15T08:00", "+05:45", "2026-07-15T02:15:00Z"),
    ("America/New_York", "2026-03-07T08:00", "-05:00", "2026-03-07T13:00:00Z"),
    ("America/New_York", "2026-03-08T08:00", "-04:00", "2026-03-08T12:00:00Z"),
    ("America/New_York", "2026-10-31T08:00", "-04:00", "2026-10-31T12:00:00Z"),
    ("America/New_York", "2026-11-01T08:00", "-05:00", "2026-11-01T13:00:00Z"),
    ("America/Coyhaique", "2026-07-15T08:00", "-03:00", "2026-07-15T11:00:00Z"),
    ("America/Bogota", "2026-07-15T08:00", "-05:00", "2026-07-15T13:00:00Z"),
    ("America/Argentina/Buenos_Aires", "2026-07-15T08:00", "-03:00", "2026-07-15T11:00:00Z"),
    ("America/Asuncion", "2026-07-15T08:00", "-03:00", "2026-07-15T11:00:00Z"),
    ("America/Caracas", "2026-07-15T08:00", "-04:00", "2026-07-15T12:00:00Z"),
    ("America/Mexico_City", "2026-07-15T08:00", "-06:00", "2026-07-15T14:00:00Z"),
    ("America/Tijuana", "2026-07-15T08:00", "-07:00", "2026-07-15T15:00:00Z"),
    ("Pacific/Galapagos", "2026-07-15T08:00", "-06:00", "2026-07-15T14:00:00Z"),
    ("Atlantic/Canary", "2026-07-15T08:00", "+01:00", "2026-07-15T07:00:00Z"),
    ("Africa/Malabo", "2026-07-15T08:00", "+01:00", "2026-07-15T07:00:00Z"),
    // O2: the hour before midnight repeats, midnight itself does not.
    ("America/Santiago", "2026-04-05T00:00", "-04:00", "2026-04-05T04:00:00Z"),
];

/// Zone, local time that does not exist, instant of a job, next valid time.
const GAPS: &[(&str, &str, &str, &str)] = &[
    ("America/Santiago", "2026-09-06T00:00", "2026-09-06T04:00:00Z", "2026-09-06T01:00:00-03:00"),
    ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:00:00Z", "2026-03-08T03:00:00-04:00"),
    ("Europe/Madrid", "2026-03-29T02:30", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00+02:00"),
    ("America/Havana", "2026-03-08T00:00", "2026-03-08T05:00:00Z", "2026-03-08T01:00:00-04:00"),
    // Half an hour, two hours, and a gap that ends at midnight: the job stays dated the 28th.
    ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00Z", "2026-10-04T02:30:00+11:00"),
    ("Antarctica/Troll", "2026-03-29T02:59:59", "2026-03-29T01:00:00Z", "2026-03-29T03:00:00+02:00"),
    ("America/Nuuk", "2026-03-28T23:30", "2026-03-29T01:00:00Z", "2026-03-29T00:00:00-01:00"),
];

/// Zone, local time that happens twice, both instants; a job takes the first.
const OVERLAPS: &[(&str, &str, &str, &str)] = &[
    ("America/Santiago", "2026-04-04T23:30", "2026-04-05T02:30:00Z", "2026-04-05T03:30:00Z"),
    ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"),
    ("Europe/Madrid", "2026-10-25T02:30", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"),
    ("Antarctica/Troll", "2026-10-25T01:00", "2026-10-24T23:00:00Z", "2026-10-25T01:00:00Z"),
];

#[test]
fn plain_times_have_one_instant() {
    for (name, wall, offset, expected) in PLAIN {
        let (tz, wall) = (zone(name), local(wall));
        assert_eq!(job_instant(tz, wall.date(), wall.time()), Some(utc(expected)), "{name} {wall}");
        let typed = appointment_instant(tz, wall, GapPolicy::Reject, OverlapPolicy::Reject);
        let Ok(Some(at)) = typed else { panic!("{name} {wall}: {typed:?}") };
        assert_eq!(at, utc(expected), "{name} {wall}");
        assert_eq!(format_offset(&at), *offset, "{name} {wall}");
        assert_eq!(format_instant(&at), format!("{}:00{offset}", format_local(wall)));
    }
}

#[test]
fn times_in_a_gap_fire_after_it_and_are_refused_when_typed() {
    for (name, wall, fires, next) in GAPS {
        let (tz, wall) = (zone(name), local(wall));
        assert_eq!(job_instant(tz, wall.date(), wall.time()), Some(utc(fires)), "{name} {wall}");
        let ask = |gap| appointment_instant(tz, wall, gap, OverlapPolicy::Reject);
        let next_valid = utc(next).with_timezone(&tz);
        assert_eq!(format_instant(&next_valid), *next);
        let refusal = LocalTimeError::Nonexistent { requested: wall, zone: tz, next_valid };
        assert!(refusal.to_string().ends_with(next), "{refusal}");
        assert_eq!(ask(GapPolicy::Reject), Err(refusal), "{name} {wall}");
        assert_eq!(ask(GapPolicy::ShiftForward), Ok(Some(next_valid)), "{name} {wall}");
        assert_eq!(ask(GapPolicy::Skip), Ok(None), "{name} {wall}");
    }
}

#[test]
fn times_in_an_overlap_fire_first_and_are_ambiguous_when_typed() {
    for (name, wall, first, second) in OVERLAPS {
        let (tz, wall) = (zone(name), local(wall));
        let (first, second) = (utc(first).with_timezone(&tz), utc(second).with_timezone(&tz));
        assert_eq!(job_instant(tz, wall.date(), wall.time()), Some(first.to_utc()), "{name} {wall}");
        let ask = |overlap| appointment_instant(tz, wall, GapPolicy::Reject, overlap);
        assert_eq!(ask(OverlapPolicy::First), Ok(Some(first)), "{name} {wall}");
        assert_eq!(ask(OverlapPolicy::Second), Ok(Some(second)), "{name} {wall}");
        let refusal = LocalTimeError::Ambiguous { requested: wall, zone: tz, candidates: [first, second] };
        assert!(refusal.to_string().contains("happens twice"), "{refusal}");
        assert_eq!(ask(OverlapPolicy::Reject), Err(refusal), "{name} {wall}");
    }
}

/// Cuba does not put its clocks back in 2026 according to releases from 2026 on, and does according to 2025b. A job is
/// due at the same instant under both; whether a typed time is ambiguous depends on the release.
#[test]
fn havana_fires_at_the_same_instant_under_old_and_new_rules() {
    let (tz, wall) = (Tz::America__Havana, local("2026-11-01T00:30"));
    assert_eq!(job_instant(tz, wall.date(), wall.time()), Some(utc("2026-11-01T04:30:00Z")));
    match appointment_instant(tz, wall, GapPolicy::Reject, OverlapPolicy::Reject) {
        Ok(at) => assert_eq!(at, Some(utc("2026-11-01T04:30:00Z").with_timezone(&tz))),
        Err(LocalTimeError::Ambiguous { candidates: [first, second], .. }) => {
            assert_eq!((first.to_utc(), second.to_utc()), (utc("2026-11-01T04:30:00Z"), utc("2026-11-01T05:30:00Z")));
        }
        Err(other) => panic!("{other}"),
    }
}

/// Apia and Kwajalein crossed the date line and left a date out.
#[test]
fn nothing_is_due_on_a_skipped_date() {
    for (name, skipped, next) in [
        ("Pacific/Apia", "2011-12-30", "2011-12-31T00:00:00+14:00"),
        ("Pacific/Fakaofo", "2011-12-30", "2011-12-31T00:00:00+13:00"),
        ("Pacific/Kwajalein", "1993-08-21", "1993-08-22T00:00:00+12:00"),
        ("Pacific/Kiritimati", "1994-12-31", "1995-01-01T00:00:00+14:00"),
    ] {
        let (tz, skipped, next) = (zone(name), date(skipped), utc(next));
        assert_eq!(local_day(tz, skipped), None, "{name}");
        for at in ["00:00", "08:00", "23:59:59"].map(time) {
            assert_eq!(job_instant(tz, skipped, at), None, "{name}");
            let wall = skipped.and_time(at);
            assert_eq!(resolve(tz, wall), LocalResolution::Gap { next_valid: next.with_timezone(&tz) }, "{name}");
            for gap in [GapPolicy::Reject, GapPolicy::ShiftForward] {
                let typed = appointment_instant(tz, wall, gap, OverlapPolicy::Reject);
                assert!(matches!(typed, Err(LocalTimeError::Nonexistent { next_valid, .. }) if next_valid == next));
            }
        }
        let (before, after) = (skipped - TimeDelta::days(1), skipped + TimeDelta::days(1));
        assert_eq!(local_day(tz, before).map(|day| day.end), Some(next), "{name}");
        assert_eq!(local_day(tz, after).map(|day| day.start), Some(next), "{name}");
    }
}

#[test]
fn a_local_day_has_the_hours_it_has() {
    for (name, day, hours, expected) in [
        ("America/Santiago", "2026-07-15", 24, span("2026-07-15T04:00:00Z", "2026-07-16T04:00:00Z")),
        ("America/Santiago", "2026-04-04", 25, span("2026-04-04T03:00:00Z", "2026-04-05T04:00:00Z")),
        ("America/Santiago", "2026-09-06", 23, span("2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z")),
        ("America/New_York", "2026-03-08", 23, span("2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z")),
        ("America/New_York", "2026-11-01", 25, span("2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z")),
        ("America/Havana", "2025-11-02", 25, span("2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z")),
    ] {
        let found = local_day(zone(name), date(day));
        assert_eq!(found, Some(expected.clone()), "{name} {day}");
        assert_eq!(expected.end - expected.start, TimeDelta::hours(hours), "{name} {day}");
    }
}

/// St. John's put its clocks back at 00:01, from the first minute of Sunday to 23:01 of Saturday. Saturday's repeated
/// 59 minutes count for Sunday, which had begun.
#[test]
fn a_day_that_has_begun_is_not_interrupted_by_yesterday() {
    let tz = zone("America/St_Johns");
    let sunday = span("2010-11-07T02:30:00Z", "2010-11-08T03:30:00Z");
    assert_eq!(local_day(tz, date("2010-11-07")), Some(sunday.clone()));
    assert_eq!(local_day(tz, date("2010-11-06")).map(|day| day.end), Some(sunday.start));
    let repeated = utc("2010-11-07T02:31:00Z");
    assert_eq!(format_instant(&repeated.with_timezone(&tz)), "2010-11-06T23:01:00-03:30");
    assert_eq!(day_of(tz, repeated), date("2010-11-07"));
    assert_eq!(day_of(tz, utc("2010-11-07T02:29:59Z")), date("2010-11-06"));
}

/// One tenant (zone America/Santiago), three branches: the branch's zone decides, the tenant's never.
#[test]
fn each_branch_is_reminded_by_its_own_clock() {
    let reminder = |name| job_instant(zone(name), date("2026-07-15"), time("08:00"));
    assert_eq!(reminder("America/Santiago"), Some(utc("2026-07-15T12:00:00Z")));
    assert_eq!(reminder("America/Punta_Arenas"), Some(utc("2026-07-15T11:00:00Z")));
    assert_eq!(reminder("Pacific/Easter"), Some(utc("2026-07-15T14:00:00Z")));
    // "Today" of a tenant report at 23:30Z is the same date in all three, but not the same day of instants.
    let now = utc("2026-07-15T23:30:00Z");
    let days = ["America/Santiago", "America/Punta_Arenas", "Pacific/Easter"].map(|name| {
        assert_eq!(day_of(zone(name), now), date("2026-07-15"));
        local_day(zone(name), date("2026-07-15")).map(|day| day.start)
    });
    assert_eq!(days, ["2026-07-15T04:00:00Z", "2026-07-15T03:00:00Z", "2026-07-15T06:00:00Z"].map(|at| Some(utc(at))));
}

#[test]
fn a_series_keeps_its_wall_time() {
    let tz = zone("America/Santiago");
    for (wall, expected) in [("2026-03-30T10:00", "2026-03-30T13:00:00Z"), ("2026-04-06T10:00", "2026-04-06T14:00:00Z")]
    {
        let at = appointment_instant(tz, local(wall), GapPolicy::Reject, OverlapPolicy::Reject);
        assert_eq!(at, Ok(Some(utc(expected).with_timezone(&tz))));
    }
}

#[test]
fn durations_are_elapsed_time() {
    let tz = zone("America/Santiago");
    let start = appointment_instant(tz, local("2026-04-04T23:30"), GapPolicy::Reject, OverlapPolicy::First);
    let Ok(Some(start)) = start else { panic!("{start:?}") };
    assert_eq!(format_instant(&start), "2026-04-04T23:30:00-03:00");
    assert_eq!(format_instant(&(start + TimeDelta::minutes(60))), "2026-04-04T23:30:00-04:00");
}

#[test]
fn offsets_and_their_next_change_are_told() {
    let now = utc("2026-01-15T12:00:00Z");
    for (name, offset, change) in [
        ("America/Santiago", "-03:00", Some("2026-04-05T03:00:00Z")),
        ("America/New_York", "-05:00", Some("2026-03-08T07:00:00Z")),
        ("Europe/Madrid", "+01:00", Some("2026-03-29T01:00:00Z")),
        ("Asia/Kathmandu", "+05:45", None),
        ("America/Lima", "-05:00", None),
    ] {
        assert_eq!(utc_offset_now(zone(name), now), offset, "{name}");
        assert_eq!(next_transition(zone(name), now), change.map(utc), "{name}");
    }
    let change = utc("2026-04-05T03:00:00Z");
    let tz = zone("America/Santiago");
    assert_eq!(next_transition(tz, change - TimeDelta::nanoseconds(1)), Some(change));
    assert_eq!(next_transition(tz, change), Some(utc("2026-09-06T04:00:00Z")));
}

#[test]
fn local_mean_time_keeps_its_seconds_in_the_offset() {
    let Some(at) = job_instant(zone("America/Santiago"), date("1905-01-01"), NaiveTime::MIN) else { panic!("no day") };
    assert_eq!(format_offset(&at.with_timezone(&zone("America/Santiago"))), "-04:42:45");
}

/// The machine's own zone must play no part, so the whole module's tests run again under others.
#[test]
fn the_time_zone_of_the_process_plays_no_part() -> std::io::Result<()> {
    for machine_zone in ["UTC", "America/Santiago", "Asia/Kathmandu"] {
        let run = Command::new(std::env::current_exe()?)
            .args(["domain::time::tests::", "--skip", "the_time_zone_of_the_process", "--skip", "properties"])
            .env("TZ", machine_zone)
            .output()?;
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "TZ={machine_zone}: {said}");
        assert!(said.contains("plain_times_have_one_instant ... ok"), "TZ={machine_zone}: {said}");
    }
    Ok(())
}
