//! Which account the server runs as, and which folder that account can use.
//!
//! PostgreSQL refuses to run as root. A root process therefore starts it as the owner of the existing data, or else as
//! the machine's own `postgres` account.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::EmbeddedError;

/// In order of preference; macOS calls it `_postgres`.
const CANDIDATES: [&str; 3] = ["postgres", "_postgres", "nobody"];

/// Where data goes when the folder asked for cannot be reached by the server's account, as `/root` usually can't.
const SYSTEM_FOLDER: &str = "/var/lib/horae";

/// The account of the server process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Account {
    /// The one we run as.
    Ours,
    /// Another one, because we are root.
    Other { uid: u32, gid: u32 },
}

/// A folder that the server's account owns, and the account.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) folder: PathBuf,
    pub(super) account: Account,
}

impl Account {
    /// A command that runs as this account, in `folder`.
    pub(super) fn command(self, program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self::Other { uid, gid } = self {
            command.uid(uid).gid(gid);
        }
        command.current_dir(folder);
        command
    }

    /// Hands `path` over to this account.
    pub(super) fn own(self, path: &Path) -> Result<(), EmbeddedError> {
        match self {
            Self::Ours => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid)).map_err(EmbeddedError::io("hand over", path)),
        }
    }
}

/// Chooses and creates the folder for data that was asked to be in `wanted`.
pub(super) async fn prepare_home(wanted: &Path) -> Result<Home, EmbeddedError> {
    let wanted = std::path::absolute(wanted).map_err(EmbeddedError::io("find", wanted))?;
    if id(&["-u"]).await != Some(0) {
        create(&wanted).map_err(EmbeddedError::io("create", &wanted))?;
        return Ok(Home { folder: wanted, account: Account::Ours });
    }

    let name = folder_name(&wanted);
    let places = [wanted.clone(), Path::new(SYSTEM_FOLDER).join(&name), std::env::temp_dir().join("horae").join(&name)];
    // Data that exists decides the place, then the account: a change of either would lose or lock it.
    for folder in &places {
        if let Ok(owner) = fs::metadata(folder.join("cluster"))
            && owner.uid() != 0
        {
            let account = Account::Other { uid: owner.uid(), gid: owner.gid() };
            return Ok(Home { folder: folder.clone(), account });
        }
    }

    let account = server_account().await?;
    for folder in &places {
        if create(folder).is_ok() && account.own(folder).is_ok() && can_use(account, folder).await {
            if *folder != wanted {
                tracing::warn!(
                    embedded.asked = %wanted.display(),
                    embedded.folder = %folder.display(),
                    "the server's account cannot reach the folder asked for, so the data is kept elsewhere"
                );
                // What was created in vain, if it is still empty.
                let _ = fs::remove_dir(&wanted);
            }
            return Ok(Home { folder: folder.clone(), account });
        }
    }
    let denied = io::Error::from(io::ErrorKind::PermissionDenied);
    Err(EmbeddedError::Io { action: "use as the server's account", path: wanted, source: denied })
}

async fn server_account() -> Result<Account, EmbeddedError> {
    for name in CANDIDATES {
        if let (Some(uid), Some(gid)) = (id(&["-u", name]).await, id(&["-g", name]).await)
            && uid != 0
        {
            return Ok(Account::Other { uid, gid });
        }
    }
    Err(EmbeddedError::NoAccount(CANDIDATES.map(str::to_owned).to_vec()))
}

async fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().await.ok()?;
    if !output.status.success() {
        return None;
    }
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

fn create(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::DirBuilder::new().mode(0o700).create(folder)
}

/// Tried rather than computed from mode bits, which know nothing of access lists and mount options.
async fn can_use(account: Account, folder: &Path) -> bool {
    let script = r#"cd "$1" && : > .writable && rm .writable && [ "$(pwd -P)" ]"#;
    let mut command = account.command("sh", Path::new("/"));
    command.args(["-c", script, "sh"]).arg(folder).stderr(std::process::Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}

/// The same for the same folder at every start, and different for different ones.
fn folder_name(wanted: &Path) -> String {
    let tail = hex::encode(Sha256::digest(wanted.as_os_str().as_encoded_bytes()));
    let name = wanted.file_name().map_or_else(|| "data".into(), std::ffi::OsStr::to_string_lossy);
    format!("{name}-{tail:.10}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_for_different_folders_never_meet() {
        assert_eq!(folder_name(Path::new("/root/a/pg")), folder_name(Path::new("/root/a/pg")));
        assert_ne!(folder_name(Path::new("/root/a/pg")), folder_name(Path::new("/root/b/pg")));
        assert!(folder_name(Path::new("/root/a/pg")).starts_with("pg-"));
    }
}
