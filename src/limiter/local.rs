//! Buckets in this process.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use moka::future::Cache;

use crate::domain::{
    clock::Clock,
    limit::{Bucket, Limiter, Taken},
};

/// Buckets that are remembered; a flood of made-up callers pushes out the ones that were used least.
const MOST_BUCKETS: u64 = 200_000;

/// A bucket that nobody has touched for so long is full, whatever its rate, or as good as.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);

/// Buckets of this process alone.
pub struct LocalLimiter {
    clock: Arc<dyn Clock>,
    buckets: Cache<String, Arc<Mutex<Level>>>,
}

/// How full a bucket was, and when.
struct Level {
    units: f64,
    at: DateTime<Utc>,
}

impl LocalLimiter {
    /// Empty-handed: every bucket is full at first.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, buckets: Cache::builder().max_capacity(MOST_BUCKETS).time_to_idle(FORGOTTEN_AFTER).build() }
    }

    async fn level(&self, bucket: &Bucket) -> Arc<Mutex<Level>> {
        let (units, at) = (f64::from(bucket.capacity), self.clock.now());
        let full = async { Arc::new(Mutex::new(Level { units, at })) };
        self.buckets.get_with_by_ref(&bucket.key, full).await
    }
}

impl Level {
    fn fill(&mut self, bucket: &Bucket, now: DateTime<Utc>) {
        // A clock that was set back fills nothing.
        let passed = (now - self.at).to_std().unwrap_or_default();
        self.units =
            (self.units + passed.as_secs_f64() * f64::from(bucket.per_minute) / 60.0).min(f64::from(bucket.capacity));
        self.at = now;
    }
}

/// How long until the bucket has what is missing.
fn wait(missing: f64, bucket: &Bucket) -> Duration {
    let seconds = missing * 60.0 / f64::from(bucket.per_minute.max(1));
    Duration::try_from_secs_f64(seconds).unwrap_or(FORGOTTEN_AFTER)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a u32")]
fn whole(units: f64) -> u32 {
    units.max(0.0) as u32
}

#[async_trait::async_trait]
impl Limiter for LocalLimiter {
    async fn take(&self, amount: u32, buckets: &[Bucket]) -> Taken {
        let now = self.clock.now();
        let mut levels = Vec::with_capacity(buckets.len());
        for bucket in buckets {
            levels.push(self.level(bucket).await);
        }
        let amount = f64::from(amount);
        // Callers name wider buckets behind narrower ones, so two calls never wait for each other.
        let mut held: Vec<_> =
            levels.iter().map(|level| level.lock().unwrap_or_else(PoisonError::into_inner)).collect();
        let mut worst: Option<(usize, Duration)> = None;
        for (place, (level, bucket)) in held.iter_mut().zip(buckets).enumerate() {
            level.fill(bucket, now);
            if level.units < amount {
                let wait = wait(amount - level.units, bucket);
                worst = worst.filter(|(_, longest)| *longest >= wait).or(Some((place, wait)));
            }
        }
        if worst.is_none() {
            for level in &mut held {
                level.units -= amount;
            }
        }
        let left = held.first().map_or(0, |level| whole(level.units));
        match worst {
            None => Taken::Granted { left },
            Some((short, wait)) => Taken::Refused { left, short, wait },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::ManualClock;

    fn bucket(key: &str, capacity: u32, per_minute: u32) -> Bucket {
        Bucket { key: key.to_owned(), capacity, per_minute }
    }

    fn limiter() -> (LocalLimiter, ManualClock) {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        (LocalLimiter::new(Arc::new(clock.clone())), clock)
    }

    #[tokio::test]
    async fn empties_says_when_to_come_back_and_fills_again() {
        let (limiter, clock) = limiter();
        let one = [bucket("a", 10, 60)];
        assert_eq!(limiter.take(7, &one).await, Taken::Granted { left: 3 });
        let wait = Duration::from_secs(4);
        assert_eq!(limiter.take(7, &one).await, Taken::Refused { left: 3, short: 0, wait });
        clock.advance(chrono::Duration::seconds(4));
        assert_eq!(limiter.take(7, &one).await, Taken::Granted { left: 0 });
        clock.advance(chrono::Duration::hours(1));
        assert_eq!(limiter.take(1, &one).await, Taken::Granted { left: 9 });
    }

    #[tokio::test]
    async fn takes_from_all_or_from_none() {
        let (limiter, _clock) = limiter();
        let (narrow, wide) = (bucket("narrow", 10, 60), bucket("wide", 15, 60));
        assert_eq!(limiter.take(10, &[narrow.clone(), wide.clone()]).await, Taken::Granted { left: 0 });
        let other = bucket("other", 10, 60);
        let refused = limiter.take(6, &[other.clone(), wide.clone()]).await;
        assert_eq!(refused, Taken::Refused { left: 10, short: 1, wait: Duration::from_secs(1) });
        assert_eq!(limiter.take(5, &[other, wide]).await, Taken::Granted { left: 5 });
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_gives_nothing() {
        let (limiter, clock) = limiter();
        let one = [bucket("a", 10, 60)];
        assert_eq!(limiter.take(10, &one).await, Taken::Granted { left: 0 });
        clock.advance(chrono::Duration::seconds(-100));
        assert!(matches!(limiter.take(1, &one).await, Taken::Refused { .. }));
    }
}
