//! How many there may be of one kind and name: sockets of an address, of a caller, of a centre; their subscriptions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many sockets and subscriptions a node has room for.
#[derive(Debug, Clone, Copy)]
pub struct SocketPlaces {
    /// Sockets open on this node at once; one more is refused with 503.
    pub node: usize,
    /// … of one tenant; one more is closed with 1013.
    pub tenant: usize,
    /// … of one caller; one more is closed with 1013.
    pub actor: usize,
    /// … from one address that have not been initialised, or are nobody's in particular; one more is refused with 429.
    pub address: usize,
    /// Subscriptions of one tenant that run at once; one more is answered with an `error`.
    pub subscriptions_of_tenant: usize,
    /// … of one caller.
    pub subscriptions_of_actor: usize,
}

impl Default for SocketPlaces {
    fn default() -> Self {
        Self {
            node: 20_000,
            tenant: 5_000,
            actor: 50,
            address: 500,
            subscriptions_of_tenant: 20_000,
            subscriptions_of_actor: 200,
        }
    }
}

/// Counts what is there by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally(Arc<Mutex<HashMap<Arc<str>, usize>>>);

/// One of the places; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    tally: Tally,
    name: Arc<str>,
}

impl Tally {
    /// A place under this name, if fewer than `most` are taken.
    pub(super) fn take(&self, name: &Arc<str>, most: usize) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(Arc::clone(name)).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Place { tally: self.clone(), name: Arc::clone(name) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.tally.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_name_and_given_back() {
        let tally = Tally::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let first = tally.take(&a, 2);
        let second = tally.take(&a, 2);
        assert!(first.is_some() && second.is_some());
        assert!(tally.take(&a, 2).is_none());
        assert!(tally.take(&b, 2).is_some());
        drop(first);
        assert!(tally.take(&a, 2).is_some());
        drop(second);
        assert!(tally.0.lock().is_ok_and(|counts| counts.is_empty()), "nothing is kept of who is gone");
    }
}
