//! Wall clocks, instants and the time zones between them.
//!
//! An instant is a `DateTime<Utc>`. A wall-clock time (`NaiveDateTime`, `NaiveDate`, `NaiveTime`) means nothing without
//! the IANA zone of its branch, and goes through this module to become an instant. Days may have 23 or 25 hours, a
//! local time may not exist or may exist twice, and a whole date may be missing; every function here says what it
//! does then. Durations are elapsed time.
//!
//! Pure: no database, no clock, no environment. The zone rules are the ones compiled in ([`tzdata_version`]); the time
//! zone of the machine plays no part.

mod catalogue;
mod day;
mod duration;
mod format;
mod offset;
mod parse;
pub mod prose;
mod ranges;
mod reminder;
mod resolve;
mod windows;
mod zone;

#[cfg(test)]
mod tests;

pub use catalogue::{CatalogueZone, tzdata_version, zones_of};
pub use day::{day_of, day_start, job_instant, local_day};
pub use duration::{DurationError, Iso8601Duration};
pub use format::{format_instant, format_local, format_local_time, format_offset};
pub use offset::{next_transition, utc_offset_now};
pub use parse::{TimeTextError, parse_instant, parse_local, parse_local_date, parse_local_time};
pub use ranges::{intersect, normalise, subtract, union};
pub use reminder::{DueLocal, ReminderTimes, reminder_due};
pub use resolve::{GapPolicy, LocalResolution, LocalTimeError, OverlapPolicy, appointment_instant, resolve};
pub use windows::{WeeklyWindow, WindowError, expand, find_clash};
pub use zone::{ZoneError, parse_zone};
