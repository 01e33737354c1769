//! Who calls and what they may do: tokens, passwords, second factor, permissions, seals. No use case belongs here.

mod actor;
pub mod alarm;
mod key_setting;
pub mod keyring;
pub mod password;
mod permission;
mod seal;
pub mod token;
pub mod totp;
mod vault;
pub mod word;

pub use actor::{Actor, ActorKind, Denied, Scope};
pub use key_setting::BadKeys;
pub use permission::{BuiltinRole, Permission, PermissionSet};
pub use seal::{Seal, SealedKind, derive, secret_token, token_hash};
pub use vault::Vault;
