//! Access tokens: short-lived JWTs that name tenant, user and session. What the user may do is not in them; it is
//! read from the database, so that a change takes effect within seconds.
//!
//! Several keys may be known at once: the first signs, all verify, and a token says by `kid` which one made it. So keys
//! are exchanged without anybody noticing; how, `docs/operations.md` says.

use std::{collections::HashMap, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::key_setting::{self, BadKeys, Entry};

const ISSUER: &str = "horae";
const AUDIENCE: &str = "horae-api";

/// The name in tokens of the key derived from the configured secret.
const DERIVED_KID: &str = "1";
/// Longer words are no tokens of ours, and not worth decoding.
const MAX_TOKEN: usize = 4096;

/// What an access token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Always `horae`.
    pub iss: String,
    /// Always `horae-api`.
    pub aud: String,
    /// User.
    pub sub: Uuid,
    /// Tenant.
    pub tid: Uuid,
    /// Session.
    pub sid: Uuid,
    /// Seconds since 1970 until which it holds.
    pub exp: i64,
    /// Seconds since 1970 at which it was issued.
    pub iat: i64,
}

/// Why a word is no valid token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It does not have the form of a token of ours.
    Malformed,
    /// It asks to be verified by another algorithm than ours, or by none.
    Algorithm,
    /// It names a key that is not known (any more), or none.
    UnknownKey,
    /// Its key did not sign it.
    Signature,
    /// Somebody else issued it.
    Issuer,
    /// It is for somebody else.
    Audience,
    /// It held until some time ago.
    Expired,
}

impl Flaw {
    /// The word in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
        }
    }
}

/// The head of a token, read before it is believed: which key is to verify it.
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
}

struct Key {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        Self { encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret) }
    }
}

/// Signs and checks access tokens.
#[derive(Clone)]
pub struct TokenKeys {
    signing: Arc<str>,
    known: Arc<HashMap<String, Key>>,
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKeys({})", self.signing)
    }
}

impl TokenKeys {
    /// From a list `kid:secret,…`; the first signs, all verify. The word `derived` in it is the key derived from
    /// `secret`, which is also the only one when the list is empty.
    ///
    /// # Errors
    /// An entry that is none, a secret that is short, a name that is there twice.
    pub fn from_setting(setting: &str, secret: &[u8]) -> Result<Self, BadKeys> {
        let mut known = HashMap::new();
        let mut signing: Option<Arc<str>> = None;
        for entry in key_setting::entries(setting)? {
            let (kid, key) = match entry {
                Entry::Derived => (DERIVED_KID, Key::new(&super::derive(secret, b"horae access token 1"))),
                Entry::Own { name, secret } => (name, Key::new(secret.as_bytes())),
            };
            if known.insert(kid.to_owned(), key).is_some() {
                return Err(BadKeys::twice(kid));
            }
            signing.get_or_insert_with(|| kid.into());
        }
        let signing = signing.ok_or_else(BadKeys::none)?;
        Ok(Self { signing, known: Arc::new(known) })
    }

    /// A token for this session, valid until `expires_at`.
    ///
    /// # Errors
    /// When signing fails, which only a broken build can cause.
    pub fn issue(
        &self,
        tenant: Uuid,
        user: Uuid,
        session: Uuid,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let kid = self.signing.as_ref();
        let key = self.known.get(kid).ok_or(ErrorKind::InvalidKeyFormat)?;
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::HS256) };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            tid: tenant,
            sid: session,
            exp: expires_at.timestamp(),
            iat: now.timestamp(),
        };
        jsonwebtoken::encode(&header, &claims, &key.encoding)
    }

    /// What a genuine token says.
    ///
    /// # Errors
    /// Why it is not believed at `now`.
    pub fn check(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, Flaw> {
        let head = head(token).ok_or(Flaw::Malformed)?;
        if head.alg != "HS256" {
            return Err(Flaw::Algorithm);
        }
        let key = head.kid.and_then(|kid| self.known.get(&kid)).ok_or(Flaw::UnknownKey)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Expiry is judged by the injected clock, below.
        validation.validate_exp = false;
        let claims =
            jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation).map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => Flaw::Signature,
                ErrorKind::InvalidIssuer => Flaw::Issuer,
                ErrorKind::InvalidAudience => Flaw::Audience,
                ErrorKind::InvalidAlgorithm => Flaw::Algorithm,
                _ => Flaw::Malformed,
            })?;
        if claims.claims.exp > now.timestamp() { Ok(claims.claims) } else { Err(Flaw::Expired) }
    }
}

fn head(token: &str) -> Option<Head> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let (head, _) = token.split_once('.')?;
    serde_json::from_slice(&BASE64.decode(head).ok()?).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::expect_used, reason = "tests fail by panicking")]

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210";

    fn keys(setting: &str) -> TokenKeys {
        TokenKeys::from_setting(setting, SECRET).expect("keys")
    }

    fn token(keys: &TokenKeys) -> String {
        let until = DateTime::UNIX_EPOCH + chrono::TimeDelta::minutes(10);
        keys.issue(Uuid::nil(), Uuid::nil(), Uuid::nil(), DateTime::UNIX_EPOCH, until).expect("a token")
    }

    #[test]
    fn the_first_key_signs_and_all_verify() {
        let (before, adding) = (keys(""), keys(&format!("derived,b:{OTHER}")));
        let (swapped, after) = (keys(&format!("b:{OTHER},derived")), keys(&format!("b:{OTHER}")));
        let (old, new) = (token(&before), token(&swapped));
        let now = DateTime::UNIX_EPOCH;
        for node in [&before, &adding, &swapped] {
            assert!(node.check(&old, now).is_ok(), "{node:?}");
        }
        for node in [&adding, &swapped, &after] {
            assert!(node.check(&new, now).is_ok(), "{node:?}");
        }
        assert_eq!(before.check(&new, now).err(), Some(Flaw::UnknownKey));
        assert_eq!(after.check(&old, now).err(), Some(Flaw::UnknownKey));
    }

    #[test]
    fn settings_that_are_no_keys_are_refused_without_telling_a_secret() {
        for bad in [
            "a",
            "a:short",
            ",",
            &format!(":{OTHER}"),
            &format!("a b:{OTHER}"),
            &format!("a:{OTHER},a:{OTHER}"),
            "derived,derived",
        ] {
            let refused = TokenKeys::from_setting(bad, SECRET).err().unwrap_or_else(|| panic!("{bad} was taken"));
            assert!(!refused.to_string().contains(OTHER) && !refused.to_string().contains("short\""), "{refused}");
        }
        assert!(!format!("{:?}", keys(&format!("b:{OTHER}"))).contains(OTHER));
    }
}
