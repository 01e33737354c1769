//! The measurements, one file each.

pub mod agenda;
pub mod bare;
pub mod booking;
pub mod fanout;
pub mod history;
pub mod mail;
pub mod patients;
mod sink;
mod slots;
mod sockets;

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    fill::Data,
    floor::Floor,
    load::Run,
    node::Program,
    scale::Scale,
    stats::{Latencies, median, round},
};

/// What every measurement is given.
pub struct Bench<'a> {
    /// PostgreSQL.
    pub cluster: &'a Cluster,
    /// How to start nodes.
    pub program: &'a Program,
    /// For files of this run.
    pub folder: &'a Path,
    /// How long and how often.
    pub scale: &'a Scale,
    /// Connections of the generator, and clients of `pgbench`.
    pub clients: usize,
}

/// Horae and its floor, round by round in turn, so that whatever else the machine does hits both.
#[derive(Clone, Debug, Default)]
struct Rounds {
    ours: Vec<f64>,
    floor: Vec<f64>,
    our_latencies: Latencies,
    floor_latencies: Latencies,
    refused: usize,
}

impl Rounds {
    fn add(&mut self, run: &Run, floor: &Floor) {
        self.ours.push(round(run.throughput()));
        self.floor.push(round(floor.throughput));
        self.our_latencies.extend(&run.latencies);
        self.floor_latencies.extend(&floor.latencies);
        self.refused += run.refused;
    }

    fn medians(&self) -> (f64, f64) {
        (median(&self.ours), median(&self.floor))
    }

    fn figures(&self) -> Value {
        json!({
            "horae": {"per_second": self.ours, "latency": self.our_latencies.summary(), "refused": self.refused},
            "floor": {"per_second": self.floor, "latency": self.floor_latencies.summary()},
        })
    }
}

/// `812/s, p50/p95/p99 8.0/12.1/19.0 ms`.
fn rate(per_second: f64, latencies: &Latencies) -> String {
    let found = latencies.summary();
    format!("{per_second:.0}/s, p50/p95/p99 {:.1}/{:.1}/{:.1} ms", found.p50_ms, found.p95_ms, found.p99_ms)
}

/// Every centre on some days, so that requests do not always ask the same.
fn spread(data: &Data, days: usize) -> Vec<(usize, chrono::NaiveDate)> {
    let centres = 0..data.centres.len();
    (0..days).flat_map(|day| centres.clone().map(move |centre| (centre, data.full_day(centre + day * 5)))).collect()
}
