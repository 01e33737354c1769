//! When the reminder of an appointment is due.

use std::iter;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::day::job_instant;

/// A reminder must leave at least this much time before the appointment, otherwise it goes out the evening before.
const USEFUL_LEAD: TimeDelta = TimeDelta::hours(1);

/// No zone ever skipped two dates running, so the evening before lies within this many dates.
const EVENINGS_BACK: usize = 2;

/// A branch's times for reminders, on its own wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReminderTimes {
    /// On the day of the appointment.
    pub on_the_day: NaiveTime,
    /// On the day before, for early appointments.
    pub evening_before: NaiveTime,
}

impl Default for ReminderTimes {
    /// 08:00, and 18:00 the evening before.
    fn default() -> Self {
        Self { on_the_day: full_hour(8), evening_before: full_hour(18) }
    }
}

const fn full_hour(hour: u32) -> NaiveTime {
    match NaiveTime::from_hms_opt(hour, 0, 0) {
        Some(time) => time,
        None => NaiveTime::MIN,
    }
}

/// When a reminder is due, as the wall clock says it and as an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueLocal {
    /// Local date of the appointment; what makes the reminder unique.
    pub appointment_date: NaiveDate,
    /// Local date on which the reminder is due: the same, or the one before.
    pub date: NaiveDate,
    /// Local time at which it is due. In a gap the instant is later than this.
    pub time: NaiveTime,
    /// The instant under the compiled zone rules.
    pub instant: DateTime<Utc>,
}

/// When to remind of an appointment at `start`, booked at `booked_at`, in the branch's zone; `None` for never.
///
/// 1. The reminder is due on the local date of the appointment at `on_the_day`.
/// 2. If the appointment starts less than 60 minutes (elapsed) after that, it is due at `evening_before` on the date
///    before instead. If the zone skipped that date, on the last date before that exists.
/// 3. If the appointment was booked after the reminder would have been due, there is none: the confirmation has just
///    told the same.
/// 4. It is due before the appointment starts, or not at all.
///
/// Gaps and overlaps follow [`job_instant`].
pub fn reminder_due(tz: Tz, start: DateTime<Utc>, times: ReminderTimes, booked_at: DateTime<Utc>) -> Option<DueLocal> {
    let appointment_date = start.with_timezone(&tz).date_naive();
    let on_the_day = job_instant(tz, appointment_date, times.on_the_day)?;
    let due = if start.signed_duration_since(on_the_day) >= USEFUL_LEAD {
        DueLocal { appointment_date, date: appointment_date, time: times.on_the_day, instant: on_the_day }
    } else {
        let time = times.evening_before;
        let (date, instant) = iter::successors(appointment_date.pred_opt(), NaiveDate::pred_opt)
            .take(EVENINGS_BACK)
            .find_map(|date| job_instant(tz, date, time).map(|instant| (date, instant)))?;
        DueLocal { appointment_date, date, time, instant }
    };
    (booked_at <= due.instant && due.instant < start).then_some(due)
}
