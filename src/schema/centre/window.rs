//! Weekly windows.

use async_graphql::{Enum, InputObject, SimpleObject};

use crate::{
    domain::{centre::WindowInput, time},
    schema::scalar::{LocalDate, LocalTime},
};

/// Day of the week.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl From<chrono::Weekday> for Weekday {
    fn from(day: chrono::Weekday) -> Self {
        match day {
            chrono::Weekday::Mon => Self::Mon,
            chrono::Weekday::Tue => Self::Tue,
            chrono::Weekday::Wed => Self::Wed,
            chrono::Weekday::Thu => Self::Thu,
            chrono::Weekday::Fri => Self::Fri,
            chrono::Weekday::Sat => Self::Sat,
            chrono::Weekday::Sun => Self::Sun,
        }
    }
}

impl From<Weekday> for chrono::Weekday {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Mon => Self::Mon,
            Weekday::Tue => Self::Tue,
            Weekday::Wed => Self::Wed,
            Weekday::Thu => Self::Thu,
            Weekday::Fri => Self::Fri,
            Weekday::Sat => Self::Sat,
            Weekday::Sun => Self::Sun,
        }
    }
}

/// A stretch of wall-clock time that recurs every week, within one day.
#[derive(SimpleObject, Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeeklyWindow {
    /// Day of the week.
    pub day: Weekday,
    /// From.
    pub start: LocalTime,
    /// Until; `00:00` is midnight at the end of the day.
    pub end: LocalTime,
    /// First date on which it holds; null: always has.
    pub valid_from: Option<LocalDate>,
    /// Last date on which it holds; null: without end.
    pub valid_to: Option<LocalDate>,
}

impl From<&time::WeeklyWindow> for WeeklyWindow {
    fn from(window: &time::WeeklyWindow) -> Self {
        Self {
            day: window.day().into(),
            start: LocalTime(window.start()),
            end: LocalTime(window.end()),
            valid_from: window.valid_from().map(LocalDate),
            valid_to: window.valid_to().map(LocalDate),
        }
    }
}

/// A stretch of wall-clock time that recurs every week, within one day. Hours over midnight are two windows.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct WeeklyWindowInput {
    /// Day of the week.
    pub day: Weekday,
    /// From.
    pub start: LocalTime,
    /// Until; `00:00` is midnight at the end of the day.
    pub end: LocalTime,
    /// First date on which it holds.
    pub valid_from: Option<LocalDate>,
    /// Last date on which it holds.
    pub valid_to: Option<LocalDate>,
}

impl From<WeeklyWindowInput> for WindowInput {
    fn from(input: WeeklyWindowInput) -> Self {
        Self {
            day: input.day.into(),
            start: input.start.0,
            end: input.end.0,
            valid_from: input.valid_from.map(|date| date.0),
            valid_to: input.valid_to.map(|date| date.0),
        }
    }
}
