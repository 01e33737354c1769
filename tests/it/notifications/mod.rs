//! Which mails go out, when, and with what in them.

mod delivery;
mod desk;
mod page;
mod reminders;
mod resend;
mod timing;
mod together;

pub use desk::Desk;
