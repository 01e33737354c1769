//! When reminders are due.

use chrono::TimeDelta;

use super::{date, time, utc, zone};
use crate::domain::time::{DueLocal, ReminderTimes, reminder_due};

const LONG_AGO: &str = "2000-01-01T00:00:00Z";

fn due(name: &str, start: &str, booked_at: &str) -> Option<DueLocal> {
    reminder_due(zone(name), utc(start), ReminderTimes::default(), utc(booked_at))
}

fn expected(appointment: &str, on: &str, at: &str, instant: &str) -> Option<DueLocal> {
    Some(DueLocal { appointment_date: date(appointment), date: date(on), time: time(at), instant: utc(instant) })
}

#[test]
fn it_is_due_in_the_morning_of_the_day() {
    let found = due("America/Santiago", "2026-07-15T10:30:00-04:00", LONG_AGO);
    assert_eq!(found, expected("2026-07-15", "2026-07-15", "08:00", "2026-07-15T12:00:00Z"));
    // 21:00 in Santiago is the next day in UTC; the branch's date counts.
    let found = due("America/Santiago", "2026-07-15T21:00:00-04:00", LONG_AGO);
    assert_eq!(found, expected("2026-07-15", "2026-07-15", "08:00", "2026-07-15T12:00:00Z"));
}

#[test]
fn early_appointments_are_reminded_the_evening_before() {
    let evening = expected("2026-07-15", "2026-07-14", "18:00", "2026-07-14T22:00:00Z");
    for start in ["00:00:00", "07:30:00", "08:00:00", "08:59:59"] {
        let found = due("America/Santiago", &format!("2026-07-15T{start}-04:00"), LONG_AGO);
        assert_eq!(found, evening, "{start}");
    }
    let found = due("America/Santiago", "2026-07-15T09:00:00-04:00", LONG_AGO);
    assert_eq!(found, expected("2026-07-15", "2026-07-15", "08:00", "2026-07-15T12:00:00Z"));
}

#[test]
fn whoever_books_after_it_was_due_gets_none() {
    let start = "2026-07-15T16:00:00-04:00";
    assert!(due("America/Santiago", start, "2026-07-15T07:59:59-04:00").is_some());
    assert!(due("America/Santiago", start, "2026-07-15T08:00:00-04:00").is_some());
    assert!(due("America/Santiago", start, "2026-07-15T08:00:01-04:00").is_none());
    let early = "2026-07-15T07:30:00-04:00";
    assert!(due("America/Santiago", early, "2026-07-14T18:00:00-04:00").is_some());
    assert!(due("America/Santiago", early, "2026-07-14T18:00:01-04:00").is_none());
    assert!(due("America/Santiago", early, "2026-07-15T06:00:00-04:00").is_none());
}

#[test]
fn the_hour_before_an_early_appointment_is_elapsed_time() {
    // New York, 8 March 2026: 02:00 to 03:00 is missing, so 03:15 is 45 minutes after 01:30.
    let times = ReminderTimes { on_the_day: time("01:30"), evening_before: time("18:00") };
    let ny = zone("America/New_York");
    let found = reminder_due(ny, utc("2026-03-08T03:15:00-04:00"), times, utc(LONG_AGO));
    assert_eq!(found, expected("2026-03-08", "2026-03-07", "18:00", "2026-03-07T23:00:00Z"));
    // 1 November: 01:00 to 02:00 happens twice, so the second 01:15 is 75 minutes after the first 01:00.
    let times = ReminderTimes { on_the_day: time("01:00"), evening_before: time("18:00") };
    let found = reminder_due(ny, utc("2026-11-01T01:15:00-05:00"), times, utc(LONG_AGO));
    assert_eq!(found, expected("2026-11-01", "2026-11-01", "01:00", "2026-11-01T05:00:00Z"));
}

#[test]
fn gaps_move_it_and_a_skipped_date_is_passed_over() {
    let midnight = ReminderTimes { on_the_day: time("00:00"), evening_before: time("18:00") };
    let found = reminder_due(zone("America/Santiago"), utc("2026-09-06T10:00:00-03:00"), midnight, utc(LONG_AGO));
    assert_eq!(found, expected("2026-09-06", "2026-09-06", "00:00", "2026-09-06T04:00:00Z"));
    // 30 December 2011 did not happen in Apia: the evening before the 31st was the 29th.
    let found = due("Pacific/Apia", "2011-12-31T07:30:00+14:00", LONG_AGO);
    assert_eq!(found, expected("2011-12-31", "2011-12-29", "18:00", "2011-12-29T18:00:00-10:00"));
}

#[test]
fn it_is_never_due_at_or_after_the_start() {
    // Nuuk skips 23:00 to 24:00: an evening reminder in there would fire at midnight, when the appointment starts.
    let times = ReminderTimes { on_the_day: time("08:00"), evening_before: time("23:30") };
    let start = utc("2026-03-29T00:00:00-01:00");
    assert_eq!(reminder_due(zone("America/Nuuk"), start, times, utc(LONG_AGO)), None);
    let found = reminder_due(zone("America/Nuuk"), start + TimeDelta::minutes(1), times, utc(LONG_AGO));
    assert_eq!(found.map(|due| due.instant), Some(start));
}
