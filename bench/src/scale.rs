//! How much is filled in and how long is measured.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// Ordinary centres.
    pub tenants: usize,
    /// Appointments of each.
    pub appointments: i64,
    /// Patients of each.
    pub patients: i64,
    /// Past appointments of the centre with the long history.
    pub long_history: i64,
    /// … and of the one with the short.
    pub short_history: i64,
    /// Patients of the centre that is searched.
    pub searched: i64,
    /// Subscribers of the fan-out.
    pub sockets: usize,
    /// Bookings that are fanned out in one round.
    pub broadcasts: usize,
    /// Reminders that are due in one second.
    pub reminders: i64,
    /// Rounds of measurement and floor.
    pub rounds: usize,
    /// Seconds of each.
    pub seconds: u64,
}

impl Scale {
    /// What the results in the README are of.
    pub const FULL: Self = Self {
        tenants: 20,
        appointments: 200_000,
        patients: 20_000,
        searched: 200_000,
        long_history: 10_000_000,
        short_history: 10_000,
        sockets: 1_000,
        broadcasts: 40,
        reminders: 22_500,
        rounds: 5,
        seconds: 8,
    };

    /// To see whether everything runs.
    pub const QUICK: Self = Self {
        tenants: 3,
        appointments: 5_000,
        patients: 500,
        searched: 20_000,
        long_history: 100_000,
        short_history: 10_000,
        sockets: 200,
        broadcasts: 10,
        reminders: 500,
        rounds: 2,
        seconds: 2,
    };

    /// As many small centres.
    pub fn light(self) -> Self {
        Self { appointments: 6_000, patients: 2_000, long_history: self.short_history, ..self }
    }

    /// How long one side of one round is measured.
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Whether data filled at `other` serves this scale.
    pub fn same_data(&self, other: &Self) -> bool {
        let of =
            |scale: &Self| (scale.tenants, scale.appointments, scale.patients, scale.long_history, scale.short_history);
        of(self) == of(other)
    }
}
