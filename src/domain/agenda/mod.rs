//! The agenda: when resources work, what they are busy with, and what is free.
//!
//! Working time of a resource in a branch is made of three layers:
//! 1. its schedules' weekly windows (a room or thing without any works the branch's opening hours, a professional
//!    without any does not work), within the branch's opening hours when the branch has any;
//! 2. plus extra hours, of the resource or of the whole branch;
//! 3. minus closures, blocks and holidays, of the resource or of the whole branch. A closure wins over extra hours.
//!
//! Treatments lie inside working time. The buffers around them must not meet another appointment of the same resource,
//! but may stick out of working time: tidying up a room after closing time needs nobody's opening hours.

pub mod add_exception;
pub mod appointment;
pub mod availability;
pub mod calendar;
mod conflicts;
pub mod day;
pub mod explain;
pub mod feed;
pub mod history;
pub mod list;
pub mod matching;
pub mod model;
pub mod plan;
pub mod remove_exception;
pub mod schedule;
pub mod upsert_schedule;
pub mod visibility;
