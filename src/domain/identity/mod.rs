//! Users, logins, keys: from a secret word to an [`crate::auth::Actor`].

pub mod accept_invite;
pub mod account_link;
pub mod audit;
pub mod authenticate;
pub mod capability;
pub mod change_password;
mod grant;
pub mod invite_user;
pub mod keys;
pub mod list_roles;
pub mod list_users;
pub mod login;
pub mod logout;
pub mod mfa;
pub mod password_policy;
mod presence;
pub mod refresh;
pub mod request_password_reset;
pub mod reset_password;
pub mod revoke_session;
pub mod send_password_reset;
pub mod session;
pub mod sessions;
mod set_password;
pub mod update_user;
pub mod upsert_role;
pub mod user;

pub use authenticate::Authenticator;
pub use presence::{Presence, Present};
pub use session::{Session, Tokens};
pub use set_password::Done as PasswordSet;

#[cfg(any(test, fuzzing))]
pub(crate) use session::route;
