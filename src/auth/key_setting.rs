//! How lists of keys are written in settings: `name:secret,name:secret`, the one in use first.

/// The word that stands for the key derived from the configured secret.
const DERIVED: &str = "derived";
/// Shorter secrets can be guessed offline from one thing that they protect.
const MIN_SECRET: usize = 32;

/// The setting of the keys cannot be used. Says nothing of any secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadKeys(String);

impl BadKeys {
    /// Two keys share a name.
    pub(super) fn twice(name: &str) -> Self {
        Self(format!("two keys are called `{name}`; what they protect names its key, so each needs a name of its own"))
    }

    /// There is no key at all.
    pub(super) fn none() -> Self {
        Self("it holds no key".to_owned())
    }
}

/// One key of the list.
#[derive(Clone, Copy)]
pub(super) enum Entry<'a> {
    /// The one made from the configured secret.
    Derived,
    /// One of its own.
    Own { name: &'a str, secret: &'a str },
}

/// The keys of a setting, in its order; of an empty one the derived key alone.
pub(super) fn entries(setting: &str) -> Result<Vec<Entry<'_>>, BadKeys> {
    if setting.trim().is_empty() {
        return Ok(vec![Entry::Derived]);
    }
    let written = setting.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    (1..).zip(written).map(|(at, entry)| read(at, entry)).collect()
}

fn read(at: usize, entry: &str) -> Result<Entry<'_>, BadKeys> {
    if entry == DERIVED {
        return Ok(Entry::Derived);
    }
    let sane = |name: &str| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    match entry.split_once(':') {
        Some((name, secret)) if sane(name) && secret.len() >= MIN_SECRET => Ok(Entry::Own { name, secret }),
        _ => Err(BadKeys(format!(
            "entry {at} is not name:secret with a name of letters, digits, dots and hyphens and a secret of at least \
             {MIN_SECRET} characters, nor the word {DERIVED}"
        ))),
    }
}
