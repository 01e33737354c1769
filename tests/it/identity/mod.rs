//! Logins and sessions.

mod login;
mod nodes;
mod password;
mod presence;
mod rotation;
mod sessions;
mod tokens;
