//! What comes in from elsewhere and what goes out.

mod mutation;
mod query;
mod types;

pub use mutation::PortabilityMutation;
pub use query::PortabilityQuery;
