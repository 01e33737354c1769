//! Finds the installed PostgreSQL programs. Never downloads any.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use tokio::process::Command;

use super::EmbeddedError;

/// The oldest major version whose features the schema relies on.
pub(super) const MINIMUM: u32 = 14;

const NEEDED: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Folders in which package managers keep one installation per major version: (parent, start of name, rest of path).
const KEPT_PER_VERSION: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
];

/// One installation.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    folder: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Where to look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Search<'a> {
    /// Only this folder: the operator named it.
    Folder(&'a Path),
    /// Everywhere that package managers put it.
    Installed,
    /// Nowhere, so that the message of a machine without PostgreSQL can be tested on one that has it.
    #[cfg(test)]
    Nowhere,
}

/// The installation to use: the newest, or the one of major version `data` when there is data already.
pub(super) async fn find(search: Search<'_>, data: Option<(u32, &Path)>) -> Result<Binaries, EmbeddedError> {
    let (found, searched) = match search {
        Search::Folder(folder) => (BTreeMap::from([named(folder).await?]), Vec::new()),
        Search::Installed => everywhere().await,
        #[cfg(test)]
        Search::Nowhere => (BTreeMap::new(), vec!["nowhere".to_owned()]),
    };
    let Some((&newest, _)) = found.last_key_value() else {
        return Err(EmbeddedError::BinariesMissing { minimum: MINIMUM, searched });
    };
    let wanted = data.map_or(newest, |(major, _)| major);
    match (found.get(&wanted), data) {
        (Some(folder), _) => Ok(Binaries { folder: folder.clone(), major: wanted }),
        (None, Some((data, folder))) => Err(EmbeddedError::VersionMismatch {
            folder: folder.to_owned(),
            data,
            installed: found.keys().map(u32::to_string).collect::<Vec<_>>().join(", "),
        }),
        (None, None) => Err(EmbeddedError::BinariesMissing { minimum: MINIMUM, searched }),
    }
}

async fn named(folder: &Path) -> Result<(u32, PathBuf), EmbeddedError> {
    let unusable = |problem: String| EmbeddedError::BinariesUnusable { folder: folder.to_owned(), problem };
    if let Some(missing) = NEEDED.iter().find(|name| !folder.join(name).is_file()) {
        return Err(unusable(format!("has no program {missing} (needed: {})", NEEDED.join(", "))));
    }
    match major_version(folder).await {
        Some(major) if major >= MINIMUM => Ok((major, folder.to_owned())),
        Some(major) => Err(unusable(format!("holds PostgreSQL {major}; {MINIMUM} or newer is needed"))),
        None => Err(unusable("holds a postgres that does not tell its version".to_owned())),
    }
}

/// All usable installations by major version, and where was looked.
async fn everywhere() -> (BTreeMap<u32, PathBuf>, Vec<String>) {
    let mut candidates = Vec::new();
    let mut searched = vec!["PATH".to_owned(), "pg_config --bindir".to_owned()];
    // The shell's own search, because it knows PATH as the commands below will.
    if let Some(program) = output_of(Command::new("sh").args(["-c", "command -v postgres"])).await
        && let Ok(real) = fs::canonicalize(program)
        && let Some(folder) = real.parent()
    {
        candidates.push(folder.to_owned());
    }
    if let Some(folder) = output_of(Command::new("pg_config").arg("--bindir")).await {
        candidates.push(PathBuf::from(folder));
    }
    for (parent, start, rest) in KEPT_PER_VERSION {
        searched.push(format!("{parent}/{start}*/{rest}"));
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        candidates.extend(
            entries
                .filter(|entry| entry.file_name().to_string_lossy().starts_with(start))
                .map(|entry| entry.path().join(rest)),
        );
    }

    let mut found = BTreeMap::new();
    for folder in candidates {
        if let Ok((major, folder)) = named(&folder).await {
            found.entry(major).or_insert(folder);
        }
    }
    (found, searched)
}

async fn major_version(folder: &Path) -> Option<u32> {
    parse_major(&output_of(Command::new(folder.join("postgres")).arg("--version")).await?)
}

/// From `postgres (PostgreSQL) 15.8 (Debian …)`, `17beta1` or `18devel`.
fn parse_major(text: &str) -> Option<u32> {
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

async fn output_of(command: &mut Command) -> Option<String> {
    let output = command.output().await.ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;

    #[test]
    fn major_versions_are_read_from_what_postgres_prints() {
        assert_eq!(parse_major("postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)"), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta2"), Some(18));
        assert_eq!(parse_major("something else"), None);
    }

    #[tokio::test]
    async fn a_machine_without_postgres_is_told_what_to_install() {
        let text = find(Search::Nowhere, None).await.unwrap_err().to_string();
        for expected in ["apt-get install postgresql", "brew install postgresql@", "HORAE_PG_BIN", "DATABASE_URL"] {
            assert!(text.contains(expected), "{expected} missing in: {text}");
        }
    }

    #[tokio::test]
    async fn data_of_a_version_that_is_not_installed_is_not_touched() {
        let error = find(Search::Installed, Some((9, Path::new("/data/here")))).await.unwrap_err();
        assert!(error.to_string().contains("written by PostgreSQL 9, but installed here: "), "{error}");
        assert!(error.to_string().contains("/data/here"), "{error}");
    }
}
