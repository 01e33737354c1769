//! Reads instants, dates and wall-clock times as the API writes them.
//!
//! Stricter than chrono's own parsers, which take signs, blanks, missing zeros and years of any size: what is read here
//! is exactly what the contract shows, so that two clients never mean two things by one text.

use std::ops::Range;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};

/// Years that a centre can mean. Birth dates start here; anything later than the last is a typing mistake.
const YEARS: Range<i32> = 1900..2200;

/// Why a text is no date, time or instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimeTextError {
    /// Not written as expected.
    #[error("expected {expected}")]
    Syntax {
        /// The expected form, with an example.
        expected: &'static str,
    },
    /// An instant without offset.
    #[error("an offset is required, such as 2026-07-15T08:00:00-04:00 or 2026-07-15T12:00:00Z")]
    OffsetRequired,
    /// A wall-clock time with offset.
    #[error("a wall-clock time has no offset; write 2026-07-15T08:00")]
    OffsetNotAllowed,
    /// Well written, but the calendar or the clock has no such value (30 February, 24:00).
    #[error("no such date or time of day")]
    OutOfRange,
    /// Second 60, which neither the database nor civil clocks keep.
    #[error("leap seconds are not supported; use second 59")]
    LeapSecond,
    /// A year that nobody means.
    #[error("the year must be between {} and {}", YEARS.start, YEARS.end - 1)]
    Year,
}

const INSTANT: TimeTextError =
    TimeTextError::Syntax { expected: "an RFC 3339 instant such as 2026-07-15T08:00:00-04:00" };
const LOCAL: TimeTextError = TimeTextError::Syntax { expected: "a wall-clock time such as 2026-07-15T08:00" };
const DATE: TimeTextError = TimeTextError::Syntax { expected: "a date such as 2026-07-15" };
const TIME: TimeTextError = TimeTextError::Syntax { expected: "a time of day such as 08:00" };

/// Reads an instant: RFC 3339 with seconds, up to nine decimals, and an offset or `Z`.
///
/// # Errors
/// [`TimeTextError::OffsetRequired`] without an offset; otherwise what is wrong with the text.
pub fn parse_instant(text: &str) -> Result<DateTime<FixedOffset>, TimeTextError> {
    let (date, rest) = text.split_once(['T', 't']).ok_or(INSTANT)?;
    let Some(at) = rest.find(['Z', 'z', '+', '-']) else {
        let looks_local = rest.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
        return Err(if looks_local && !rest.is_empty() { TimeTextError::OffsetRequired } else { INSTANT });
    };
    let (clock, offset) = rest.split_at(at);
    let (clock, nanos) = match clock.split_once('.') {
        Some((clock, decimals)) => (clock, decimal_nanos(decimals).ok_or(INSTANT)?),
        None => (clock, 0),
    };
    if clock.len() != "08:00:00".len() {
        return Err(INSTANT);
    }
    let date = calendar_date(date, INSTANT)?;
    let time = time_of_day(clock, INSTANT)?;
    let offset = offset_of(offset)?;
    let wall = date.and_time(time) + TimeDelta::nanoseconds(nanos);
    let at = offset.from_local_datetime(&wall).single().ok_or(TimeTextError::OutOfRange)?;
    // The year that counts is the one stored, in UTC.
    if YEARS.contains(&at.with_timezone(&Utc).year()) { Ok(at) } else { Err(TimeTextError::Year) }
}

/// Reads a wall-clock time with date: `YYYY-MM-DDTHH:MM`, seconds optional, no offset.
///
/// # Errors
/// [`TimeTextError::OffsetNotAllowed`] with an offset; otherwise what is wrong with the text.
pub fn parse_local(text: &str) -> Result<NaiveDateTime, TimeTextError> {
    let (date, clock) = text.split_once('T').ok_or(LOCAL)?;
    if clock.contains(['Z', 'z', '+', '-']) {
        return Err(TimeTextError::OffsetNotAllowed);
    }
    Ok(bounded(calendar_date(date, LOCAL)?)?.and_time(time_of_day(clock, LOCAL)?))
}

/// Reads a date: `YYYY-MM-DD`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_local_date(text: &str) -> Result<NaiveDate, TimeTextError> {
    bounded(calendar_date(text, DATE)?)
}

/// Reads a time of day: `HH:MM`, seconds optional, `00:00` to `23:59:59`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_local_time(text: &str) -> Result<NaiveTime, TimeTextError> {
    time_of_day(text, TIME)
}

fn bounded(date: NaiveDate) -> Result<NaiveDate, TimeTextError> {
    if YEARS.contains(&date.year()) { Ok(date) } else { Err(TimeTextError::Year) }
}

fn calendar_date(text: &str, syntax: TimeTextError) -> Result<NaiveDate, TimeTextError> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else { return Err(syntax) };
    let year = two_digits(y1, y2).zip(two_digits(y3, y4)).map(|(century, year)| century * 100 + year).ok_or(syntax)?;
    let month = two_digits(m1, m2).ok_or(syntax)?;
    let day = two_digits(d1, d2).ok_or(syntax)?;
    let year = i32::try_from(year).map_err(|_| syntax)?;
    NaiveDate::from_ymd_opt(year, month, day).ok_or(TimeTextError::OutOfRange)
}

fn time_of_day(text: &str, syntax: TimeTextError) -> Result<NaiveTime, TimeTextError> {
    let (h1, h2, m1, m2, s1, s2) = match *text.as_bytes() {
        [h1, h2, b':', m1, m2] => (h1, h2, m1, m2, b'0', b'0'),
        [h1, h2, b':', m1, m2, b':', s1, s2] => (h1, h2, m1, m2, s1, s2),
        _ => return Err(syntax),
    };
    let hour = two_digits(h1, h2).ok_or(syntax)?;
    let minute = two_digits(m1, m2).ok_or(syntax)?;
    let second = two_digits(s1, s2).ok_or(syntax)?;
    if second == 60 {
        return Err(TimeTextError::LeapSecond);
    }
    NaiveTime::from_hms_opt(hour, minute, second).ok_or(TimeTextError::OutOfRange)
}

fn offset_of(text: &str) -> Result<FixedOffset, TimeTextError> {
    let (sign, h1, h2, m1, m2) = match *text.as_bytes() {
        [b'Z' | b'z'] => (1, b'0', b'0', b'0', b'0'),
        [b'+', h1, h2, b':', m1, m2] => (1, h1, h2, m1, m2),
        [b'-', h1, h2, b':', m1, m2] => (-1, h1, h2, m1, m2),
        _ => return Err(INSTANT),
    };
    let (hours, minutes) = two_digits(h1, h2).zip(two_digits(m1, m2)).ok_or(INSTANT)?;
    if hours > 23 || minutes > 59 {
        return Err(TimeTextError::OutOfRange);
    }
    let seconds = i32::try_from(hours * 3600 + minutes * 60).map_err(|_| INSTANT)?;
    FixedOffset::east_opt(sign * seconds).ok_or(TimeTextError::OutOfRange)
}

fn decimal_nanos(decimals: &str) -> Option<i64> {
    let readable = (1..=9).contains(&decimals.len()) && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if readable { format!("{decimals:0<9}").parse().ok() } else { None }
}

fn two_digits(tens: u8, ones: u8) -> Option<u32> {
    Some(char::from(tens).to_digit(10)? * 10 + char::from(ones).to_digit(10)?)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use proptest::prelude::*;

    use super::*;
    use TimeTextError::{LeapSecond, OffsetNotAllowed, OffsetRequired, OutOfRange, Year};

    #[test]
    fn instants_are_read() {
        for (text, written) in [
            ("2026-07-15T08:00:00-04:00", "2026-07-15T08:00:00-04:00"),
            ("2026-07-15T12:00:00Z", "2026-07-15T12:00:00+00:00"),
            ("2026-07-15t12:00:00z", "2026-07-15T12:00:00+00:00"),
            ("2026-07-15T08:00:00.25+05:45", "2026-07-15T08:00:00.250+05:45"),
            ("2026-07-15T08:00:00.123456789-00:00", "2026-07-15T08:00:00.123456789+00:00"),
            ("2024-02-29T23:59:59-23:59", "2024-02-29T23:59:59-23:59"),
            ("1899-12-31T23:00:00-01:00", "1899-12-31T23:00:00-01:00"),
        ] {
            assert_eq!(parse_instant(text).unwrap().to_rfc3339(), written, "{text}");
        }
    }

    #[test]
    fn other_instants_are_refused_with_the_reason() {
        for (text, reason) in [
            ("", INSTANT),
            ("2026-07-15", INSTANT),
            ("2026-07-15T", INSTANT),
            ("2026-07-15T08:00:00", OffsetRequired),
            ("2026-07-15T08:00", OffsetRequired),
            ("2026-07-15T08:00-04:00", INSTANT),
            ("2026-07-15 08:00:00-04:00", INSTANT),
            ("2026-07-15T08:00:00-0400", INSTANT),
            ("2026-07-15T08:00:00-04", INSTANT),
            ("2026-07-15T08:00:00 -04:00", INSTANT),
            ("2026-07-15T08:00:00−04:00", INSTANT),
            ("2026-07-15T08:00:00.-04:00", INSTANT),
            ("2026-07-15T08:00:00.1234567890Z", INSTANT),
            ("2026-07-15T08:00:00Z[America/Lima]", INSTANT),
            ("2026-7-15T08:00:00Z", INSTANT),
            ("+2026-07-15T08:00:00Z", INSTANT),
            ("2026-02-30T08:00:00Z", OutOfRange),
            ("2026-07-15T24:00:00Z", OutOfRange),
            ("2026-07-15T08:60:00Z", OutOfRange),
            ("2026-07-15T08:00:61Z", OutOfRange),
            ("2026-07-15T08:00:00+24:00", OutOfRange),
            ("2026-07-15T08:00:00+04:60", OutOfRange),
            ("2016-12-31T23:59:60Z", LeapSecond),
            ("1899-12-31T23:59:59Z", Year),
            ("1900-01-01T00:00:00+00:01", Year),
            ("2200-01-01T00:00:00Z", Year),
            ("9999-12-31T23:59:59Z", Year),
        ] {
            assert_eq!(parse_instant(text), Err(reason), "{text}");
        }
        assert!(OffsetRequired.to_string().contains("offset is required"));
    }

    #[test]
    fn wall_clock_times_are_read_or_refused() {
        assert_eq!(parse_local("2026-07-15T08:00").unwrap().to_string(), "2026-07-15 08:00:00");
        assert_eq!(parse_local("2026-07-15T08:00:30").unwrap().to_string(), "2026-07-15 08:00:30");
        for (text, reason) in [
            ("2026-07-15", LOCAL),
            ("2026-07-15 08:00", LOCAL),
            ("2026-07-15T8:00", LOCAL),
            ("2026-07-15T08:00:00.5", LOCAL),
            ("2026-07-15T08", LOCAL),
            ("2026-07-15T08:00Z", OffsetNotAllowed),
            ("2026-07-15T08:00-04:00", OffsetNotAllowed),
            ("2026-07-15T08:00:00+00:00", OffsetNotAllowed),
            ("2026-13-15T08:00", OutOfRange),
            ("2026-07-15T24:00", OutOfRange),
            ("2026-07-15T23:59:60", LeapSecond),
            ("1899-07-15T08:00", Year),
        ] {
            assert_eq!(parse_local(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn dates_and_times_of_day_are_read_or_refused() {
        assert_eq!(parse_local_date("1900-01-01").unwrap().to_string(), "1900-01-01");
        assert_eq!(parse_local_date("2199-12-31").unwrap().to_string(), "2199-12-31");
        for (text, reason) in [
            ("15-07-2026", DATE),
            ("2026-07-15T", DATE),
            ("2026-02-29", OutOfRange),
            ("0000-01-01", Year),
            ("2200-01-01", Year),
        ] {
            assert_eq!(parse_local_date(text), Err(reason), "{text}");
        }
        assert_eq!(parse_local_time("08:00").unwrap().to_string(), "08:00:00");
        assert_eq!(parse_local_time("23:59:59").unwrap().to_string(), "23:59:59");
        for (text, reason) in [
            ("8:00", TIME),
            ("08", TIME),
            ("08:00 ", TIME),
            ("08:00Z", TIME),
            ("24:00", OutOfRange),
            ("12:60", OutOfRange),
        ] {
            assert_eq!(parse_local_time(text), Err(reason), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_instant_in_range_is_read_as_chrono_writes_it(
            unix in -2_208_988_800_i64..7_258_118_400, nanos in 0_u32..1_000_000_000, offset_minutes in -1439_i32..1440,
        ) {
            let offset = FixedOffset::east_opt(offset_minutes * 60).unwrap();
            let at = DateTime::from_timestamp(unix, nanos).unwrap().with_timezone(&offset);
            prop_assert_eq!(parse_instant(&at.to_rfc3339()), Ok(at));
        }

        #[test]
        fn what_is_accepted_means_the_same_to_chrono(text in "[0-9TtZz:.+-]{0,30}|[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](Z|[+-][0-9]{2}:[0-9]{2})") {
            if let Ok(at) = parse_instant(&text) {
                prop_assert_eq!(DateTime::parse_from_rfc3339(&text), Ok(at));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,30}") {
            let _ = (parse_instant(&text), parse_local(&text), parse_local_date(&text), parse_local_time(&text));
        }
    }
}
