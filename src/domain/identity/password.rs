//! Which passwords are good enough when their owner changes them.

use crate::domain::refusal::{Failure, Refusal};

/// Refuses a password that is easily guessed. `field` is where the client wrote it.
///
/// # Errors
/// When it is too short or too long.
pub fn check_strength(password: &str, field: &'static str) -> Result<(), Failure> {
    if (10..=128).contains(&password.chars().count()) {
        return Ok(());
    }
    let message = "a password has 10 to 128 characters; several words that have nothing in common are easy to remember";
    Err(Refusal::invalid(field, message).into())
}
