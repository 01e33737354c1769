//! A position in a tenant's event log, as clients keep it: opaque, signed, and worthless in another centre.

use crate::auth::{Seal, SealedKind};

/// Where a reader of a tenant's event log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCursor {
    /// Short number of the tenant.
    pub tenant_key: i32,
    /// The log's generation: goes up when the tenant is moved or restored, and older cursors are void.
    pub epoch: i32,
    /// The last event that was seen; 0 is before the first.
    pub position: i64,
}

impl EventCursor {
    /// The word that clients keep.
    #[must_use]
    pub fn seal(&self, seal: &Seal) -> String {
        let mut body = Vec::with_capacity(16);
        body.extend_from_slice(&self.tenant_key.to_be_bytes());
        body.extend_from_slice(&self.epoch.to_be_bytes());
        body.extend_from_slice(&self.position.to_be_bytes());
        seal.seal(SealedKind::Cursor, &body)
    }

    /// The position that a genuine word stands for. Whether tenant and epoch are the reader's is the reader's to check.
    #[must_use]
    pub fn open(seal: &Seal, word: &str) -> Option<Self> {
        let body = seal.open(SealedKind::Cursor, word)?;
        let (tenant_key, rest) = body.split_first_chunk::<4>()?;
        let (epoch, rest) = rest.split_first_chunk::<4>()?;
        let (position, rest) = rest.split_first_chunk::<8>()?;
        rest.is_empty().then(|| Self {
            tenant_key: i32::from_be_bytes(*tenant_key),
            epoch: i32::from_be_bytes(*epoch),
            position: i64::from_be_bytes(*position),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_as_what_was_sealed_and_a_changed_word_as_nothing() {
        let seal = Seal::new(b"a secret for this test");
        let cursor = EventCursor { tenant_key: 7, epoch: 2, position: 123_456_789_012 };
        let word = cursor.seal(&seal);
        assert_eq!(EventCursor::open(&seal, &word), Some(cursor));
        let mut changed = word.into_bytes();
        if let Some(first) = changed.first_mut() {
            *first = if *first == b'A' { b'B' } else { b'A' };
        }
        assert_eq!(EventCursor::open(&seal, &String::from_utf8_lossy(&changed)), None);
        assert_eq!(EventCursor::open(&Seal::new(b"another secret"), &cursor.seal(&seal)), None);
    }
}
