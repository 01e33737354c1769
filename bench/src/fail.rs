//! Why a measurement could not be made.

use std::fmt;

/// One sentence for the person who started it. It has no [`std::error::Error`], so that every error converts into it.
pub struct Fail(pub String);

/// What a step gives, or why not.
pub type Result<T> = std::result::Result<T, Fail>;

impl Fail {
    /// With these words.
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl fmt::Debug for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Fail {
    fn from(error: E) -> Self {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            words.push_str(": ");
            words.push_str(&cause.to_string());
            source = cause.source();
        }
        Self(words)
    }
}
