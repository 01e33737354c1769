//! [`Vault`]: what must come back in clear and may not lie in the database in clear. Encrypted with a key derived from
//! the configured secret, bound to its place: a value that was copied to another row does not open there.

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use super::seal::{derive, random_bytes};

/// First byte of everything locked by this version.
const VERSION: u8 = 1;
const NONCE: usize = 24;

/// Locks and unlocks.
#[derive(Clone)]
pub struct Vault {
    cipher: XChaCha20Poly1305,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// Derives the key.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(&derive(secret, b"horae vault 1").into()) }
    }

    /// The locked form of `plain`, which opens only with the same `place`.
    #[must_use]
    pub fn lock(&self, plain: &[u8], place: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE] = random_bytes();
        #[expect(clippy::expect_used, reason = "only texts of many gigabytes are too long to encrypt")]
        let body = self.cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: place }).expect("short text");
        [[VERSION].as_slice(), &nonce, &body].concat()
    }

    /// What was locked at this place; none: it was changed, moved here, or locked with another secret.
    #[must_use]
    pub fn unlock(&self, locked: &[u8], place: &[u8]) -> Option<Vec<u8>> {
        let (&version, rest) = locked.split_first()?;
        let (nonce, body) = rest.split_at_checked(NONCE)?;
        let nonce: [u8; NONCE] = nonce.try_into().ok()?;
        if version != VERSION {
            return None;
        }
        self.cipher.decrypt(&XNonce::from(nonce), Payload { msg: body, aad: place }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_locked_opens_at_its_place_only() {
        let vault = Vault::new(b"a secret of some length");
        let locked = vault.lock(b"plain", b"here");
        assert_eq!(vault.unlock(&locked, b"here").as_deref(), Some(b"plain".as_slice()));
        assert_eq!(vault.unlock(&locked, b"there"), None);
        assert_eq!(Vault::new(b"another secret").unlock(&locked, b"here"), None);
        assert_ne!(vault.lock(b"plain", b"here"), locked, "every nonce is new");
        assert!(!locked.windows(5).any(|part| part == b"plain"));
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let vault = Vault::new(b"a secret of some length");
        let locked = vault.lock(b"plain", b"here");
        for at in 0..locked.len() {
            let mut changed = locked.clone();
            changed[at] ^= 1;
            assert_eq!(vault.unlock(&changed, b"here"), None, "{at}");
            assert_eq!(vault.unlock(&locked[..at], b"here"), None, "{at}");
        }
    }
}
