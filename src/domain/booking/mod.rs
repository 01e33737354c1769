//! Holding, booking, moving and ending appointments.
//!
//! Whether a resource is still free is decided by the exclusion constraint on `occupancies`, nowhere else: the plan is
//! a guess that is usually right, and who loses the race plans anew.

pub mod book;
pub mod calendar_file;
mod choose;
mod consume_hold;
pub mod expire_hold;
pub mod hold;
pub mod input;
pub mod items;
pub mod link_view;
mod lock;
pub mod patient_link;
pub mod plan;
pub mod public_book;
pub mod public_page;
mod quota;
pub(in crate::domain) mod record;
pub mod release;
pub mod reschedule;
mod secure;
pub mod slot;
pub mod status;
pub mod transition;
pub mod view;
