//! Seals: what leaves the server as an opaque word and must come back unchanged (global ids, event cursors, slots).
//! A seal proves that we wrote the word; it does not hide what is in it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// What a sealed word is; a word of one kind never opens as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedKind {
    /// Global id of an object.
    Id,
    /// Position in an event log.
    Cursor,
    /// A free slot that can be held.
    Slot,
    /// Position in a page of a list.
    Page,
    /// The calendar file of one appointment: whoever has the word may read it.
    CalendarFile,
}

impl SealedKind {
    fn mac_len(self) -> usize {
        match self {
            // Ids are many and short; guessing one yields an id that still has to exist and be visible.
            Self::Id | Self::Page => 8,
            Self::Cursor | Self::Slot => 16,
            // Nothing but the word is asked for.
            Self::CalendarFile => 32,
        }
    }

    fn label(self) -> u8 {
        match self {
            Self::Id => b'i',
            Self::Cursor => b'c',
            Self::Slot => b's',
            Self::Page => b'p',
            Self::CalendarFile => b'f',
        }
    }
}

/// Seals and opens with keys derived from the configured secret.
#[derive(Clone)]
pub struct Seal {
    /// Keyed once: cloning it saves the key set-up for every id.
    mac: Hmac<Sha256>,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// Derives the keys.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let key = derive(secret, b"horae seal 1");
        Self { mac: keyed(&key) }
    }

    /// A URL-safe word for `body`.
    #[must_use]
    pub fn seal(&self, kind: SealedKind, body: &[u8]) -> String {
        let mut word = Vec::with_capacity(body.len() + kind.mac_len());
        word.extend_from_slice(body);
        word.extend(self.tag(kind, body).iter().take(kind.mac_len()));
        BASE64.encode(word)
    }

    /// The body of a word that this server sealed as `kind`; none for anything else.
    #[must_use]
    pub fn open(&self, kind: SealedKind, word: &str) -> Option<Vec<u8>> {
        if word.len() > 8192 {
            return None;
        }
        let mut body = BASE64.decode(word).ok()?;
        let tag = body.split_off(body.len().checked_sub(kind.mac_len())?);
        let expected = self.tag(kind, &body);
        let genuine: bool = expected.get(..kind.mac_len())?.ct_eq(&tag).into();
        genuine.then_some(body)
    }

    /// A secret word of 256 bits that only this server can make, always the same for the same `body`: for links that
    /// must come out equal when a mail is written again. Only its [`token_hash`] is stored.
    #[must_use]
    pub fn secret_word(&self, body: &[u8]) -> String {
        let mut mac = self.mac.clone();
        // No sealed kind has this label, so a secret word is never part of a seal.
        mac.update(b"k");
        mac.update(body);
        BASE64.encode(mac.finalize().into_bytes())
    }

    /// A hash of what a row of somebody's spreadsheet says, by which the same row is known again. Keyed, because such
    /// rows can be guessed: whoever has the database alone learns nothing from it.
    #[must_use]
    pub fn row_hash(&self, tenant: Uuid, says: &[u8]) -> Vec<u8> {
        let mut mac = self.mac.clone();
        // No sealed kind has this label.
        mac.update(b"r");
        mac.update(tenant.as_bytes());
        mac.update(says);
        mac.finalize().into_bytes().to_vec()
    }

    fn tag(&self, kind: SealedKind, body: &[u8]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(&[kind.label()]);
        mac.update(body);
        mac.finalize().into_bytes().into()
    }
}

/// A key for one purpose from the configured secret.
#[must_use]
pub fn derive(secret: &[u8], purpose: &[u8]) -> [u8; 32] {
    let mut mac = keyed(secret);
    mac.update(purpose);
    mac.finalize().into_bytes().into()
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
pub(super) fn keyed(key: &[u8]) -> Hmac<Sha256> {
    <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of every length")
}

/// A new secret word of 256 random bits, for refresh tokens, keys and links. Only its [`token_hash`] is stored.
#[must_use]
pub fn secret_token() -> String {
    BASE64.encode(random_bytes::<32>())
}

/// Bytes that nobody can foretell.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    use rand::RngCore;
    let mut bytes = [0_u8; N];
    #[expect(clippy::disallowed_methods, reason = "the one source of secrets")]
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// What is stored of a secret word. A fast hash is enough: the word has 256 bits of its own.
#[must_use]
pub fn token_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}
