//! Import of patients from a spreadsheet. What its columns are, the client says, or their names do; what is in its cells
//! is read as people write; whether a row can be a patient is decided by the rules of everybody who creates one.
//!
//! Invariant: a row becomes one patient at most, however often the file is sent and wherever a run is killed. What is
//! known of a patient is never overwritten by a spreadsheet.

mod cell;
mod file;
mod header;
mod judge;
mod mapping;
pub mod preview;
mod quota;
mod report;
pub mod run;
mod source;
pub mod start;
mod step;

pub use cell::Problem;
