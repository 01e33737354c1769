//! Logins, sessions, users, roles, and the mails by which passwords are set.

mod administrators;
mod grants;
mod invite;
mod login;
mod password_reset;
pub mod people;
mod roles;
mod users;
