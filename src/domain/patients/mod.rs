//! Patients: who they are, how they are found, and what becomes of two that are one person.
//!
//! An old id never dies: a patient that was merged stays as a row that points to the one that was kept, and always to one
//! that is not merged itself. Whoever is about to write something about a patient asks [`query::kept`], which follows
//! that pointer and holds the patient until the transaction ends.

pub mod booked;
pub mod brief;
pub mod category;
pub mod create;
pub mod document;
pub mod duplicates;
mod facts;
pub mod fields;
pub mod input;
pub mod list;
pub mod many;
pub mod merge;
pub mod model;
pub mod query;
pub mod references;
pub mod sight;
pub mod update;
pub mod values;
