//! A real `horae` process: the release binary that lies beside this program.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    time::sleep,
};

use crate::{
    cluster::Cluster,
    fail::{Fail, Result},
    http::{self, Connection},
};

/// The application's role and its password in the private cluster.
pub const APP_ROLE: &str = "horae_app";
/// … which nobody else can reach.
pub const APP_PASSWORD: &str = "bench";

const SECRET: &str = "horae-bench-horae-bench-horae-bench-horae-bench";
const PATIENCE: Duration = Duration::from_secs(30);

/// What one caller or address may do.
const LIMITS: [&str; 8] = [
    "HORAE_COST_CAPACITY",
    "HORAE_COST_PER_SECOND",
    "HORAE_ATTEMPTS_PER_ADDRESS",
    "HORAE_ATTEMPTS_PER_ACCOUNT",
    "HORAE_MAX_SOCKETS_PER_ACTOR",
    "HORAE_MAX_SOCKETS_PER_TENANT",
    "HORAE_MAX_SOCKETS_PER_ADDRESS",
    "HORAE_MAX_SUBSCRIPTIONS_PER_ACTOR",
];

/// How to run `horae` against a cluster.
#[derive(Clone, Debug)]
pub struct Program {
    binary: PathBuf,
    admin_url: String,
    app_url: String,
    folder: PathBuf,
    second: bool,
}

/// A running node.
pub struct Node {
    child: Child,
    /// Where its API is.
    pub address: SocketAddr,
}

impl Program {
    /// Of this cluster; logs and mail go to `folder`.
    pub fn new(cluster: &Cluster, folder: &Path) -> Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("horae");
        if !binary.exists() {
            return Err(Fail::new(format!("{} is missing; start the benchmark with script/bench", binary.display())));
        }
        let app_url = format!("postgres://{APP_ROLE}:{APP_PASSWORD}@127.0.0.1:{}/horae", cluster.port());
        Ok(Self { binary, admin_url: cluster.admin_url(), app_url, folder: folder.to_owned(), second: false })
    }

    /// The same at the lowest priority, as `nice` gives it.
    pub fn second(&self) -> Self {
        Self { second: true, ..self.clone() }
    }

    /// As the application, for the floor.
    pub fn app_url(&self) -> &str {
        &self.app_url
    }

    fn command(&self) -> Result<Command> {
        let log = File::options().create(true).append(true).open(self.folder.join("horae.log"))?;
        let mut command = if self.second {
            let mut nice = Command::new("/usr/bin/nice");
            nice.args(["-n", "19"]).arg(&self.binary);
            nice
        } else {
            Command::new(&self.binary)
        };
        // Every setting but these has its default, whatever the caller's environment says.
        command.env_clear().env("HORAE_SECRET", SECRET);
        // A few desks on one machine do the work of hundreds: every limit is looked at, and none is reached.
        for limit in LIMITS {
            command.env(limit, "100000000");
        }
        command.env("DATABASE_URL", &self.admin_url).env("DATABASE_APP_URL", &self.app_url);
        command.env("HORAE_MAIL_FOLDER", self.folder.join("mailbox"));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        Ok(command)
    }

    /// Runs a command to its end, with this on its standard input.
    pub async fn run(&self, arguments: &[&str], input: &str) -> Result<()> {
        let mut child = self.command()?.args(arguments).stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        let status = child.wait().await?;
        if status.success() {
            return Ok(());
        }
        let log = self.folder.join("horae.log");
        Err(Fail::new(format!("horae {} failed; see {}", arguments.join(" "), log.display())))
    }

    /// Starts an API node and waits until it is ready.
    pub async fn serve(&self, more: &[(&str, &str)], arguments: &[&str]) -> Result<Node> {
        let address = free_address()?;
        let mut command = self.command()?;
        command.arg("serve").args(arguments).env("HORAE_LISTEN", address.to_string());
        for (name, value) in more {
            command.env(name, value);
        }
        let mut node = Node { child: command.spawn()?, address };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = node.child.try_wait()? {
                let log = self.folder.join("horae.log");
                return Err(Fail::new(format!("horae serve ended at once ({status}); see {}", log.display())));
            }
            if let Ok(mut connection) = Connection::open(address).await
                && let Ok(answer) = connection.call(&http::get("/readyz")).await
                && answer.status == 200
            {
                return Ok(node);
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(Fail::new("horae serve was not ready in time"))
    }
}

impl Node {
    /// Resident memory in bytes.
    pub async fn memory(&self) -> Result<u64> {
        resident(self.child.id().unwrap_or_default()).await
    }

    /// Ends it as a service manager does.
    pub async fn stop(mut self) -> Result<()> {
        let process = self.child.id().unwrap_or_default().to_string();
        Command::new("kill").args(["-TERM", &process]).status().await?;
        self.child.wait().await?;
        Ok(())
    }
}

/// Resident memory of a process in bytes.
pub async fn resident(process: u32) -> Result<u64> {
    let output = Command::new("ps").args(["-o", "rss=", "-p", &process.to_string()]).output().await?;
    let kilobytes: u64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    Ok(kilobytes * 1024)
}

/// A port that was free a moment ago.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
