//! Percentiles, medians and ratios.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long many calls took.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    micros: Vec<u64>,
}

/// The figures of [`Latencies`], in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many calls.
    pub count: usize,
    /// Half of the calls took no longer.
    pub p50_ms: f64,
    /// 95 of 100 took no longer.
    pub p95_ms: f64,
    /// 99 of 100 took no longer.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Latencies {
    /// One more.
    pub fn push(&mut self, took: Duration) {
        self.push_micros(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// One more, in microseconds.
    pub fn push_micros(&mut self, micros: u64) {
        self.micros.push(micros);
    }

    /// All of another.
    pub fn extend(&mut self, other: &Self) {
        self.micros.extend_from_slice(&other.micros);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.micros.len()
    }

    /// The figures.
    pub fn summary(&self) -> Summary {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        Summary {
            count: sorted.len(),
            p50_ms: millis(percentile(&sorted, 50)),
            p95_ms: millis(percentile(&sorted, 95)),
            p99_ms: millis(percentile(&sorted, 99)),
            max_ms: millis(percentile(&sorted, 100)),
        }
    }
}

/// The nearest-rank percentile of sorted values: the smallest one that at least `percent` of them do not exceed.
/// Zero for none.
pub fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

fn millis(micros: u64) -> f64 {
    round(micros as f64 / 1000.0)
}

/// To three decimals: more is noise.
pub fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The middle value, or the mean of the middle two. Zero for none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    if sorted.len().is_multiple_of(2) && !sorted.is_empty() {
        let lower = sorted.get(sorted.len() / 2 - 1).copied().unwrap_or_default();
        return (lower + upper) / 2.0;
    }
    upper
}

/// `part / whole`; zero when there is no whole.
pub fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { round(part / whole) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!([50, 95, 99, 100].map(|p| percentile(&hundred, p)), [50, 95, 99, 100]);
        assert_eq!([50, 95, 99].map(|p| percentile(&[7], p)), [7, 7, 7]);
        assert_eq!([50, 51, 99].map(|p| percentile(&[1, 9], p)), [1, 9, 9]);
        assert_eq!(percentile(&[], 99), 0);
    }

    #[test]
    fn one_slow_call_in_two_hundred_shows_in_the_maximum_alone() {
        let mut calls = Latencies::default();
        for _ in 0..199 {
            calls.push_micros(2_000);
        }
        calls.push(Duration::from_millis(90));
        let found = calls.summary();
        assert_eq!((found.count, found.p50_ms, found.p99_ms, found.max_ms), (200, 2.0, 2.0, 90.0));
    }

    #[test]
    fn the_order_of_calls_plays_no_part() {
        let mut one = Latencies::default();
        let mut other = Latencies::default();
        (0..1_000).for_each(|n| one.push_micros(n));
        (0..1_000).rev().for_each(|n| other.push_micros(n));
        assert_eq!(one.summary(), other.summary());
    }

    #[test]
    fn a_median_is_not_moved_by_one_bad_round() {
        assert!((median(&[10.0, 11.0, 500.0]) - 11.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
    }

    #[test]
    fn a_ratio_without_a_whole_is_zero() {
        assert!((ratio(1.0, 3.0) - 0.333).abs() < 1e-9);
        assert!(ratio(1.0, 0.0).abs() < 1e-9);
    }
}
