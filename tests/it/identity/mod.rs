//! Logins and sessions.

mod login;
