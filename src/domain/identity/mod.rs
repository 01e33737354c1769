//! Users, logins, keys: from a secret word to an [`crate::auth::Actor`].

pub mod authenticate;
pub mod keys;
pub mod login;
pub mod logout;
pub mod refresh;
mod session;
pub mod user;

pub use authenticate::Authenticator;
pub use session::Tokens;

#[cfg(any(test, fuzzing))]
pub(crate) use session::route;
