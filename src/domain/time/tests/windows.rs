//! What weekly windows are on days with odd hours.

use std::ops::Range;

use chrono::{DateTime, NaiveTime, Utc, Weekday};

use super::{date, span, time, zone};
use crate::domain::time::{WeeklyWindow, WindowError, expand, find_clash};

fn window(day: Weekday, start: &str, end: &str) -> WeeklyWindow {
    WeeklyWindow::try_new(day, time(start)..time(end), None, None).unwrap_or_else(|error| panic!("{error}"))
}

fn on(name: &str, day: &str, start: &str, end: &str) -> Vec<Range<DateTime<Utc>>> {
    let day = date(day);
    expand(&[window(chrono::Datelike::weekday(&day), start, end)], zone(name), day)
}

#[test]
fn an_ordinary_day_has_its_windows_joined_and_sorted() {
    let monday = |start, end| window(Weekday::Mon, start, end);
    let windows = [
        monday("15:00", "19:00"),
        monday("09:00", "12:00"),
        monday("12:00", "13:00"),
        window(Weekday::Tue, "09:00", "10:00"),
    ];
    let tz = zone("America/Santiago");
    assert_eq!(
        expand(&windows, tz, date("2026-07-13")),
        [span("2026-07-13T13:00:00Z", "2026-07-13T17:00:00Z"), span("2026-07-13T19:00:00Z", "2026-07-13T23:00:00Z")]
    );
    assert_eq!(expand(&windows, tz, date("2026-07-15")), []);
}

#[test]
fn midnight_as_end_is_the_end_of_the_day() {
    assert_eq!(
        on("America/Lima", "2026-07-15", "00:00", "00:00"),
        [span("2026-07-15T05:00:00Z", "2026-07-16T05:00:00Z")]
    );
    assert_eq!(
        on("America/Lima", "2026-07-15", "22:00", "00:00"),
        [span("2026-07-16T03:00:00Z", "2026-07-16T05:00:00Z")]
    );
}

#[test]
fn a_gap_takes_its_minutes_away() {
    let ny = |start, end| on("America/New_York", "2026-03-08", start, end);
    assert_eq!(ny("01:00", "04:00"), [span("2026-03-08T06:00:00Z", "2026-03-08T08:00:00Z")]);
    assert_eq!(ny("02:30", "04:00"), [span("2026-03-08T07:00:00Z", "2026-03-08T08:00:00Z")]);
    assert_eq!(ny("01:00", "02:30"), [span("2026-03-08T06:00:00Z", "2026-03-08T07:00:00Z")]);
    assert_eq!(ny("02:00", "03:00"), []);
    assert_eq!(
        on("America/Santiago", "2026-09-06", "00:00", "00:00"),
        [span("2026-09-06T04:00:00Z", "2026-09-07T03:00:00Z")]
    );
    assert_eq!(on("Pacific/Apia", "2011-12-30", "00:00", "00:00"), []);
}

#[test]
fn an_overlap_gives_its_minutes_twice() {
    let ny = |start, end| on("America/New_York", "2026-11-01", start, end);
    assert_eq!(ny("00:00", "03:00"), [span("2026-11-01T04:00:00Z", "2026-11-01T08:00:00Z")]);
    assert_eq!(ny("01:00", "02:00"), [span("2026-11-01T05:00:00Z", "2026-11-01T07:00:00Z")]);
    assert_eq!(
        ny("01:00", "01:30"),
        [span("2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z"), span("2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z")]
    );
    assert_eq!(
        on("America/Santiago", "2026-04-04", "22:00", "00:00"),
        [span("2026-04-05T01:00:00Z", "2026-04-05T04:00:00Z")]
    );
    assert_eq!(
        on("America/Santiago", "2026-04-05", "00:00", "01:00"),
        [span("2026-04-05T04:00:00Z", "2026-04-05T05:00:00Z")]
    );
}

#[test]
fn a_window_counts_only_while_valid() {
    let tz = zone("America/Lima");
    let hours = time("09:00")..time("10:00");
    let monday = |from: Option<&str>, to: Option<&str>| {
        let window = WeeklyWindow::try_new(Weekday::Mon, hours.clone(), from.map(date), to.map(date));
        window.map(|window| !expand(&[window], tz, date("2026-07-13")).is_empty())
    };
    assert_eq!(monday(Some("2026-07-13"), Some("2026-07-13")), Ok(true));
    assert_eq!(monday(Some("2026-07-14"), None), Ok(false));
    assert_eq!(monday(None, Some("2026-07-12")), Ok(false));
    assert_eq!(monday(Some("2026-07-14"), Some("2026-07-13")), Err(WindowError::ValidToBeforeFrom));
}

#[test]
fn windows_over_midnight_are_refused() {
    for (start, end) in [("22:00", "02:00"), ("09:00", "09:00")] {
        let refused = WeeklyWindow::try_new(Weekday::Mon, time(start)..time(end), None, None);
        assert_eq!(refused, Err(WindowError::EndNotAfterStart));
    }
    assert!(WeeklyWindow::try_new(Weekday::Mon, NaiveTime::MIN..NaiveTime::MIN, None, None).is_ok());
}

#[test]
fn clashes_are_found_where_day_time_and_validity_meet() {
    let from_to = |start, end, from: &str, to: &str| {
        WeeklyWindow::try_new(Weekday::Mon, time(start)..time(end), Some(date(from)), Some(date(to)))
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let morning = window(Weekday::Mon, "09:00", "12:00");
    assert_eq!(find_clash(&[morning.clone(), window(Weekday::Mon, "12:00", "00:00")]), None);
    assert_eq!(find_clash(&[morning.clone(), window(Weekday::Tue, "09:00", "12:00")]), None);
    assert_eq!(
        find_clash(&[morning.clone(), window(Weekday::Tue, "09:00", "12:00"), window(Weekday::Mon, "11:59", "00:00")]),
        Some((0, 2))
    );
    assert_eq!(
        find_clash(&[window(Weekday::Mon, "20:00", "00:00"), window(Weekday::Mon, "23:00", "23:30")]),
        Some((0, 1))
    );
    let winter = from_to("09:00", "12:00", "2026-04-01", "2026-09-30");
    let summer = from_to("10:00", "12:00", "2026-10-01", "2027-03-31");
    assert_eq!(find_clash(&[winter.clone(), summer.clone()]), None);
    assert_eq!(find_clash(&[winter, summer, morning]), Some((0, 2)));
}
