//! Where domain code gets the present from.
//!
//! Everything that depends on "now" takes a [`Clock`], so a test or a demo can put the whole product at any instant.
//! This is the only place that asks the operating system for the time. Lease times of the job queue do not belong
//! here: they follow the database's clock.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// Tells the present instant.
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> DateTime<Utc>;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one reader of the system's clock")]
        Utc::now()
    }
}

/// A clock that moves only when it is told to. Clones share the same hands.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: Arc<Mutex<DateTime<Utc>>>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { now: Arc::new(Mutex::new(now)) }
    }

    /// Puts every clone of this clock to `now`, forwards or backwards.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Moves every clone of this clock by `by` (backwards if negative) and returns the new instant. A step that would
    /// leave chrono's range stops at its end.
    pub fn advance(&self, by: TimeDelta) -> DateTime<Utc> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = now.checked_add_signed(by).unwrap_or(if by < TimeDelta::zero() {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        });
        *now
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> DateTime<Utc> {
        (**self).now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_move_together() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let seen: Arc<dyn Clock> = Arc::new(clock.clone());
        clock.advance(TimeDelta::minutes(5));
        assert_eq!(seen.now(), DateTime::UNIX_EPOCH + TimeDelta::minutes(5));
        clock.set(DateTime::UNIX_EPOCH);
        assert_eq!(seen.now(), DateTime::UNIX_EPOCH);
    }

    #[test]
    fn a_manual_clock_stops_at_the_end_of_the_range() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        assert_eq!(clock.advance(TimeDelta::MAX), DateTime::<Utc>::MAX_UTC);
        assert_eq!(clock.advance(TimeDelta::MIN), DateTime::<Utc>::MIN_UTC);
    }
}
