//! Passwords: argon2id with the parameters OWASP recommends (19 MiB, 2 passes, 1 lane), on a thread that may block.

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash::{SaltString, rand_core::OsRng},
};

/// A password could not be hashed; says nothing about the password.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashFailure;

fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// PHC string of a password.
///
/// # Errors
/// When the thread pool is shutting down.
pub async fn hash(password: String) -> Result<String, HashFailure> {
    tokio::task::spawn_blocking(move || {
        let salt = SaltString::generate(&mut OsRng);
        hasher().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string()).map_err(|_| HashFailure)
    })
    .await
    .map_err(|_| HashFailure)?
}

/// Whether the password fits. With no hash the same work is done, so that the time tells nothing about who exists.
pub async fn verify(password: String, phc: Option<String>) -> bool {
    /// Of a word nobody has.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$aG9yYWUtbm9ib2R5LXNhbHQ$Zt0wUJv0gVQ4kK0rZ6Zr4M5jv4mX1m2sY2oLw8mC3dE";
    tokio::task::spawn_blocking(move || {
        let known = phc.is_some();
        let phc = phc.unwrap_or_else(|| NOBODY.to_owned());
        let fits =
            PasswordHash::new(&phc).is_ok_and(|hash| hasher().verify_password(password.as_bytes(), &hash).is_ok());
        known && fits
    })
    .await
    .unwrap_or(false)
}
