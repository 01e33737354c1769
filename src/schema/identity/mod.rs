//! Logins, sessions, the caller.

pub mod loader;
mod mutation;
mod query;
pub mod types;
pub mod user;
mod users_input;
mod users_mutation;
mod users_query;

pub use mutation::IdentityMutation;
pub use query::IdentityQuery;
pub use users_mutation::UsersMutation;
pub use users_query::UsersQuery;
