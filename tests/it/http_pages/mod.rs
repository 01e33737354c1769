//! Pages for people: what is behind the links of mails.

mod account;
mod appointment;
mod calendar_file;
mod visit;
