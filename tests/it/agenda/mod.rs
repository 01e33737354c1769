//! Working time, free time, the agenda and what changes them.

mod api;
mod availability;
mod calendar;
mod day;
mod explain;
mod list;
mod races;
mod schedules;
mod session_zone;

use chrono::{DateTime, Utc};
use horae::domain::refusal::{Code, Failure};

/// An instant.
pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Codes and fields of a refusal.
pub fn refused<T>(result: Result<T, Failure>) -> Vec<(Code, String)> {
    match result {
        Ok(_) => panic!("it was not refused"),
        Err(Failure::Fault(fault)) => panic!("{fault:?}"),
        Err(Failure::Refused(refusals)) => {
            refusals.into_iter().map(|one| (one.code, one.field.unwrap_or_default().join("."))).collect()
        }
    }
}
