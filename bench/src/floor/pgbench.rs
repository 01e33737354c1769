//! Runs `pgbench`.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::Command;

use super::Script;
use crate::{
    fail::{Fail, Result},
    node::APP_PASSWORD,
    stats::Latencies,
};

/// How the server writes times into parameters: as PostgreSQL logs an instant, as JSON, and as PostgreSQL logs a wall
/// time.
const FORMATS: &[(&str, &str)] = &[
    ("f_instant", "YYYY-MM-DD HH24:MI:SS\"+00\""),
    ("f_json", "YYYY-MM-DD\"T\"HH24:MI:SS\"Z\""),
    ("f_wall", "YYYY-MM-DD HH24:MI:SS"),
];

/// Scripts, each as likely as the next, against one database.
pub struct Pgbench {
    folder: PathBuf,
    url: String,
    files: Vec<PathBuf>,
    variables: Vec<(String, String)>,
}

/// What one run has measured.
#[derive(Clone, Debug, Default)]
pub struct Floor {
    /// Transactions in a second.
    pub throughput: f64,
    /// How long they took.
    pub latencies: Latencies,
}

impl Pgbench {
    /// Writes the scripts to `folder`.
    pub fn new(folder: &Path, url: &str, scripts: &[Script]) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut files = Vec::new();
        for (number, script) in scripts.iter().enumerate() {
            let file = folder.join(format!("{number}.sql"));
            std::fs::write(&file, &script.text)?;
            files.push(file);
        }
        let variables = scripts.iter().flat_map(|script| script.variables.iter().cloned()).collect();
        Ok(Self { folder: folder.to_owned(), url: url.to_owned(), files, variables })
    }

    /// Runs for `time` with so many clients; `run` is a number that no other run has.
    pub async fn run(&self, clients: usize, time: Duration, run: usize) -> Result<Floor> {
        for old in self.logs()? {
            std::fs::remove_file(old)?;
        }
        let mut command = Command::new("pgbench");
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--log"]);
        command.arg(format!("--log-prefix={}", self.folder.join("log").display()));
        command.arg(format!("--client={clients}")).arg(format!("--time={}", time.as_secs()));
        for file in &self.files {
            command.arg("--file").arg(file);
        }
        let counters = [("i", 0), ("run", run), ("clients", clients)];
        for (name, value) in counters {
            command.arg(format!("--define={name}={value}"));
        }
        for (name, value) in FORMATS.iter().copied() {
            command.arg(format!("--define={name}={value}"));
        }
        for (name, value) in &self.variables {
            command.arg(format!("--define={name}={value}"));
        }
        command.arg(&self.url).env("PGPASSWORD", APP_PASSWORD).stdin(Stdio::null());
        let output = command.output().await.map_err(|error| {
            Fail::new(format!("pgbench cannot be run ({error}); it belongs to PostgreSQL's contrib programs"))
        })?;
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            let lines: Vec<&str> = complained.lines().take(12).collect();
            return Err(Fail::new(format!("pgbench failed: {}", lines.join("\n"))));
        }
        let mut latencies = Latencies::default();
        for log in self.logs()? {
            for line in std::fs::read_to_string(log)?.lines() {
                // client, number, microseconds, script, …
                if let Some(micros) = line.split(' ').nth(2).and_then(|word| word.parse().ok()) {
                    latencies.push_micros(micros);
                }
            }
        }
        let throughput = throughput(&said).ok_or_else(|| Fail::new(format!("pgbench said no tps: {said}")))?;
        Ok(Floor { throughput, latencies })
    }

    fn logs(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("log.") {
                found.push(entry.path());
            }
        }
        Ok(found)
    }
}

/// `tps = 1234.5 (without initial connection time)`.
fn throughput(said: &str) -> Option<f64> {
    said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_what_pgbench_says() {
        let said = "latency average = 1.234 ms\ninitial connection time = 3.1 ms\ntps = 812.500000 (without initial connection time)\n";
        assert_eq!(throughput(said), Some(812.5));
        assert_eq!(throughput("pgbench: error"), None);
    }
}
