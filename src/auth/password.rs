//! Passwords: argon2id with the parameters OWASP recommends (19 MiB, 2 passes, 1 lane), on a thread that may block.

use std::sync::{Arc, LazyLock};

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash::{SaltString, rand_core::OsRng},
};
use tokio::sync::Semaphore;

/// A password could not be hashed; says nothing about the password.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashFailure;

/// Passwords that are hashed at once: each takes a core for tens of milliseconds, and the rest of the server needs some
/// too. It is the processors that are shared, so it is one number for the process.
static ROOM: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(at_once())));

fn at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// Runs on a thread that may block, when it is its turn. The place is kept until the work is done, even if nobody waits
/// for it any more.
async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let place = Arc::clone(&ROOM).acquire_owned().await.ok()?;
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    done.await.ok()
}

fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// PHC string of a password.
///
/// # Errors
/// When the thread pool is shutting down.
pub async fn hash(password: String) -> Result<String, HashFailure> {
    in_turn(move || {
        let salt = SaltString::generate(&mut OsRng);
        hasher().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string()).map_err(|_| HashFailure)
    })
    .await
    .ok_or(HashFailure)?
}

/// Whether the password fits. With no hash the same work is done, so that the time tells nothing about who exists.
pub async fn verify(password: String, phc: Option<String>) -> bool {
    /// Of a word nobody has.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$aG9yYWUtbm9ib2R5LXNhbHQ$Zt0wUJv0gVQ4kK0rZ6Zr4M5jv4mX1m2sY2oLw8mC3dE";
    in_turn(move || {
        let known = phc.is_some();
        let phc = phc.unwrap_or_else(|| NOBODY.to_owned());
        let fits =
            PasswordHash::new(&phc).is_ok_and(|hash| hasher().verify_password(password.as_bytes(), &hash).is_ok());
        known && fits
    })
    .await
    .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_flood_waits_for_its_turn() {
        let all = u32::try_from(at_once()).unwrap();
        let room = Arc::clone(&ROOM).acquire_many_owned(all).await.unwrap();
        let mut flood: Vec<_> = (0..10).map(|_| Box::pin(verify("x".to_owned(), None))).collect();
        for one in &mut flood {
            assert!(one.now_or_never().is_none(), "nobody is hashed out of turn");
        }
        drop(flood);
        drop(room);
        assert!(!verify("x".to_owned(), None).await);
    }
}
