//! The rules. One area per folder, one use case per file; GraphQL, jobs and the command line share them.
//!
//! A public use case takes [`cx::Cx`] and an actor, opens its transaction and commits it. A helper takes a
//! [`crate::db::TenantTx`] and never commits.

pub mod agenda;
pub mod background;
pub mod booking;
pub mod centre;
pub mod change;
pub mod clock;
mod columns;
pub mod contact;
pub mod cx;
pub mod event_cursor;
pub mod facts;
pub mod fields;
pub mod files;
pub mod idempotency;
pub mod identity;
pub mod known;
pub mod limit;
mod listed;
pub mod money;
pub mod notifications;
pub mod page;
pub mod patients;
pub mod platform;
pub mod portability;
pub mod record;
pub mod refusal;
pub mod sealing;
pub mod time;
