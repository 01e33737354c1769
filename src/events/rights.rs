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
    session: Option<Uuid>,
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
            Arc::new(Standing { session: actor.session, rights: Rights::of(actor), lost: AtomicBool::new(false) });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&standing));
        standing
    }

    /// The sessions of all who are still there.
    pub(super) fn sessions(&self) -> Vec<Uuid> {
        let mut standings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        standings.retain(|standing| standing.strong_count() > 0);
        let mut sessions: Vec<Uuid> =
            standings.iter().filter_map(Weak::upgrade).filter_map(|standing| standing.session).collect();
        sessions.sort_unstable();
        sessions.dedup();
        sessions
    }

    /// Marks those of the `asked` sessions that have other rights than they came with. Returns their sessions.
    pub(super) fn judge(&self, asked: &[Uuid], known: &HashMap<Uuid, Rights>) -> Vec<Option<Uuid>> {
        self.lose(|standing| {
            standing.session.is_some_and(|session| {
                asked.binary_search(&session).is_ok() && known.get(&session) != Some(&standing.rights)
            })
        })
    }

    /// Marks everybody: the centre is closed. Returns their sessions.
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
                standing.session
            })
            .collect()
    }
}
