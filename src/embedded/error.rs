//! Why an embedded server could not be had, in words that say what to do about it.

use std::{io, path::PathBuf};

/// A refusal or failure of an embedded server. The text of each is meant for the person at the terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// No usable PostgreSQL installation was found.
    #[error(
        "no PostgreSQL server ({minimum} or newer) is installed here. Install one and try again:\n  \
         Debian, Ubuntu:  apt-get install postgresql      (as root, or with sudo)\n  \
         macOS:           brew install postgresql@17\n\
         If it is installed in an unusual place, set HORAE_PG_BIN to the folder that holds initdb, pg_ctl and \
         postgres. To use a running server instead, set DATABASE_URL.\nLooked in: {}",
        searched.join(", ")
    )]
    BinariesMissing {
        /// The oldest major version that serves.
        minimum: u32,
        /// Where was looked, as shown to the reader.
        searched: Vec<String>,
    },

    /// The folder given by the operator does not hold what is needed.
    #[error("HORAE_PG_BIN names {}, which {problem}", folder.display())]
    BinariesUnusable {
        /// The folder that was given.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// The data was written by another major version than any installed.
    #[error(
        "the data in {} was written by PostgreSQL {data}, but installed here: {installed}. \
         Install PostgreSQL {data}, or move the folder away to start with empty data",
        folder.display()
    )]
    VersionMismatch {
        /// The home of the data.
        folder: PathBuf,
        /// The major version that wrote it.
        data: u32,
        /// The major versions that are installed.
        installed: String,
    },

    /// Another process of ours is using the same data.
    #[error("another Horae is already running on {}; stop it first, or use another folder", .0.display())]
    InUse(PathBuf),

    /// Running as root, and the machine has no account that the server could run as.
    #[error(
        "PostgreSQL refuses to run as root, and this machine has none of the accounts {}. \
         Create one (useradd --system postgres), or run as an ordinary user",
        .0.join(", ")
    )]
    NoAccount(Vec<String>),

    /// The port asked for is taken.
    #[error("port {0} on 127.0.0.1 is taken by another program")]
    PortTaken(u16),

    /// The server, or one of its programs, ended with an error.
    #[error("{program} failed: {output}")]
    Failed {
        /// Which program.
        program: &'static str,
        /// The end of what it said.
        output: String,
    },

    /// The server did not come up, or did not stop, in time.
    #[error("PostgreSQL did not {action} within {seconds} s; see {}", log.display())]
    TimedOut {
        /// `start` or `stop`.
        action: &'static str,
        /// How long was waited.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
    },

    /// A file or process operation failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },

    /// The server is up but its database could not be prepared.
    #[error("the embedded PostgreSQL is up, but its database could not be prepared")]
    Database(#[from] sqlx::Error),
}

impl EmbeddedError {
    /// For `map_err` on file and process operations.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
