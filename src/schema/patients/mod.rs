//! Patients: their profiles, searching, merging, categories, and the fields that the centre has defined for them.

pub mod input;
pub mod loader;
mod mutation;
mod query;
pub mod types;

pub use mutation::PatientsMutation;
pub use query::PatientsQuery;
