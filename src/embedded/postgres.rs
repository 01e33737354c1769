//! A private PostgreSQL: started from installed programs, stopped with us, its data kept.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection as _,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{
    process::Child,
    time::{Instant, sleep, timeout},
};

use super::{
    EmbeddedError,
    account::prepare_home,
    binaries::{self, Binaries, Search},
    cluster::{ADMIN, Cluster},
    watchdog::Watchdog,
};

const DATABASE: &str = "horae";

/// Long, because a start after a crash first replays the write-ahead log.
const START_LIMIT: Duration = Duration::from_secs(120);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Tries to start, when what stood in the way is known to pass.
const ATTEMPTS: u32 = 20;

/// Longest folder for the Unix socket: the system's limit (104 on macOS) less `/.s.PGSQL.65535`.
const LONGEST_SOCKET_FOLDER: usize = 88;

/// How to run the embedded server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// Where its files live: data, log, password, port. Created when absent, used again when present.
    pub data_dir: PathBuf,
    /// Whether commits survive a crash of the machine. `false` makes tests several times faster.
    pub durable: bool,
    /// The port on 127.0.0.1; `None` takes that of the last start if free, or else any free one.
    pub port: Option<u16>,
    /// How many connections it accepts.
    pub max_connections: u16,
    /// The folder of `initdb`, `pg_ctl` and `postgres`; `None` looks where package managers put them.
    pub bin_dir: Option<PathBuf>,
}

impl Options {
    /// A durable server with 100 connections on any free port, its files in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self { data_dir: data_dir.into(), durable: true, port: None, max_connections: 100, bin_dir: None }
    }
}

/// A running private server. [`stop`](Self::stop) ends it cleanly; dropping it asks it to end and does not wait.
///
/// When this process is killed outright, a watchdog process shuts the server down, and the next start first makes sure
/// that none is left.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    // Dropped in this order: the server is told to end while its home is still locked.
    watchdog: Option<Watchdog>,
    child: Child,
    binaries: Binaries,
    cluster: Cluster,
    port: u16,
    password: String,
}

impl EmbeddedPostgres {
    /// Starts the server and waits until it answers, with the database `horae` in it.
    ///
    /// # Errors
    /// When no server is installed, the data cannot be used (by another process, another version, for lack of rights),
    /// or the server does not come up. The text says what to do.
    pub async fn start(options: Options) -> Result<Self, EmbeddedError> {
        let cluster = Cluster::lock(prepare_home(&options.data_dir).await?)?;
        let search = options.bin_dir.as_deref().map_or(Search::Installed, Search::Folder);
        let data = cluster.data_version();
        let binaries = binaries::find(search, data.map(|major| (major, cluster.home()))).await?;
        stop_leftover(&cluster, &binaries).await?;
        if data.is_none() {
            cluster.create(&binaries, options.durable).await?;
        }

        let password = cluster.password()?;
        let server = start_server(cluster, binaries, password, &options).await?;
        server.cluster.remember_port(server.port)?;
        server.create_database().await?;
        tracing::info!(
            embedded.port = server.port,
            embedded.version = server.binaries.major,
            embedded.folder = %server.cluster.home().display(),
            "the embedded PostgreSQL is ready"
        );
        Ok(server)
    }

    /// The superuser's address of the database `horae`. It contains the password: not for logs.
    pub fn admin_url(&self) -> String {
        format!("postgres://{ADMIN}:{}@127.0.0.1:{}/{DATABASE}", self.password, self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its files are: the folder asked for, or another one when the server's account cannot reach that.
    pub fn home(&self) -> &Path {
        self.cluster.home()
    }

    /// The process of the server, as long as it has not been found ended.
    pub fn process_id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the server ends by itself, which it does only when something is wrong.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub async fn ended(&mut self) -> Result<ExitStatus, EmbeddedError> {
        self.child.wait().await.map_err(EmbeddedError::io("wait for the server of", self.cluster.home()))
    }

    /// Ends it: open transactions are rolled back, data is written, the process is gone when this returns.
    ///
    /// # Errors
    /// When it had to be forced and did not even end then.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        if let Ok(Some(_)) = self.child.try_wait() {
            self.dismiss_watchdog();
            return Ok(());
        }
        stop_server(&self.cluster, &self.binaries).await?;
        let ended = timeout(STOP_LIMIT, self.child.wait()).await;
        self.dismiss_watchdog();
        match ended {
            Ok(_) => Ok(()),
            Err(_) => Err(timed_out("stop", STOP_LIMIT, &self.cluster)),
        }
    }

    fn dismiss_watchdog(&mut self) {
        if let Some(watchdog) = self.watchdog.take() {
            watchdog.dismiss();
        }
    }

    async fn create_database(&self) -> Result<(), EmbeddedError> {
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username(ADMIN)
            .password(&self.password)
            .database("postgres")
            .ssl_mode(PgSslMode::Disable);
        let mut connection = options.connect().await?;
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await?;
        if !exists {
            sqlx::query("CREATE DATABASE horae").execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(())
    }
}

/// Why one try to start came to nothing.
enum StartFailure {
    /// Another program was faster to take the port.
    PortTaken,
    /// Processes of a killed server are still ending.
    StillEnding,
    Final(EmbeddedError),
}

async fn start_server(
    cluster: Cluster,
    binaries: Binaries,
    password: String,
    options: &Options,
) -> Result<EmbeddedPostgres, EmbeddedError> {
    let mut attempt = 1;
    let mut another_port = false;
    let (port, child, watchdog) = loop {
        let port = cluster.choose_port(options.port, another_port)?;
        let failure = match try_start(&cluster, &binaries, port, options).await {
            Ok((child, watchdog)) => break (port, child, watchdog),
            Err(failure) => failure,
        };
        match failure {
            StartFailure::Final(error) => return Err(error),
            StartFailure::PortTaken if attempt >= ATTEMPTS || options.port.is_some() => {
                return Err(EmbeddedError::PortTaken(port));
            }
            StartFailure::StillEnding if attempt >= ATTEMPTS => {
                return Err(timed_out("start", START_LIMIT, &cluster));
            }
            StartFailure::PortTaken => another_port = true,
            StartFailure::StillEnding => sleep(Duration::from_millis(250)).await,
        }
        attempt += 1;
    };
    Ok(EmbeddedPostgres { watchdog: Some(watchdog), child, binaries, cluster, port, password })
}

async fn try_start(
    cluster: &Cluster,
    binaries: &Binaries,
    port: u16,
    options: &Options,
) -> Result<(Child, Watchdog), StartFailure> {
    let (log, log_start) = cluster.open_log().map_err(StartFailure::Final)?;
    let errors = log.try_clone().map_err(EmbeddedError::io("open", cluster.log())).map_err(StartFailure::Final)?;
    let mut command = cluster.command(binaries, "postgres");
    command.arg("-D").arg(cluster.data()).arg("-p").arg(port.to_string());
    for setting in settings(cluster.home(), options) {
        command.arg("-c").arg(setting);
    }
    // Its own group: Ctrl-C at the terminal reaches us, and we end it in our own order.
    command.stdout(log).stderr(errors).stdin(Stdio::null()).process_group(0);
    let mut child = command
        .spawn()
        .map_err(EmbeddedError::io("start the server of", cluster.home()))
        .map_err(StartFailure::Final)?;
    let process = child.id().unwrap_or_default();
    let watchdog = Watchdog::over(process, &cluster.pid_file(), cluster.account).map_err(StartFailure::Final)?;

    let deadline = Instant::now() + START_LIMIT;
    loop {
        if cluster.read_pid_file().is_some_and(|file| file.process == process && file.ready) {
            return Ok((child, watchdog));
        }
        if let Ok(Some(_)) = child.try_wait() {
            return Err(failure_from_log(cluster.log_since(log_start)));
        }
        if Instant::now() >= deadline {
            // Dropping the watchdog tells the server to end.
            return Err(StartFailure::Final(timed_out("start", START_LIMIT, cluster)));
        }
        sleep(POLL).await;
    }
}

fn failure_from_log(log: String) -> StartFailure {
    if log.contains("could not create any TCP/IP sockets") || log.contains("Address already in use") {
        StartFailure::PortTaken
    } else if log.contains("pre-existing shared memory block") {
        StartFailure::StillEnding
    } else {
        StartFailure::Final(EmbeddedError::Failed { program: "postgres", output: log })
    }
}

fn settings(home: &Path, options: &Options) -> Vec<String> {
    let socket_folder = home.to_str().filter(|path| path.len() <= LONGEST_SOCKET_FOLDER && !path.contains(','));
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={}", socket_folder.unwrap_or_default()),
        format!("max_connections={}", options.max_connections),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        "logging_collector=off".to_owned(),
        "log_destination=stderr".to_owned(),
        // As `horae migrate` sets it for the application's role: compiling takes longer than anything here runs.
        "jit=off".to_owned(),
    ];
    let rest: &[&str] = if options.durable {
        // Real data: its values stay out of the log, where failed statements and details would put them.
        &["log_min_error_statement=panic", "log_error_verbosity=terse"]
    } else {
        &["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
    };
    settings.extend(rest.iter().map(|setting| (*setting).to_owned()));
    settings
}

/// We hold the home's lock, so a server on it belongs to a process of ours that is gone.
async fn stop_leftover(cluster: &Cluster, binaries: &Binaries) -> Result<(), EmbeddedError> {
    let Some(file) = cluster.read_pid_file() else {
        return Ok(());
    };
    match command_line(file.process).await {
        // PostgreSQL itself recognises the pid file of a process that is gone.
        None => Ok(()),
        Some(line) if line.contains("postgres") && line.contains(&*cluster.data().to_string_lossy()) => {
            tracing::warn!(embedded.process = file.process, "stopping the PostgreSQL that a killed Horae left behind");
            stop_server(cluster, binaries).await
        }
        // The number has gone to another program, which `pg_ctl` would signal and PostgreSQL take for a running server.
        Some(_) => {
            let path = cluster.pid_file();
            std::fs::remove_file(&path).map_err(EmbeddedError::io("remove", &path))
        }
    }
}

async fn stop_server(cluster: &Cluster, binaries: &Binaries) -> Result<(), EmbeddedError> {
    for mode in ["fast", "immediate"] {
        let mut command = cluster.command(binaries, "pg_ctl");
        command.arg("stop").arg("-D").arg(cluster.data()).args(["-m", mode, "-w", "-t"]);
        command.arg(STOP_LIMIT.as_secs().to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().await.map_err(EmbeddedError::io("run pg_ctl for", cluster.home()))?;
        // It also fails when the server ended in the meantime, which is what was wanted.
        if status.success() || cluster.read_pid_file().is_none() {
            return Ok(());
        }
    }
    Err(timed_out("stop", STOP_LIMIT, cluster))
}

/// `None` when there is no such process.
async fn command_line(process: u32) -> Option<String> {
    if let Ok(bytes) = std::fs::read(format!("/proc/{process}/cmdline")) {
        return Some(String::from_utf8_lossy(&bytes).replace('\0', " "));
    }
    let mut ps = tokio::process::Command::new("ps");
    let output = ps.args(["-o", "command=", "-p", &process.to_string()]).output().await.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn timed_out(action: &'static str, limit: Duration, cluster: &Cluster) -> EmbeddedError {
    EmbeddedError::TimedOut { action, seconds: limit.as_secs(), log: cluster.log() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_start_failures_are_told_apart() {
        let taken = "FATAL:  could not create any TCP/IP sockets".to_owned();
        assert!(matches!(failure_from_log(taken), StartFailure::PortTaken));
        let ending = "FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use".to_owned();
        assert!(matches!(failure_from_log(ending), StartFailure::StillEnding));
        let other = failure_from_log("FATAL:  data directory has wrong ownership".to_owned());
        assert!(matches!(other, StartFailure::Final(error) if error.to_string().contains("wrong ownership")));
    }

    #[test]
    fn a_folder_too_long_for_a_socket_goes_without() {
        let options = Options::new("/unused");
        let long = PathBuf::from(format!("/{}", "x".repeat(120)));
        assert!(settings(&long, &options).contains(&"unix_socket_directories=".to_owned()));
        assert!(settings(Path::new("/short"), &options).contains(&"unix_socket_directories=/short".to_owned()));
    }
}
