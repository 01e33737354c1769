//! How often something may begin. Many mails at once would otherwise take every core from the requests beside them, and
//! relays refuse who is too fast.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// Lets one after another begin, never more in a second than it is told.
pub(super) struct Pace {
    step: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// So many in a second.
    pub(super) fn new(per_second: NonZeroU32) -> Self {
        Self { step: Duration::from_secs(1) / per_second.get(), next: Mutex::default() }
    }

    /// Ends when it is the caller's turn, in the order of the calls. Who leaves the line keeps the turn from others.
    pub(super) async fn turn(&self) {
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let turn = next.map_or(now, |next| next.max(now));
            *next = Some(turn + self.step);
            turn
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn turns_come_one_after_another_and_are_not_saved_up() {
        let pace = Pace::new(NonZeroU32::new(100).unwrap_or(NonZeroU32::MIN));
        let begun = Instant::now();
        let turns = join_all((0..11).map(|_| async {
            pace.turn().await;
            begun.elapsed()
        }))
        .await;
        for (n, turn) in (0_u32..).zip(&turns) {
            assert!(*turn >= Duration::from_millis(10) * n, "{n} began after {turn:?}");
        }
        // Nobody came for a while: that makes nobody faster afterwards.
        sleep_until(Instant::now() + Duration::from_millis(50)).await;
        let begun = Instant::now();
        join_all((0..3).map(|_| pace.turn())).await;
        assert!(begun.elapsed() >= Duration::from_millis(20));
    }
}
