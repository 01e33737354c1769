//! Users, logins, keys: from a secret word to an [`crate::auth::Actor`].

pub mod audit;
pub mod authenticate;
pub mod change_password;
pub mod keys;
pub mod login;
pub mod logout;
pub mod password;
mod presence;
pub mod refresh;
pub mod revoke_session;
pub mod session;
pub mod sessions;
pub mod user;

pub use authenticate::Authenticator;
pub use presence::{Presence, Present};
pub use session::{Session, Tokens};
