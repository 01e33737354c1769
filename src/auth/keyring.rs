//! Keys for what lies encrypted in the database. A centre has random keys of its own; a master key from the
//! configuration wraps them, so that what is in the database opens nothing by itself.
//!
//! Authenticated encryption (XChaCha20-Poly1305) throughout, bound to its place: a wrapped key opens for its centre,
//! purpose and version alone, a sealed value in its own row and column. Keys are wiped from memory when they are dropped.

use std::{collections::BTreeMap, sync::Arc};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hmac::Mac;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    key_setting::{self, BadKeys, Entry},
    seal::{derive, keyed, random_bytes},
};
use crate::db::TenantId;

/// First byte of everything that is wrapped or sealed by this version.
const FORM: u8 = 1;
const NONCE: usize = 24;
/// The name of the master key made from the configured secret.
const DERIVED: &str = "derived";

/// What a centre's key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Encrypts values. Has versions: the newest seals, all open.
    Data,
    /// Hashes values for exact search, and signs. Never changes: hashes made with another one would find nothing.
    Index,
}

impl Purpose {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "DATA",
            Self::Index => "INDEX",
        }
    }
}

/// Which key of which centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyName {
    /// Whose.
    pub tenant: TenantId,
    /// For what.
    pub purpose: Purpose,
    /// Which one, from 1.
    pub version: i32,
}

impl KeyName {
    fn place(&self, master: &str) -> Vec<u8> {
        let version = self.version.to_be_bytes();
        bound(&[b"key", self.tenant.0.as_bytes(), self.purpose.as_str().as_bytes(), &version, master.as_bytes()])
    }
}

/// Where a sealed value lies; it opens nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Table.
    pub table: &'a str,
    /// Column.
    pub column: &'a str,
    /// Row.
    pub row: Uuid,
    /// Which of the row's object's values, where several rows belong to one object; otherwise empty.
    pub field: &'a str,
}

/// 256 secret bits.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey")
    }
}

impl SecretKey {
    /// A new one that nobody can foretell.
    #[must_use]
    pub fn random() -> Self {
        Self(Zeroizing::new(random_bytes()))
    }

    /// The sealed form of `plain`, which opens only with this key, this version and this place: form, version, nonce,
    /// ciphertext with its tag. The version is in clear, so that the key to open it with is known.
    #[must_use]
    pub fn seal(&self, tenant: TenantId, version: i32, place: &Place<'_>, plain: &[u8]) -> Vec<u8> {
        let version = version.to_be_bytes();
        let body = encrypt(&self.0, plain, &value_place(tenant, version, place));
        [[FORM].as_slice(), &version, &body].concat()
    }

    /// What was sealed at this place; none: it was changed, moved here, or sealed with another key.
    #[must_use]
    pub fn open(&self, tenant: TenantId, place: &Place<'_>, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let version = sealed_version(sealed)?.to_be_bytes();
        decrypt(&self.0, sealed.get(5..)?, &value_place(tenant, version, place))
    }

    /// A keyed hash of some bytes for one use: the same bytes give the same hash, and nobody without the key can tell
    /// whether some guess is behind it.
    #[must_use]
    pub fn hash(&self, usage: &[&str], bytes: &[u8]) -> Vec<u8> {
        let usage: Vec<&[u8]> = usage.iter().map(|part| part.as_bytes()).collect();
        let mut mac = keyed(self.0.as_slice());
        mac.update(&bound(&usage));
        mac.update(bytes);
        mac.finalize().into_bytes().to_vec()
    }
}

/// The version of the key that a value was sealed with; none: it is no sealed value.
#[must_use]
pub fn sealed_version(sealed: &[u8]) -> Option<i32> {
    let (&form, rest) = sealed.split_first()?;
    let version = i32::from_be_bytes(*rest.first_chunk()?);
    (form == FORM && version > 0).then_some(version)
}

/// A key as it lies in the database.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The name of the master key that it is wrapped with.
    pub master: String,
    /// Opaque.
    pub bytes: Vec<u8>,
}

/// Why a wrapped key does not open. The texts are for operators.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnwrapError {
    /// The configuration does not know the master key.
    #[error(
        "the master key `{0}` protects data of this centre and is not configured: add it to HORAE_MASTER_KEYS (or bring \
         back the HORAE_SECRET it was derived from, if it is called `derived`)"
    )]
    Unknown(String),
    /// It is known by that name, and another one.
    #[error(
        "the master key `{0}` does not open this centre's key: its secret in HORAE_MASTER_KEYS (or HORAE_SECRET, if it is \
         called `derived`) is not the one that the key was wrapped with"
    )]
    Wrong(String),
}

/// The master keys: the first wraps, all unwrap.
#[derive(Clone)]
pub struct MasterKeys {
    newest: (Arc<str>, SecretKey),
    known: Arc<BTreeMap<String, SecretKey>>,
}

impl std::fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKeys({})", self.newest.0)
    }
}

impl MasterKeys {
    /// From a list `name:secret,…`, newest first. The word `derived` in it is the key made from `secret`, which is also
    /// the only one when the list is empty.
    ///
    /// # Errors
    /// An entry that is none, a secret that is short, a name that is there twice.
    pub fn from_setting(setting: &str, secret: &[u8]) -> Result<Self, BadKeys> {
        let mut known = BTreeMap::new();
        let mut newest = None;
        for entry in key_setting::entries(setting)? {
            let (name, source) = match entry {
                Entry::Derived => (DERIVED, secret),
                Entry::Own { name, secret } => (name, secret.as_bytes()),
            };
            let key = SecretKey(Zeroizing::new(derive(source, b"horae master key 1")));
            newest.get_or_insert_with(|| (Arc::from(name), key.clone()));
            if known.insert(name.to_owned(), key).is_some() {
                return Err(BadKeys::twice(name));
            }
        }
        Ok(Self { newest: newest.ok_or_else(BadKeys::none)?, known: Arc::new(known) })
    }

    /// The name of the one that wraps.
    #[must_use]
    pub fn newest(&self) -> &str {
        &self.newest.0
    }

    /// Whether a master key of this name is configured.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    /// Wraps a centre's key with the newest master key.
    #[must_use]
    pub fn wrap(&self, name: &KeyName, key: &SecretKey) -> WrappedKey {
        let (master, with) = &self.newest;
        let body = encrypt(&with.0, key.0.as_slice(), &name.place(master));
        WrappedKey { bytes: [[FORM].as_slice(), &body].concat(), master: master.to_string() }
    }

    /// The centre's key in a wrapped one.
    ///
    /// # Errors
    /// When its master key is not known, or does not open it.
    pub fn unwrap(&self, name: &KeyName, wrapped: &WrappedKey) -> Result<SecretKey, UnwrapError> {
        let master = &wrapped.master;
        let with = self.known.get(master).ok_or_else(|| UnwrapError::Unknown(master.clone()))?;
        let wrong = || UnwrapError::Wrong(master.clone());
        let (&form, body) = wrapped.bytes.split_first().ok_or_else(wrong)?;
        let opened = decrypt(&with.0, body, &name.place(master)).filter(|_| form == FORM).ok_or_else(wrong)?;
        let key: [u8; 32] = opened.as_slice().try_into().map_err(|_| wrong())?;
        Ok(SecretKey(Zeroizing::new(key)))
    }
}

fn value_place(tenant: TenantId, version: [u8; 4], place: &Place<'_>) -> Vec<u8> {
    let Place { table, column, row, field } = place;
    bound(&[
        b"value",
        tenant.0.as_bytes(),
        &version,
        table.as_bytes(),
        column.as_bytes(),
        row.as_bytes(),
        field.as_bytes(),
    ])
}

/// The parts one after another, each with its length before it, so that no two lists of parts come out equal.
fn bound(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn encrypt(key: &[u8; 32], plain: &[u8], place: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE] = random_bytes();
    let cipher = XChaCha20Poly1305::new(key.into());
    #[expect(clippy::expect_used, reason = "only texts of many gigabytes are too long to encrypt")]
    let body = cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: place }).expect("short text");
    [nonce.as_slice(), &body].concat()
}

fn decrypt(key: &[u8; 32], sealed: &[u8], place: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE>()?;
    let cipher = XChaCha20Poly1305::new(key.into());
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: body, aad: place }).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::expect_used, reason = "tests fail by panicking")]

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210";
    const ALFA: TenantId = TenantId(Uuid::from_u128(1));
    const BETA: TenantId = TenantId(Uuid::from_u128(2));
    const HERE: Place<'_> = Place { table: "notes", column: "text_sealed", row: Uuid::from_u128(7), field: "pulse" };

    fn masters(setting: &str) -> MasterKeys {
        MasterKeys::from_setting(setting, SECRET).expect("keys")
    }

    #[test]
    fn a_value_opens_in_its_place_only() {
        let key = SecretKey::random();
        let sealed = key.seal(ALFA, 3, &HERE, b"plain");
        assert_eq!(sealed_version(&sealed), Some(3));
        assert_eq!(key.open(ALFA, &HERE, &sealed).expect("opens").as_slice(), b"plain");
        assert_ne!(key.seal(ALFA, 3, &HERE, b"plain"), sealed, "every nonce is new");
        assert!(!sealed.windows(5).any(|part| part == b"plain"));
        let elsewhere = [
            Place { table: "note", ..HERE },
            Place { column: "title_sealed", ..HERE },
            Place { row: Uuid::from_u128(8), ..HERE },
            Place { field: "puls", ..HERE },
            // The same letters, cut elsewhere.
            Place { table: "notest", column: "ext_sealed", ..HERE },
        ];
        for place in elsewhere {
            assert!(key.open(ALFA, &place, &sealed).is_none(), "{place:?}");
        }
        assert!(key.open(BETA, &HERE, &sealed).is_none());
        assert!(SecretKey::random().open(ALFA, &HERE, &sealed).is_none());
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let key = SecretKey::random();
        let sealed = key.seal(ALFA, 1, &HERE, b"plain");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(ALFA, &HERE, &changed).is_none(), "{at}");
            assert!(key.open(ALFA, &HERE, &sealed[..at]).is_none(), "{at}");
        }
    }

    #[test]
    fn the_first_master_wraps_and_all_unwrap() {
        let name = KeyName { tenant: ALFA, purpose: Purpose::Data, version: 1 };
        let key = SecretKey::random();
        let old = masters("").wrap(&name, &key);
        let both = masters(&format!("b:{OTHER},derived"));
        let new = both.wrap(&name, &key);
        assert_eq!((old.master.as_str(), new.master.as_str(), both.newest()), ("derived", "b", "b"));
        for wrapped in [&old, &new] {
            assert_eq!(both.unwrap(&name, wrapped).expect("unwraps").0, key.0);
        }
        let after = masters(&format!("b:{OTHER}"));
        assert_eq!(after.unwrap(&name, &new).expect("unwraps").0, key.0);
        assert_eq!(after.unwrap(&name, &old).err(), Some(UnwrapError::Unknown("derived".to_owned())));
        let other_secret = masters(&format!("b:{OTHER}{OTHER}"));
        assert_eq!(other_secret.unwrap(&name, &new).err(), Some(UnwrapError::Wrong("b".to_owned())));
    }

    #[test]
    fn a_wrapped_key_opens_as_nothing_else() {
        let masters = masters("");
        let name = KeyName { tenant: ALFA, purpose: Purpose::Data, version: 1 };
        let wrapped = masters.wrap(&name, &SecretKey::random());
        for other in [
            KeyName { tenant: BETA, ..name },
            KeyName { purpose: Purpose::Index, ..name },
            KeyName { version: 2, ..name },
        ] {
            assert!(masters.unwrap(&other, &wrapped).is_err(), "{other:?}");
        }
        for at in 0..wrapped.bytes.len() {
            let mut changed = wrapped.clone();
            changed.bytes[at] ^= 1;
            assert!(masters.unwrap(&name, &changed).is_err(), "{at}");
            changed.bytes.truncate(at);
            assert!(masters.unwrap(&name, &changed).is_err(), "{at}");
        }
    }

    #[test]
    fn hashes_are_equal_for_equal_text_of_equal_use_only() {
        let key = SecretKey::random();
        let hash = key.hash(&["patients", "rut"], b"12345678-5");
        assert_eq!(key.hash(&["patients", "rut"], b"12345678-5"), hash);
        assert_ne!(key.hash(&["patients", "rut"], b"12345678-6"), hash);
        assert_ne!(key.hash(&["patient", "srut"], b"12345678-5"), hash);
        assert_ne!(SecretKey::random().hash(&["patients", "rut"], b"12345678-5"), hash);
    }

    #[test]
    fn nothing_is_told_of_a_secret() {
        let told = format!("{:?} {:?}", SecretKey::random(), masters(&format!("b:{OTHER}")));
        assert_eq!(told, "SecretKey MasterKeys(b)");
        let refused = MasterKeys::from_setting("a:short", SECRET).expect_err("too short");
        assert!(!refused.to_string().contains("short\""), "{refused}");
    }
}
