//! Pages for people: what is behind the links of mails.

mod appointment;
mod visit;
