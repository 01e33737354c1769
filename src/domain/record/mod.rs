//! The clinical record: forms that the centre makes, and what is written about patients in them.
//!
//! - A template has one draft at most; a published version never changes, and entries keep the version they were written
//!   in.
//! - An entry goes DRAFT → SIGNED → AMENDED (when the entry that amends it is signed), or DRAFT → VOIDED. What is signed
//!   or voided never changes: the database refuses it.
//! - Values are sealed one by one. Whoever reads or writes leaves an entry in the trail, in the same transaction: what
//!   cannot be noted is not shown.

mod access;
pub mod access_log;
pub mod amend;
mod attachments;
mod draft;
mod entry;
mod facts;
pub mod model;
pub mod read;
pub mod retention;
pub mod save;
pub mod sign;
mod signature;
pub mod templates;
pub mod upsert_template;
mod values;
pub mod void;

pub use access::{NOT_KEPT, require_read};
