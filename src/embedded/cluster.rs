//! The files of one cluster: its data, password, port and the pid file of its server.
//!
//! ```text
//! home/cluster/        PostgreSQL's data folder
//! home/admin.password  of the role `horae_admin`, readable by its owner alone
//! home/port            the port of the last start, taken again when it is free
//! home/postgres.log    what the server says
//! home/lock            held by the one Horae process that uses this home
//! home/secret          of the demo, which keeps it beside what it protects
//! ```

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use rand::{TryRngCore as _, rngs::OsRng};
use tempfile::NamedTempFile;

use super::{
    EmbeddedError,
    account::{Account, Home},
    binaries::Binaries,
};

pub(super) const ADMIN: &str = "horae_admin";

/// A log longer than this is put aside at the next start.
const LONGEST_LOG: u64 = 16 * 1024 * 1024;

/// Case rules for all of Unicode, in a locale that every such machine has.
const LOCALE: &str = if cfg!(target_os = "macos") { "en_US.UTF-8" } else { "C.UTF-8" };

/// A home and who works in it.
#[derive(Debug)]
pub(super) struct Cluster {
    home: PathBuf,
    pub(super) account: Account,
    /// Held until the process ends, and released by the kernel even then.
    lock: File,
}

/// What the server's pid file says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct PidFile {
    pub(super) process: u32,
    pub(super) ready: bool,
}

impl Cluster {
    /// Takes the home for this process.
    pub(super) fn lock(home: Home) -> Result<Self, EmbeddedError> {
        let path = home.folder.join("lock");
        let lock = home.account.open(&path).map_err(EmbeddedError::io("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(EmbeddedError::InUse(home.folder)),
            Err(TryLockError::Error(source)) => {
                return Err(EmbeddedError::Io { action: "lock", path, source });
            }
        }
        Ok(Self { home: home.folder, account: home.account, lock })
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn data(&self) -> PathBuf {
        self.home.join("cluster")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.home.join("postgres.log")
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }

    /// A command of the installation, run as the server's account and free of the caller's own PostgreSQL settings.
    pub(super) fn command(&self, binaries: &Binaries, program: &str) -> tokio::process::Command {
        let mut command = self.account.command(binaries.program(program), &self.home);
        for name in ["PGDATA", "PGPORT", "PGHOST", "PGOPTIONS", "PGUSER", "PGDATABASE", "PGSERVICE"] {
            command.env_remove(name);
        }
        // English, because start-up failures are told apart by the log's text.
        command.env("LC_ALL", LOCALE).stdin(std::process::Stdio::null());
        command
    }

    /// The major version that wrote the data, if there is any.
    pub(super) fn data_version(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// Makes the data folder. It appears under its name only when complete, so a killed attempt leaves no half of it.
    pub(super) async fn create(&self, binaries: &Binaries, durable: bool) -> Result<(), EmbeddedError> {
        let unfinished = self.home.join("cluster.new");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished).map_err(EmbeddedError::io("remove", &unfinished))?;
        }
        let password_file = self.password_file();
        self.write_private(&password_file, &random_password()?)?;

        let mut initdb = self.command(binaries, "initdb");
        initdb.arg("-D").arg(&unfinished).arg("--pwfile").arg(&password_file);
        initdb.args(["--username", ADMIN, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", LOCALE]);
        initdb.arg(if durable { "--data-checksums" } else { "--no-sync" });
        let output = initdb.output().await.map_err(EmbeddedError::io("run initdb for", &unfinished))?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            return Err(EmbeddedError::Failed { program: "initdb", output: tail(&String::from_utf8_lossy(&said)) });
        }
        fs::rename(&unfinished, self.data()).map_err(EmbeddedError::io("rename", &unfinished))
    }

    pub(super) fn password(&self) -> Result<String, EmbeddedError> {
        let path = self.password_file();
        let text = fs::read_to_string(&path).map_err(EmbeddedError::io("read", &path))?;
        Ok(text.trim().to_owned())
    }

    fn password_file(&self) -> PathBuf {
        self.home.join("admin.password")
    }

    /// The port asked for, or that of the last start, or a free one. Another program can still take it before the
    /// server does; the caller tries again then.
    pub(super) fn choose_port(&self, asked: Option<u16>, again: bool) -> Result<u16, EmbeddedError> {
        if let Some(port) = asked {
            return is_free(port).then_some(port).ok_or(EmbeddedError::PortTaken(port));
        }
        let last = fs::read_to_string(self.port_file()).ok().and_then(|text| text.trim().parse().ok());
        if let Some(port) = last.filter(|port| !again && is_free(*port)) {
            return Ok(port);
        }
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map(|address| address.port())
            .map_err(EmbeddedError::io("find a free port for", &self.home))
    }

    pub(super) fn remember_port(&self, port: u16) -> Result<(), EmbeddedError> {
        self.write_private(&self.port_file(), &port.to_string())
    }

    fn port_file(&self) -> PathBuf {
        self.home.join("port")
    }

    /// The log, opened for the server to append to, and its length now.
    pub(super) fn open_log(&self) -> Result<(File, u64), EmbeddedError> {
        let path = self.log();
        if fs::metadata(&path).is_ok_and(|file| file.len() > LONGEST_LOG) {
            let aside = self.home.join("postgres.log.old");
            fs::rename(&path, &aside).map_err(EmbeddedError::io("rename", &path))?;
        }
        let file = self.account.open(&path).map_err(EmbeddedError::io("open", &path))?;
        let length = file.metadata().map_err(EmbeddedError::io("read", &path))?.len();
        Ok((file, length))
    }

    /// The end of what the log has gained since it was `from` bytes long.
    pub(super) fn log_since(&self, from: u64) -> String {
        let bytes = fs::read(self.log()).unwrap_or_default();
        let new = usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or(&bytes);
        tail(&String::from_utf8_lossy(new))
    }

    pub(super) fn read_pid_file(&self) -> Option<PidFile> {
        parse_pid_file(&fs::read_to_string(self.pid_file()).ok()?)
    }

    /// Under another name first, so that neither a link is followed nor half of it left.
    fn write_private(&self, path: &Path, text: &str) -> Result<(), EmbeddedError> {
        let write = || -> io::Result<()> {
            let mut file = NamedTempFile::new_in(&self.home)?;
            file.write_all(text.as_bytes())?;
            self.account.own(file.as_file())?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(EmbeddedError::io("write", path))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Closing alone is not enough: a program that another thread is just starting holds a copy of the file between
        // its fork and its exec, and the lock with it. Seen as one failed restart in ten under load.
        let _ = self.lock.unlock();
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// From the operating system: 128 bits, in letters that need no escaping in a URL.
fn random_password() -> Result<String, EmbeddedError> {
    let mut bytes = [0_u8; 16];
    OsRng.try_fill_bytes(&mut bytes).map_err(|error| EmbeddedError::Failed {
        program: "the system's random number generator",
        output: error.to_string(),
    })?;
    Ok(hex::encode(bytes))
}

fn parse_pid_file(text: &str) -> Option<PidFile> {
    let mut lines = text.lines();
    let process = lines.next()?.trim().parse().ok()?;
    // The eighth line is the state: `starting`, `ready`, `stopping`.
    let ready = lines.nth(6).is_some_and(|state| state.trim() == "ready");
    Some(PidFile { process, ready })
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_ready_only_when_its_pid_file_says_so() {
        let file = |state| format!("4242\n/data\n1700000000\n5433\n/run\n127.0.0.1\n  1 2\n{state}\n");
        assert_eq!(parse_pid_file(&file("ready   ")), Some(PidFile { process: 4242, ready: true }));
        assert_eq!(parse_pid_file(&file("starting")), Some(PidFile { process: 4242, ready: false }));
        assert_eq!(parse_pid_file("4242\n/data\n"), Some(PidFile { process: 4242, ready: false }));
        assert_eq!(parse_pid_file(""), None);
    }

    #[test]
    fn passwords_differ() -> Result<(), EmbeddedError> {
        assert_ne!(random_password()?, random_password()?);
        assert_eq!(random_password()?.len(), 32);
        Ok(())
    }

    #[test]
    fn only_the_end_of_a_long_output_is_shown() {
        let text = (0..100).map(|line| format!("line {line}")).collect::<Vec<_>>().join("\n");
        assert!(tail(&text).starts_with("line 88\n"));
        assert!(tail(&text).ends_with("line 99"));
    }
}
