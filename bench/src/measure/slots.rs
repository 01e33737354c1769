//! Free slots for bookings that succeed: each is used once.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use chrono::{Days, NaiveDate};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    centre::{Centre, PEOPLE},
    fail::{Fail, Result},
    fill::Data,
    say,
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

/// Slots are set aside by so many before the first of them is handed out.
const BLOCK: usize = 500;

/// Hands out every slot of all centres once. Neighbours in the order differ in centre, professional and day, so that
/// concurrent bookings seldom want the same rooms.
#[derive(Debug)]
pub struct Slots {
    centres: usize,
    today: NaiveDate,
    next: usize,
    /// Behind the last that no later run hands out again, whatever becomes of this one.
    set_aside: usize,
    /// Where that is written down.
    file: PathBuf,
}

impl Slots {
    /// From where the last run ended, or was killed.
    pub fn open(data: &Data, folder: &Path) -> Result<Self> {
        let file = folder.join("used_slots");
        let next = match std::fs::read_to_string(&file) {
            Ok(text) => text.trim().parse()?,
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { centres: data.centres.len(), today: data.today, next, set_aside: next, file })
    }

    /// Gives back what was set aside and not handed out.
    pub fn close(self) -> Result<()> {
        Ok(std::fs::write(&self.file, self.next.to_string())?)
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
        if self.next >= self.set_aside {
            self.set_aside = self.next + BLOCK;
            if let Err(error) = std::fs::write(&self.file, self.set_aside.to_string()) {
                say::note(&format!("the used slots could not be written down: {error}"));
                return None;
            }
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
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use std::collections::HashSet;

    use super::*;

    fn data() -> Data {
        let centre: Centre = serde_json::from_value(json!({
            "slug": "a", "schema": "a", "branch": "", "branch_key": Uuid::nil(), "treatment": "", "treatment_keys": [],
            "professionals": [], "professional_keys": [], "room_keys": [],
        }))
        .unwrap();
        Data {
            scale: crate::scale::Scale::QUICK,
            today: NaiveDate::default(),
            centres: vec![centre.clone(), centre.clone(), centre.clone()],
            long: centre.clone(),
            short: centre,
            floor_runs: 0,
        }
    }

    #[test]
    fn every_slot_is_handed_out_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut slots = Slots::open(&data(), folder.path()).unwrap();
        let mut seen = HashSet::new();
        while let Some(slot) = slots.take() {
            assert!(slot.professional < PEOPLE && slot.minute + 30 <= 20 * 60, "{slot:?}");
            assert!(seen.insert((slot.centre, slot.professional, slot.day, slot.minute)), "{slot:?} twice");
        }
        assert_eq!(seen.len(), 3 * PEOPLE * DAYS * A_DAY);
    }

    #[test]
    fn a_run_goes_on_where_the_last_ended_and_behind_where_it_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Slots::open(&data(), folder.path()).unwrap();
        for _ in 0..3 {
            first.take().unwrap();
        }
        first.close().unwrap();
        let mut second = Slots::open(&data(), folder.path()).unwrap();
        assert_eq!(second.used(), 3);
        second.take().unwrap();
        // Killed.
        drop(second);
        assert_eq!(Slots::open(&data(), folder.path()).unwrap().used(), 3 + BLOCK);
    }
}
