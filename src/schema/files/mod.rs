//! Files: announced and vouched for here; their bytes go over addresses of their own (`src/http/files`).

mod loader;
mod mutation;
pub mod types;

pub use loader::{AttachmentKey, LinkTo};
pub use mutation::FilesMutation;
