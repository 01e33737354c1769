//! Slots: how many jobs run at once in this worker, in all, per tenant, per kind and in the bulk lane. A slot is taken
//! before the job's task exists and given back by a guard, however the task ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use super::Limits;
use crate::db::{ClaimedJob, Lane, TenantId};

/// The running jobs of one worker, counted.
#[derive(Default)]
pub(super) struct Slots {
    counts: Mutex<Counts>,
    freed: Notify,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) all: usize,
    pub(super) bulk: usize,
    pub(super) tenants: HashMap<TenantId, usize>,
    pub(super) kinds: HashMap<String, usize>,
}

/// A taken slot; dropping it gives it back.
pub(super) struct Slot {
    slots: Arc<Slots>,
    tenant: TenantId,
    kind: String,
    bulk: bool,
}

impl Slots {
    pub(super) fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn take(self: &Arc<Self>, job: &ClaimedJob) -> Slot {
        let bulk = job.lane == Lane::Bulk;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all += 1;
        counts.bulk += usize::from(bulk);
        *counts.tenants.entry(job.tenant).or_default() += 1;
        *counts.kinds.entry(job.kind.clone()).or_default() += 1;
        Slot { slots: Arc::clone(self), tenant: job.tenant, kind: job.kind.clone(), bulk }
    }

    /// Ends when a slot has been given back since the last call.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl Counts {
    /// How many more bulk jobs may run: they leave a quarter of the slots to what somebody waits for.
    pub(super) fn bulk_free(&self, slots: usize) -> usize {
        three_quarters(slots).saturating_sub(self.bulk).min(slots.saturating_sub(self.all))
    }

    /// How many more of a kind may run.
    pub(super) fn kind_free(&self, kind: &str, limits: &Limits, slots: usize) -> usize {
        let slots = if limits.leaves_room { three_quarters(slots) } else { slots };
        let most = limits.at_once.map_or(slots, |at_once| at_once.min(slots));
        most.saturating_sub(self.kinds.get(kind).copied().unwrap_or_default())
    }
}

/// What one tenant may take: more than of one kind, so that its mails leave room to what else it has.
pub(super) fn most_of_one_tenant(slots: usize) -> usize {
    slots - slots / 8
}

/// What those may take that leave room to others.
fn three_quarters(slots: usize) -> usize {
    slots - slots / 4
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.slots.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        counts.bulk = counts.bulk.saturating_sub(usize::from(self.bulk));
        less(&mut counts.tenants, &self.tenant);
        less(&mut counts.kinds, &self.kind);
        drop(counts);
        self.slots.freed.notify_one();
    }
}

fn less<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    fn job(kind: &str, lane: Lane) -> ClaimedJob {
        ClaimedJob {
            id: 1,
            tenant: TenantId(Uuid::nil()),
            kind: kind.to_owned(),
            lane,
            dedup_key: String::new(),
            payload: serde_json::Value::Null,
            due_at: DateTime::UNIX_EPOCH,
            attempt: 1,
            claim: 1,
        }
    }

    #[test]
    fn slots_come_back_however_their_task_ends() {
        let slots = Arc::new(Slots::default());
        let one = slots.take(&job("a", Lane::Transactional));
        let two = slots.take(&job("a", Lane::Bulk));
        let counts = slots.counts();
        assert_eq!((counts.all, counts.bulk, counts.kinds.get("a"), counts.tenants.len()), (2, 1, Some(&2), 1));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _held = two;
            std::panic::resume_unwind(Box::new("boom"));
        }));
        assert!(panicked.is_err());
        drop(one);
        let counts = slots.counts();
        assert_eq!((counts.all, counts.bulk, counts.kinds.len(), counts.tenants.len()), (0, 0, 0, 0));
    }

    #[test]
    fn bulk_leaves_a_quarter_and_never_more_than_is_free() {
        let counts = |all, bulk| Counts { all, bulk, ..Counts::default() };
        assert_eq!(counts(0, 0).bulk_free(16), 12);
        assert_eq!(counts(12, 12).bulk_free(16), 0);
        assert_eq!(counts(14, 0).bulk_free(16), 2);
        assert_eq!(counts(16, 0).bulk_free(16), 0);
        assert_eq!(counts(0, 0).bulk_free(1), 1);
    }

    #[test]
    fn a_kinds_cap_counts_what_runs() {
        let slots = Arc::new(Slots::default());
        let _one = slots.take(&job("a", Lane::Transactional));
        let at_once = |at_once| Limits { at_once, ..Limits::default() };
        assert_eq!(slots.counts().kind_free("a", &at_once(Some(2)), 16), 1);
        assert_eq!(slots.counts().kind_free("a", &at_once(Some(1)), 16), 0);
        assert_eq!(slots.counts().kind_free("b", &at_once(None), 16), 16);
    }

    #[test]
    fn what_waits_for_others_leaves_a_quarter_of_the_slots_there_are() {
        let slots = Arc::new(Slots::default());
        let limits = Limits { leaves_room: true, ..Limits::default() };
        for (all, most) in [(1, 1), (4, 3), (16, 12), (64, 48)] {
            assert_eq!(slots.counts().kind_free("a", &limits, all), most);
        }
        let _one = slots.take(&job("a", Lane::Transactional));
        assert_eq!(slots.counts().kind_free("a", &limits, 16), 11);
        assert_eq!(slots.counts().kind_free("a", &Limits { at_once: Some(2), ..limits }, 16), 1);
    }
}
