//! How many there are of one name: connections of an address; sockets of a caller, of a centre; their subscriptions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts what is there by name.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Tally(Arc<Mutex<HashMap<Arc<str>, usize>>>);

/// One of the places; free again when it is dropped.
#[derive(Debug)]
pub(in crate::http) struct Place {
    tally: Tally,
    name: Arc<str>,
}

impl Tally {
    /// A place under this name, if fewer than `most` are taken.
    pub(in crate::http) fn take(&self, name: &Arc<str>, most: usize) -> Option<Place> {
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
