//! Logins, sessions, the caller.

pub mod audit;
pub mod loader;
mod mutation;
mod query;
mod session;
pub mod types;
pub mod user;
mod users_input;
mod users_mutation;
mod users_query;

pub use audit::AuditQuery;
pub use mutation::IdentityMutation;
pub use query::IdentityQuery;
pub use session::{SessionMutation, SessionQuery};
pub use users_mutation::UsersMutation;
pub use users_query::UsersQuery;
