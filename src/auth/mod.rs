//! Who calls and what they may do: tokens, passwords, permissions, seals. No use case belongs here.

mod actor;
pub mod alarm;
pub mod password;
mod permission;
mod seal;
pub mod token;

pub use actor::{Actor, ActorKind, Denied, Scope};
pub use permission::{BuiltinRole, Permission, PermissionSet};
pub use seal::{Seal, SealedKind, derive, secret_token, token_hash};
