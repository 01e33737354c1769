//! Temporary folders.

use std::{fs, os::unix::fs::PermissionsExt as _};

use tempfile::TempDir;

/// A folder that other accounts can pass through, as a database server needs when the tests run as root.
pub fn passable() -> TempDir {
    let folder = tempfile::Builder::new().prefix("horae-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}
