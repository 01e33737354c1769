//! Users, logins, keys: from a secret word to an [`crate::auth::Actor`].

pub mod authenticate;
pub mod capability;
pub mod keys;
pub mod login;
pub mod logout;
pub mod mfa;
pub mod refresh;
mod session;
pub mod user;

pub use authenticate::Authenticator;
pub use session::Tokens;
