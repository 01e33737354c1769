//! Logins, sessions, second factor, keys, capability tokens, the caller.

pub mod audit;
pub mod capability;
pub mod keys;
pub mod loader;
pub mod mfa;
mod mutation;
mod query;
pub mod session;
pub mod types;
pub mod user;
mod users_input;
mod users_mutation;
mod users_query;

pub use audit::AuditQuery;
pub use capability::CapabilityMutation;
pub use keys::{KeysMutation, KeysQuery};
pub use mfa::MfaMutation;
pub use mutation::IdentityMutation;
pub use query::IdentityQuery;
pub use session::{SessionMutation, SessionQuery};
pub use users_mutation::UsersMutation;
pub use users_query::UsersQuery;
