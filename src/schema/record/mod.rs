//! The clinical record: forms that the centre makes, and what is written about patients in them.

mod entry;
pub mod loader;
mod mutation;
mod query;
mod template;
pub mod types;

pub use mutation::RecordMutation;
pub use query::RecordQuery;
