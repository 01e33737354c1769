//! The rules for local times: the table of expected instants, and the same rules over all zones.

mod expected;
mod properties;
mod reminders;
mod windows;

use std::ops::Range;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use chrono_tz::Tz;

use super::{parse_instant, parse_local, parse_local_date, parse_local_time, parse_zone};

fn zone(name: &str) -> Tz {
    parse_zone(name).unwrap_or_else(|error| panic!("{error}"))
}

fn utc(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap_or_else(|error| panic!("{text}: {error}")).with_timezone(&Utc)
}

fn local(text: &str) -> NaiveDateTime {
    parse_local(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn date(text: &str) -> NaiveDate {
    parse_local_date(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn time(text: &str) -> NaiveTime {
    parse_local_time(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn span(start: &str, end: &str) -> Range<DateTime<Utc>> {
    utc(start)..utc(end)
}
