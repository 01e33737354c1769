//! Whether the subscribers of one tenant still may what they might when they came. Checked for all of them by one
//! statement: when the log says that somebody's rights changed, and every few seconds besides.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use uuid::Uuid;

use crate::{auth::Actor, domain::identity::authenticate::Rights};

/// What one subscriber might do when it came.
pub(super) struct Standing {
    /// Session or key.
    grant: Option<Uuid>,
    rights: Rights,
    lost: AtomicBool,
}

impl Standing {
    /// Whether the session is over, or may something else than it might.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }
}

/// The subscribers of one tenant.
#[derive(Default)]
pub(super) struct Standings(Mutex<Vec<Weak<Standing>>>);

impl Standings {
    pub(super) fn enter(&self, actor: &Actor) -> Arc<Standing> {
        let standing =
            Arc::new(Standing { grant: actor.grant(), rights: Rights::of(actor), lost: AtomicBool::new(false) });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&standing));
        standing
    }

    /// The sessions and keys of all who are still there.
    pub(super) fn grants(&self) -> Vec<Uuid> {
        let mut standings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        standings.retain(|standing| standing.strong_count() > 0);
        let mut grants: Vec<Uuid> =
            standings.iter().filter_map(Weak::upgrade).filter_map(|standing| standing.grant).collect();
        grants.sort_unstable();
        grants.dedup();
        grants
    }

    /// Marks those of the `asked` sessions and keys that have other rights than they came with. Returns theirs.
    pub(super) fn judge(&self, asked: &[Uuid], known: &HashMap<Uuid, Rights>) -> Vec<Option<Uuid>> {
        self.lose(|standing| {
            standing
                .grant
                .is_some_and(|grant| asked.binary_search(&grant).is_ok() && known.get(&grant) != Some(&standing.rights))
        })
    }

    /// Marks everybody: the centre is closed. Returns theirs.
    pub(super) fn lose_all(&self) -> Vec<Option<Uuid>> {
        self.lose(|_| true)
    }

    fn lose(&self, lost: impl Fn(&Standing) -> bool) -> Vec<Option<Uuid>> {
        let standings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        standings
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|standing| !standing.is_lost() && lost(standing))
            .map(|standing| {
                standing.lost.store(true, Ordering::Release);
                standing.grant
            })
            .collect()
    }
}
