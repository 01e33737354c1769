//! Logins, sessions, second factor, keys, capability tokens, the caller.

pub mod capability;
pub mod keys;
pub mod loader;
pub mod mfa;
mod mutation;
mod query;
pub mod types;
pub mod user;

pub use capability::CapabilityMutation;
pub use keys::{KeysMutation, KeysQuery};
pub use mfa::MfaMutation;
pub use mutation::IdentityMutation;
pub use query::IdentityQuery;
