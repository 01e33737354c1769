//! Files: announced, sent, vouched for, shown by links that open once. Where their bytes lie is [`crate::files`]'s matter.
//!
//! Invariant: nobody is shown a file that is not READY, and none becomes READY whose bytes are not what was announced and
//! of the type that was said. A row is there before its bytes and goes before them, so that what a crash leaves behind
//! can be told from what is kept.

pub mod complete;
pub mod deposit;
pub mod fetch;
#[cfg(any(test, fuzzing))]
pub mod foreign;
pub(in crate::domain) mod held;
mod inspect;
mod kind;
pub mod links;
pub mod model;
mod name;
mod owner;
pub mod query;
pub mod receive;
pub mod request;
pub mod sweep;
pub mod thumbnail;

pub use crate::files::Part;
pub use kind::FileType;
pub use model::{Attachment, Owner};

/// How many and how large files may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRules {
    /// Largest file in bytes.
    pub max_bytes: i32,
    /// Most files of one patient, and of those that one user or key brings for imports.
    pub per_owner: i32,
    /// Most of all files together but for those that Horae made, in mebibytes.
    pub storage_mib: i32,
    /// Longest time that the bytes of one file may take to arrive, in seconds.
    pub upload_seconds: i32,
}

/// Bytes in a mebibyte.
const MIB: i64 = 1024 * 1024;

impl FileRules {
    /// Most bytes of all files together.
    #[must_use]
    pub fn storage_bytes(&self) -> i64 {
        i64::from(self.storage_mib) * MIB
    }
}
