//! Pauses between tries: doubling, capped, and spread so that a thousand failures do not come back in one second.

use chrono::Duration;

/// The pause after the `attempt`th try (from 1), at most `longest_s` seconds, and between 75 % and 125 % of it by
/// `seed`, which should differ between jobs.
pub(super) fn pause(attempt: i32, longest_s: u32, seed: u64) -> Duration {
    let doublings = u32::try_from(attempt.clamp(1, 31) - 1).unwrap_or_default();
    let seconds = 2_u64.saturating_pow(doublings).min(u64::from(longest_s));
    // A few bits of a multiplicative hash are random enough to spread.
    let percent = 75 + (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) % 51;
    Duration::milliseconds(i64::try_from(seconds * percent * 10).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::pause;

    #[test]
    fn pauses_double_up_to_the_cap_and_are_spread() {
        for seed in 0..200 {
            for (attempt, seconds) in [(1, 1), (2, 2), (5, 16), (9, 256), (10, 300), (31, 300), (i32::MAX, 300)] {
                let ms = pause(attempt, 300, seed).num_milliseconds();
                assert!((seconds * 750..=seconds * 1250).contains(&ms), "{attempt} {ms}");
            }
        }
        let different: std::collections::BTreeSet<i64> =
            (0..100).map(|seed| pause(10, 300, seed).num_milliseconds()).collect();
        assert!(different.len() > 25, "{different:?}");
    }

    #[test]
    fn nonsense_attempts_wait_a_second() {
        assert!(pause(i32::MIN, 300, 7) <= pause(1, 300, 7));
    }
}
