//! The calendar entry that goes with an appointment mail.

use chrono::{DateTime, Utc};
use lettre::message::Mailbox;

use super::context::{AppointmentMail, Branch, Centre, Item};
use super::wording;
use crate::domain::notifications::content::AppointmentContent;
use crate::mail::Locale;
use crate::mail::calendar::CalendarEvent;
use crate::mail::message::{CalendarMethod, CalendarPart};
use crate::mail::plain::one_line;

/// What a calendar entry needs beyond the words of the mail.
#[derive(Debug, Clone)]
pub struct EventIdentity {
    /// From [`crate::mail::calendar::event_uid`].
    pub uid: String,
    /// The appointment's revision; becomes SEQUENCE.
    pub revision: u32,
    /// Now, from the application's clock.
    pub stamp: DateTime<Utc>,
    /// The centre's mailbox.
    pub organizer: Mailbox,
    /// The patient's mailbox; none: it is not said for whom.
    pub attendee: Option<Mailbox>,
}

impl EventIdentity {
    /// SEQUENCE: a cancellation must be newer than every invitation before it.
    pub fn sequence(revision: i32, method: CalendarMethod) -> u32 {
        u32::try_from(revision).unwrap_or_default() + u32::from(method == CalendarMethod::Cancel)
    }
}

impl AppointmentMail {
    /// What is told of an appointment, without links.
    #[must_use]
    pub fn of(content: &AppointmentContent) -> Self {
        Self {
            centre: Centre {
                name: content.centre_name.clone(),
                logo_url: content.centre_logo.clone(),
                phone: content.branch_phone.clone(),
                email: content.branch_email.clone(),
            },
            branch: Branch {
                name: content.branch_name.clone(),
                address_lines: content.branch_address.clone(),
                phone: content.branch_phone.clone(),
                time_zone: content.branch_zone,
            },
            patient_name: content.patient_name.clone(),
            starts_at: content.start,
            ends_at: content.end,
            items: content
                .items
                .iter()
                .map(|item| Item {
                    treatment: item.treatment.clone(),
                    professional: item.professional.clone(),
                    room: item.room.clone(),
                })
                .collect(),
            code: content.code.clone(),
            confirm_url: None,
            cancel_url: None,
            awaits_approval: content.awaits_approval(),
        }
    }

    /// The invitation (or its cancellation) to send along.
    pub fn calendar_part(&self, identity: EventIdentity, method: CalendarMethod, locale: Locale) -> CalendarPart {
        let words = wording(locale);
        let treatments: Vec<String> = self.items.iter().map(|item| one_line(&item.treatment)).collect();
        let mut location = vec![one_line(&self.centre.name), one_line(&self.branch.name)];
        location.extend(self.branch.address_lines.iter().map(|line| one_line(line)));
        let mut description: Vec<String> = self
            .items
            .iter()
            .map(|item| {
                let who = item.professional.as_deref().map(|name| words.with.replace("{}", &one_line(name)));
                [Some(one_line(&item.treatment)), who].into_iter().flatten().collect::<Vec<_>>().join(", ")
            })
            .collect();
        description.push(format!("{}: {}", words.code, one_line(&self.code)));
        if let (CalendarMethod::Request, Some(url)) = (method, &self.cancel_url) {
            description.push(format!("{}: {}", words.change, one_line(url)));
        }
        let event = CalendarEvent {
            uid: identity.uid,
            revision: identity.revision,
            stamp: identity.stamp,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            time_zone: self.branch.time_zone,
            summary: format!("{} – {}", treatments.join(", "), one_line(&self.centre.name)),
            description: description.join("\n"),
            location: location.join(", "),
            organizer: identity.organizer,
            attendee: identity.attendee,
            tentative: self.awaits_approval,
        };
        CalendarPart { method, ics: event.to_ics(method), file_name: words.calendar_file.to_owned() }
    }
}
