//! Whose turn it is: how one claim is shared out among the centres that have jobs due.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{ClaimRequest, Lane};
use crate::db::TenantId;

/// Due jobs of one tenant and kind in one lane.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) lane: Lane,
    pub(super) tenant: TenantId,
    pub(super) kind: String,
    /// When the first of them was due.
    pub(super) due_at: DateTime<Utc>,
    /// How many, as far as the claim could take them.
    pub(super) count: i64,
}

/// How many of some waiting jobs are taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share<'a> {
    pub(super) of: &'a Waiting,
    pub(super) most: i64,
    /// Where the first of its tenant stands.
    place: usize,
}

/// What can still be taken.
struct Free<'a> {
    all: i64,
    bulk: i64,
    per_tenant: i64,
    /// Of each kind, and how many of it are one turn.
    kinds: HashMap<&'a str, (i64, i64)>,
    /// How many jobs each tenant has had.
    had: HashMap<TenantId, i64>,
}

/// Shares a claim out, transactional before bulk. Within a lane tenants take turns, of as many jobs as run together; what
/// runs already counts as turns taken. Of those with as many turns the one that stands first in `waiting` comes first, and
/// of its kinds the one that has waited longest.
pub(super) fn share_out<'a>(request: &ClaimRequest, waiting: &'a [Waiting]) -> Vec<Share<'a>> {
    let mut places = HashMap::new();
    let share = |(nth, of): (usize, &'a Waiting)| Share { of, most: 0, place: *places.entry(of.tenant).or_insert(nth) };
    let mut shares: Vec<Share<'a>> = waiting.iter().enumerate().map(share).collect();
    let mut free = Free {
        all: request.limit,
        bulk: request.bulk_limit,
        per_tenant: request.per_tenant,
        kinds: request.kinds.iter().map(|one| (one.kind.as_str(), (one.free, one.together.max(1)))).collect(),
        had: request.running.iter().copied().collect(),
    };
    for lane in [Lane::Transactional, Lane::Bulk] {
        loop {
            let mut turns: Vec<(i64, i64, &mut Share<'_>)> = shares
                .iter_mut()
                .filter(|share| share.of.lane == lane)
                .filter_map(|share| free.turn(share).map(|(turn, jobs)| (turn, jobs, share)))
                .collect();
            let Some((_, next)) = turns.iter().map(|(turn, _, share)| (*turn, share.place)).min() else { break };
            // Whose turn it is says the number of turns, which of its kinds the time: many run together of one kind and few
            // of another, so that turns would put the first before the second for ever.
            turns.retain(|(_, _, share)| share.place == next);
            let longest = turns.into_iter().min_by_key(|(_, _, share)| (share.of.due_at, &share.of.kind));
            let Some((_, jobs, share)) = longest else { break };
            share.most += jobs;
            free.take(share.of, jobs);
        }
    }
    shares.retain(|share| share.most > 0);
    shares
}

impl Free<'_> {
    /// Which turn would be the tenant's next, and how many jobs it would bring; none where nothing fits.
    fn turn(&self, share: &Share<'_>) -> Option<(i64, i64)> {
        let (of_kind, together) = *self.kinds.get(share.of.kind.as_str())?;
        let had = self.had.get(&share.of.tenant).copied().unwrap_or_default();
        let lane = if share.of.lane == Lane::Bulk { self.bulk } else { self.all };
        let left = share.of.count - share.most;
        let jobs = [together - had % together, left, of_kind, self.per_tenant - had, lane, self.all];
        let jobs = jobs.into_iter().min().filter(|jobs| *jobs > 0)?;
        Some((had / together, jobs))
    }

    fn take(&mut self, of: &Waiting, jobs: i64) {
        self.all -= jobs;
        if of.lane == Lane::Bulk {
            self.bulk -= jobs;
        }
        if let Some((of_kind, _)) = self.kinds.get_mut(of.kind.as_str()) {
            *of_kind -= jobs;
        }
        *self.had.entry(of.tenant).or_default() += jobs;
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::db::ClaimKind;

    fn tenant(n: u128) -> TenantId {
        TenantId(Uuid::from_u128(n))
    }

    fn waiting(n: u128, lane: Lane, kind: &str, count: i64) -> Waiting {
        Waiting { lane, tenant: tenant(n), kind: kind.to_owned(), due_at: DateTime::UNIX_EPOCH, count }
    }

    fn mails(n: u128, count: i64) -> Waiting {
        waiting(n, Lane::Transactional, "mail", count)
    }

    fn request(limit: i64) -> ClaimRequest {
        let kind = |kind: &str, together| ClaimKind { kind: kind.to_owned(), free: limit, together };
        ClaimRequest {
            worker: Uuid::nil(),
            now: DateTime::UNIX_EPOCH,
            limit,
            per_tenant: limit,
            bulk_limit: limit,
            kinds: vec![kind("mail", 8), kind("sweep", 1)],
            running: Vec::new(),
            lease_seconds: 60.0,
        }
    }

    /// How many each tenant gets of each kind.
    fn shared<'a>(request: &ClaimRequest, waiting: &'a [Waiting]) -> Vec<(u128, &'a str, i64)> {
        let shares = share_out(request, waiting);
        shares.iter().map(|share| (share.of.tenant.0.as_u128(), share.of.kind.as_str(), share.most)).collect()
    }

    #[test]
    fn tenants_take_turns_of_as_many_as_run_together() {
        let all = [mails(1, 100), mails(2, 3), mails(3, 100)];
        assert_eq!(shared(&request(16), &all), [(1, "mail", 8), (2, "mail", 3), (3, "mail", 5)]);
        assert_eq!(shared(&request(30), &all), [(1, "mail", 16), (2, "mail", 3), (3, "mail", 11)]);
        assert_eq!(shared(&request(8), &all), [(1, "mail", 8)]);
        // Four of the first one's turn run already, and the whole of the second's.
        let running = ClaimRequest { running: vec![(tenant(1), 4), (tenant(2), 8)], ..request(12) };
        assert_eq!(shared(&running, &all), [(1, "mail", 4), (3, "mail", 8)]);
    }

    #[test]
    fn somebody_who_waits_comes_before_bulk_and_bulk_has_a_limit_of_its_own() {
        let bulk = |n, count| waiting(n, Lane::Bulk, "sweep", count);
        let all = [bulk(1, 9), mails(2, 3), bulk(2, 9)];
        let request = ClaimRequest { bulk_limit: 4, ..request(9) };
        assert_eq!(shared(&request, &all), [(1, "sweep", 4), (2, "mail", 3)], "2 has had turns, 1 none");
        let fewer = ClaimRequest { limit: 3, ..request };
        assert_eq!(shared(&fewer, &all), [(2, "mail", 3)]);
    }

    #[test]
    fn no_cap_of_tenant_or_kind_is_passed() {
        let sweep = |n| waiting(n, Lane::Transactional, "sweep", 5);
        let mut capped = ClaimRequest { per_tenant: 6, ..request(20) };
        if let Some(kind) = capped.kinds.last_mut() {
            kind.free = 2;
        }
        let all = [sweep(1), sweep(2), sweep(3), mails(3, 20)];
        assert_eq!(shared(&capped, &all), [(1, "sweep", 1), (2, "sweep", 1), (3, "mail", 6)]);
        capped.kinds.pop();
        assert_eq!(shared(&capped, &all), [(3, "mail", 6)], "what the worker does not know stays");
        capped.running = vec![(tenant(3), 7)];
        assert!(shared(&capped, &all).is_empty());
    }

    #[test]
    fn of_one_tenants_kinds_the_one_that_waits_longest_comes_first() {
        let late = Waiting { due_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(1), ..mails(1, 5) };
        let all = [late, waiting(1, Lane::Transactional, "sweep", 1)];
        assert_eq!(shared(&request(1), &all), [(1, "sweep", 1)]);
        assert_eq!(shared(&request(3), &all), [(1, "mail", 2), (1, "sweep", 1)]);
        // Also where it has had turns, which eight mails are one of.
        let running = ClaimRequest { per_tenant: 16, running: vec![(tenant(1), 8)], ..request(1) };
        assert_eq!(shared(&running, &all), [(1, "sweep", 1)]);
    }

    #[test]
    fn mails_at_their_cap_leave_room_for_the_rest_of_their_tenant() {
        let sweep =
            |lane| Waiting { due_at: DateTime::UNIX_EPOCH + TimeDelta::seconds(1), ..waiting(1, lane, "sweep", 5) };
        let all = [mails(1, 100), sweep(Lane::Transactional), sweep(Lane::Bulk)];
        let mut one = ClaimRequest { per_tenant: 10, running: vec![(tenant(1), 4)], ..request(12) };
        if let Some(kind) = one.kinds.first_mut() {
            kind.free = 4;
        }
        assert_eq!(shared(&one, &all), [(1, "mail", 4), (1, "sweep", 2)]);
        one.per_tenant = 20;
        assert_eq!(shared(&one, &all), [(1, "mail", 4), (1, "sweep", 5), (1, "sweep", 3)]);
    }
}
