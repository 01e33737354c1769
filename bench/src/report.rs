//! What was measured, as JSON for programs and as a table for people.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    cluster::{self, Cluster},
    fail::Result,
    say,
    scale::Scale,
};

/// One measurement with its target.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub what: String,
    /// Measured.
    pub measured: String,
    /// The floor beside it, or what it is compared with.
    pub floor: String,
    /// Compared with the target.
    pub value: f64,
    /// The target in words.
    pub target: String,
    /// Whether it was reached.
    pub reached: bool,
}

/// Findings of one measurement, and every figure behind them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// Against targets.
    pub findings: Vec<Finding>,
    /// Everything else.
    pub figures: Value,
}

/// A results file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The machine.
    pub machine: BTreeMap<String, String>,
    /// By subcommand.
    pub measurements: BTreeMap<String, Measurement>,
}

impl Finding {
    /// Reached when the value is at least `bound`.
    pub fn at_least(what: &str, measured: String, floor: String, value: f64, bound: f64) -> Self {
        Self::new(what, measured, floor, value, format!("≥ {bound}"), value >= bound)
    }

    /// Reached when the value is at most `bound`.
    pub fn at_most(what: &str, measured: String, floor: String, value: f64, bound: f64, unit: &str) -> Self {
        Self::new(what, measured, floor, value, format!("≤ {bound}{unit}"), value <= bound)
    }

    fn new(what: &str, measured: String, floor: String, value: f64, target: String, reached: bool) -> Self {
        Self { what: what.to_owned(), measured, floor, value, target, reached }
    }
}

impl Report {
    /// An earlier one, whose other measurements are kept.
    pub fn load(path: &Path) -> Self {
        std::fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Writes it.
    pub fn save(&self, path: &Path) -> Result<()> {
        Ok(std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")?)
    }

    /// The table.
    pub fn print(&self) {
        say::line("| what | measured | beside it | value | target | |\n|---|---|---|---|---|---|");
        for finding in self.measurements.values().flat_map(|measurement| &measurement.findings) {
            let Finding { what, measured, floor, value, target, reached } = finding;
            let mark = if *reached { "reached" } else { "**missed**" };
            say::line(&format!("| {what} | {measured} | {floor} | {value} | {target} | {mark} |"));
        }
    }
}

/// Processor, memory, system, PostgreSQL and its settings.
pub async fn machine(cluster: &Cluster, scale: &Scale) -> Result<BTreeMap<String, String>> {
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = |text: &str, name: &str| {
        let found = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split_once(':'));
        found.map(|(_, value)| value.trim().to_owned()).unwrap_or_else(|| "unknown".to_owned())
    };
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map(std::num::NonZero::get).unwrap_or_default();
    let settings: Vec<String> = cluster::SETTINGS.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let entries = [
        ("processor", format!("{}, {cores} cores", line(&processor, "model name"))),
        ("memory", line(&memory, "MemTotal")),
        ("system", format!("{} {}", std::env::consts::OS, kernel.trim())),
        ("postgresql", format!("{}, {}", cluster.version().await?, settings.join(", "))),
        ("database", format!("{:.1} GB", cluster.size().await? as f64 / 1e9)),
        ("scale", serde_json::to_string(scale)?),
    ];
    Ok(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
