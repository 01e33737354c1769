//! Access tokens: short-lived JWTs that name tenant, user and session. What the user may do is not in them; it is
//! read from the database, so that a change takes effect within seconds.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const ISSUER: &str = "horae";
const AUDIENCE: &str = "horae-api";

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

/// Signs and checks access tokens.
#[derive(Clone)]
pub struct TokenKeys {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKeys({})", self.kid)
    }
}

impl TokenKeys {
    /// Keys derived from the configured secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let key = super::derive(secret, b"horae access token 1");
        Self { kid: "1".to_owned(), encoding: EncodingKey::from_secret(&key), decoding: DecodingKey::from_secret(&key) }
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
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::HS256) };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user,
            tid: tenant,
            sid: session,
            exp: expires_at.timestamp(),
            iat: now.timestamp(),
        };
        jsonwebtoken::encode(&header, &claims, &self.encoding)
    }

    /// What a genuine token says, or none: forged, of another audience, or no longer valid at `now`.
    #[must_use]
    pub fn check(&self, token: &str, now: DateTime<Utc>) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Expiry is judged by the injected clock, below.
        validation.validate_exp = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation).ok()?.claims;
        (claims.exp > now.timestamp()).then_some(claims)
    }
}
