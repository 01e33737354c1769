//! What the demo keeps in files between starts: its secret, and which centres it has made, with their keys.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use crate::{auth::secret_token, cli::CliError, config::Config};

/// The secret in `folder`, or the one that demos of before kept in `older`, or a new one. A file that a full disk has left
/// empty is none.
pub(super) fn secret(folder: &Path, older: &Path) -> Result<String, CliError> {
    let path = folder.join("secret");
    if let Some(secret) = read(&path)? {
        return Ok(secret);
    }
    let secret = read(&older.join("secret"))?.unwrap_or_else(secret_token);
    write(&path, &secret)?;
    Ok(secret)
}

/// The centres that this folder's demo has made in one database.
pub(super) struct Made {
    path: PathBuf,
    database: String,
    /// By database, then by short name: the publishable key, or nothing while a centre is incomplete.
    keys: BTreeMap<String, BTreeMap<String, String>>,
}

impl Made {
    /// Of the private server, or of the one that the settings name.
    pub(super) fn read(config: &Config, private: bool) -> Result<Self, CliError> {
        let path = config.data_dir.join("demo-keys.json");
        let keys = read(&path)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let database = if private { "private".to_owned() } else { place(config).unwrap_or_default() };
        Ok(Self { path, database, keys })
    }

    /// Whether this demo has at least begun to make it.
    pub(super) fn knows(&self, slug: &str) -> bool {
        self.keys.get(&self.database).is_some_and(|centres| centres.contains_key(slug))
    }

    /// The key of a centre that was completed.
    pub(super) fn key(&self, slug: &str) -> Option<&str> {
        self.keys.get(&self.database)?.get(slug).map(String::as_str).filter(|key| !key.is_empty())
    }

    /// Remembers that a centre is about to be made or put aside.
    pub(super) fn begin(&mut self, slug: &str) -> Result<(), CliError> {
        self.keep(slug, "")
    }

    /// Remembers that a centre is complete.
    pub(super) fn complete(&mut self, slug: &str, key: &str) -> Result<(), CliError> {
        self.keep(slug, key)
    }

    fn keep(&mut self, slug: &str, key: &str) -> Result<(), CliError> {
        self.keys.entry(self.database.clone()).or_default().insert(slug.to_owned(), key.to_owned());
        write(&self.path, &serde_json::to_string_pretty(&self.keys)?)
    }
}

/// Where the database is, without who logs in.
fn place(config: &Config) -> Option<String> {
    let url = url::Url::parse(config.database_url.as_deref()?).ok()?;
    Some(format!("{}:{}{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(5432), url.path()))
}

fn read(path: &Path) -> Result<Option<String>, CliError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError(format!("cannot read {}: {error}", path.display()))),
    }
}

/// Under another name first, readable by its owner alone: a full disk or a killed process leaves the old file or the new.
fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let written = || {
        let mut file = NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    written().map_err(|error: io::Error| CliError(format!("cannot write {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_an_empty_file_is_none() -> Result<(), CliError> {
        let (folder, older) = (tempfile::tempdir()?, tempfile::tempdir()?);
        write(&folder.path().join("secret"), "")?;
        let made = secret(folder.path(), older.path())?;
        assert!(made.len() >= 32);
        assert_eq!(secret(folder.path(), older.path())?, made);
        Ok(())
    }

    #[test]
    fn a_secret_of_before_goes_to_where_the_data_is() -> Result<(), CliError> {
        let (folder, older) = (tempfile::tempdir()?, tempfile::tempdir()?);
        write(&older.path().join("secret"), "the one of before")?;
        assert_eq!(secret(folder.path(), older.path())?, "the one of before");
        drop(older);
        assert_eq!(secret(folder.path(), Path::new("/nowhere"))?, "the one of before");
        Ok(())
    }
}
