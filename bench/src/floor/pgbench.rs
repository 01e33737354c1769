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

/// A run has new connections, and Horae's are old. Each of them prepares every statement of every script first, and
/// PostgreSQL plans a statement five times before it keeps a plan: with 16 clients, 20 scripts and 300 transactions a
/// second that takes some five seconds.
const WARM_UP: Duration = Duration::from_secs(20);

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

    /// Measures for `time` with so many clients, after [`WARM_UP`]. `run` is a number that no other run has.
    pub async fn run(&self, clients: usize, time: Duration, run: usize) -> Result<Floor> {
        for old in self.logs()? {
            std::fs::remove_file(old)?;
        }
        let mut command = Command::new("pgbench");
        command.args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--log"]);
        command.arg(format!("--log-prefix={}", self.folder.join("log").display()));
        command.arg(format!("--client={clients}")).arg(format!("--time={}", (time + WARM_UP).as_secs()));
        for file in &self.files {
            command.arg("--file").arg(file);
        }
        let counters = [("i", 0), ("run", run), ("clients", clients)];
        for (name, value) in counters {
            command.arg(format!("--define={name}={value}"));
        }
        for (name, value) in FORMATS {
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
        let mut calls = Vec::new();
        for log in self.logs()? {
            calls.extend(std::fs::read_to_string(log)?.lines().filter_map(call));
        }
        if complained.contains("aborted") || calls.is_empty() {
            return Err(Fail::new(format!("pgbench: {said}{complained}")));
        }
        Ok(window(&calls, time))
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

/// When a transaction ended, in microseconds since 1970, and how many it took.
fn call(line: &str) -> Option<(u64, u64)> {
    // client, number, microseconds, script, seconds since 1970, microseconds of that second
    let words: Vec<u64> = line.split(' ').map_while(|word| word.parse().ok()).collect();
    let [_, _, took, _, second, micros, ..] = words.as_slice() else { return None };
    Some((second * 1_000_000 + micros, *took))
}

/// The transactions of the last `time`.
fn window(calls: &[(u64, u64)], time: Duration) -> Floor {
    let last = calls.iter().map(|(at, _)| *at).max().unwrap_or_default();
    let from = last.saturating_sub(u64::try_from(time.as_micros()).unwrap_or_default());
    let mut latencies = Latencies::default();
    calls.iter().filter(|(at, _)| *at > from).for_each(|(_, took)| latencies.push_micros(*took));
    let throughput = latencies.len() as f64 / time.as_secs_f64().max(f64::EPSILON);
    Floor { throughput, latencies }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_before_the_window_is_not_counted() {
        let log = "0 1 9000 0 1700000000 500000\n1 1 2000 0 1700000003 0\n0 2 4000 1 1700000004 0\n";
        let calls: Vec<_> = log.lines().filter_map(call).collect();
        let floor = window(&calls, Duration::from_secs(2));
        assert_eq!(floor.latencies.summary().count, 2);
        assert!((floor.throughput - 1.0).abs() < 1e-9);
        assert_eq!(call("progress: 5.0 s"), None);
    }
}
