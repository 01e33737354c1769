//! Logins, sessions, users, roles, and the mails by which passwords are set.

mod administrators;
mod grants;
mod invite;
mod login;
mod nodes;
mod password;
mod password_reset;
pub mod people;
mod presence;
mod roles;
mod rotation;
mod sessions;
mod tokens;
mod users;
