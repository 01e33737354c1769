//! Which account the server runs as, and which folder that account can use.
//!
//! PostgreSQL refuses to run as root. A root process therefore starts it as the owner of the existing data, or else as
//! the machine's own `postgres` account.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
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

    /// Opens a file in a folder of this account to append to it, and hands it over. The account may have put a link
    /// there, by which root would hand over, or write to, a file of somebody else: none is followed.
    pub(super) fn open(self, path: &Path) -> io::Result<File> {
        let mut options = File::options();
        options.create(true).append(true).mode(0o600).custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let file = options.open(path)?;
        self.own(&file)?;
        Ok(file)
    }

    /// Hands over what is open, not what has its name by then.
    pub(super) fn own(self, file: &File) -> io::Result<()> {
        let Self::Other { uid, gid } = self else { return Ok(()) };
        let now = file.metadata()?;
        if now.is_file() && now.nlink() > 1 {
            return Err(io::Error::other("it has a second name, which may be somebody else's"));
        }
        fchown(file, Some(uid), Some(gid))
    }

    fn own_folder(self, path: &Path) -> io::Result<()> {
        let flags = OFlags::NOFOLLOW | OFlags::DIRECTORY;
        self.own(&File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?)
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
    // What holds it is looked at, which must not be a link; macOS has links above.
    let temporary = fs::canonicalize(std::env::temp_dir()).unwrap_or_else(|_| std::env::temp_dir());
    let places = [wanted.clone(), Path::new(SYSTEM_FOLDER).join(&name), temporary.join("horae").join(&name)];
    let may_be_used = |folder: &Path| folder == wanted || folder.parent().is_some_and(belongs_to_root);
    // Data that exists decides the place, then the account: a change of either would lose or lock it.
    for folder in &places {
        if let Ok(owner) = fs::symlink_metadata(folder.join("cluster"))
            && owner.uid() != 0
            && may_be_used(folder)
        {
            let account = Account::Other { uid: owner.uid(), gid: owner.gid() };
            return Ok(Home { folder: folder.clone(), account });
        }
    }

    let account = server_account().await?;
    for folder in &places {
        if create_parent(folder).is_ok()
            && may_be_used(folder)
            && create(folder).is_ok()
            && account.own_folder(folder).is_ok()
            && can_use(account, folder).await
        {
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
    create_parent(folder)?;
    fs::DirBuilder::new().mode(0o700).create(folder)
}

fn create_parent(folder: &Path) -> io::Result<()> {
    folder.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Whether nobody but root can have put there what is in it, or can put another folder in its place. In the temporary
/// folder anybody may have made ours before us.
fn belongs_to_root(folder: &Path) -> bool {
    const STICKY: u32 = 0o1000;
    folder.ancestors().enumerate().all(|(height, folder)| {
        fs::symlink_metadata(folder).is_ok_and(|found| {
            let by_others = if found.gid() == 0 { 0o002 } else { 0o022 };
            let guarded = found.mode() & by_others == 0 || (height > 0 && found.mode() & STICKY != 0);
            found.is_dir() && found.uid() == 0 && guarded
        })
    })
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

    #[test]
    fn a_folder_that_others_can_change_is_not_roots() -> io::Result<()> {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let holder = fs::canonicalize(std::env::temp_dir())?;
        let temporary = tempfile::tempdir_in(&holder)?;
        let folder = temporary.path().join("horae");
        fs::create_dir(&folder)?;
        let all_roots = folder.ancestors().all(|above| fs::metadata(above).is_ok_and(|above| above.uid() == 0));
        assert_eq!(belongs_to_root(&folder), all_roots);
        assert!(!belongs_to_root(&holder) || fs::metadata(&holder)?.mode() & 0o022 == 0, "anybody may write there");
        symlink("/", temporary.path().join("link"))?;
        assert!(!belongs_to_root(&temporary.path().join("link")));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777))?;
        assert!(!belongs_to_root(&folder));
        Ok(())
    }

    #[test]
    fn links_of_the_account_are_not_followed() -> io::Result<()> {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir()?;
        let (foreign, link, second) =
            (folder.path().join("foreign"), folder.path().join("link"), folder.path().join("second"));
        fs::write(&foreign, "kept")?;
        symlink(&foreign, &link)?;
        assert!(Account::Ours.open(&link).is_err());
        // Another name of the same file is no link that could be seen on the way.
        fs::hard_link(&foreign, &second)?;
        let before = fs::metadata(&foreign)?;
        let account = Account::Other { uid: before.uid(), gid: before.gid() };
        assert!(account.open(&second).is_err());
        assert_eq!(fs::read_to_string(&foreign)?, "kept");
        Ok(())
    }
}
