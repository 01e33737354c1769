//! The second factor: an authenticator app, and recovery codes for the day without it.
//!
//! A login with a right password opens a *challenge* instead of a session when the user has a factor; the right code
//! answers it. Enrolling opens one too: the factor counts from its first right code on. A code is good for one use, in
//! whatever session; a challenge dies after a few wrong ones, and many wrong ones in a row block the app's codes.

mod challenge;
pub mod complete;
pub mod disable;
pub mod enrol;
mod factor;
pub mod require;

pub use challenge::{ATTEMPTS, Challenge, TTL};
pub use factor::{BLOCK, FREE_FAILURES};

pub(super) use challenge::{Aim, open};
