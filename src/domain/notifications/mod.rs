//! Which mails there are, when each is due, and what has become of it.
//!
//! A mail is a row with a unique deduplication key, written in the business transaction that causes it, with the job
//! that will send it. What a mail says and how it is handed over does not belong here: the job runner asks `mail`.

pub mod account;
mod bounces;
pub mod content;
pub mod delivery;
mod message_id;
pub mod model;
mod put;
pub mod query;
pub mod reminders;
pub mod resend;
pub mod schedule;
pub mod suppressions;

pub use message_id::{calendar_domain, message_id};
pub use model::{EmailKind, EmailMessage, EmailStatus};
pub use schedule::{AppointmentTimes, on_booked, on_cancelled, on_rescheduled};

/// The job that sends one mail. Its key is the mail's id, its payload `{"email_id": …}`.
pub const SEND_JOB: &str = "mail.send";
