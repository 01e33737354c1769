//! Free slots for bookings that succeed: each is used once.

use chrono::{Days, NaiveDate};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    centre::{Centre, PEOPLE},
    fail::{Fail, Result},
    fill::Data,
};

/// Slots of a professional in a day, from nine to eight in the evening.
const A_DAY: usize = 22;
/// The first day without filled appointments that is booked, and how many follow.
const FIRST_DAY: usize = 20;
const DAYS: usize = 60;

/// A booking by the desk.
pub const BOOK: &str = "mutation($input: BookAppointmentInput!) {
  bookAppointment(input: $input) {
    replayed
    appointment { id code status start end }
    userErrors { code message field }
  }
}";

/// A free time of one professional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Which centre.
    pub centre: usize,
    /// Which of its professionals.
    pub professional: usize,
    /// On which day.
    pub day: NaiveDate,
    /// Minutes after midnight, local.
    pub minute: usize,
}

/// Hands out every slot of all centres once. Neighbours in the order differ in centre, professional and day, so that
/// concurrent bookings seldom want the same rooms.
#[derive(Clone, Debug)]
pub struct Slots {
    centres: usize,
    today: NaiveDate,
    next: usize,
}

impl Slots {
    /// From where the last run ended.
    pub fn of(data: &Data) -> Self {
        Self { centres: data.centres.len(), today: data.today, next: data.used_slots }
    }

    /// How many have been used.
    pub fn used(&self) -> usize {
        self.next
    }

    /// The next one.
    pub fn take(&mut self) -> Option<Slot> {
        let all = self.centres * PEOPLE * DAYS * A_DAY;
        if self.next >= all {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let (centre, rest) = (number % self.centres, number / self.centres);
        let (day, rest) = (rest % DAYS, rest / DAYS);
        let (slot, professional) = (rest % A_DAY, rest / A_DAY);
        let ahead = u64::try_from(FIRST_DAY + day).ok()?;
        Some(Slot { centre, professional, day: self.today + Days::new(ahead), minute: 9 * 60 + slot * 30 })
    }
}

impl Slot {
    /// The wall time, as the API takes it.
    pub fn local(&self) -> String {
        format!("{}T{:02}:{:02}", self.day, self.minute / 60, self.minute % 60)
    }

    /// Variables of [`BOOK`]: with this professional, in any free room.
    pub fn variables(&self, centre: &Centre, patient: &str) -> Value {
        json!({"input": {
            "idempotencyKey": new_key(), "branchId": centre.branch, "patientId": patient, "channel": "STAFF",
            "items": [{
                "treatmentId": centre.treatment, "localStart": self.local(),
                "professionalId": centre.professionals.get(self.professional),
            }],
        }})
    }
}

#[expect(clippy::disallowed_methods, reason = "a load generator makes keys as any client does")]
fn new_key() -> Uuid {
    Uuid::new_v4()
}

/// Ids of patients, as an agenda's answer tells them.
pub fn patients(agenda: &Value) -> Result<Vec<String>> {
    let columns = agenda.pointer("/agenda/columns").and_then(Value::as_array);
    let appointments =
        columns.into_iter().flatten().filter_map(|column| column.get("appointments")?.as_array()).flatten();
    let ids: Vec<String> = appointments
        .filter_map(|appointment| appointment.pointer("/patient/id")?.as_str().map(str::to_owned))
        .collect();
    if ids.is_empty() { Err(Fail::new("an agenda without patients")) } else { Ok(ids) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_slot_is_handed_out_once() {
        let mut slots = Slots { centres: 3, today: NaiveDate::default(), next: 0 };
        let mut seen = HashSet::new();
        while let Some(slot) = slots.take() {
            assert!(slot.professional < PEOPLE && slot.minute + 30 <= 20 * 60, "{slot:?}");
            assert!(seen.insert((slot.centre, slot.professional, slot.day, slot.minute)), "{slot:?} twice");
        }
        assert_eq!(seen.len(), 3 * PEOPLE * DAYS * A_DAY);
    }
}
