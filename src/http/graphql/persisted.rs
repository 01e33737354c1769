//! Automatic persisted queries: a client sends the SHA-256 of a document instead of the document, and the document with
//! it once when the server does not know it. What is kept is a convenience; a client whose document was forgotten sends
//! it again.

use std::sync::Arc;

use async_graphql::{Request, Value};
use moka::future::Cache;
use sha2::{Digest, Sha256};

/// Bytes of documents that are kept of callers who are known …
const KNOWN: u64 = 16 * 1024 * 1024;
/// … and of those who are not, who could send anything.
const UNKNOWN: u64 = 2 * 1024 * 1024;

/// A document that is longer is not kept.
const LONGEST: usize = 64 * 1024;

type Digested = [u8; 32];

/// The documents of this process, apart for each tenant.
#[derive(Debug, Clone)]
pub(super) struct PersistedDocuments {
    known: Cache<(Arc<str>, Digested), Arc<str>>,
    unknown: Cache<Digested, Arc<str>>,
}

/// Why a hash does not lead to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Send the document along.
    NotFound,
    /// The hash is of another document.
    Differs,
    /// Not a hash as version 1 of the protocol has it.
    Malformed,
}

/// What to remember if the document proves to be one.
#[derive(Debug)]
pub(super) struct Remember(Digested);

impl Default for PersistedDocuments {
    fn default() -> Self {
        let weigh = |document: &Arc<str>| u32::try_from(document.len() + 128).unwrap_or(u32::MAX);
        Self {
            known: Cache::builder().weigher(move |_, document| weigh(document)).max_capacity(KNOWN).build(),
            unknown: Cache::builder().weigher(move |_, document| weigh(document)).max_capacity(UNKNOWN).build(),
        }
    }
}

/// The hash that the request names, if it names one.
fn named(request: &Request) -> Option<Result<Digested, Missing>> {
    let Value::Object(persisted) = request.extensions.get("persistedQuery")? else {
        return Some(Err(Missing::Malformed));
    };
    let is_version_1 = matches!(persisted.get("version"), Some(Value::Number(version)) if version.as_u64() == Some(1));
    let Some(Value::String(hash)) = persisted.get("sha256Hash").filter(|_| is_version_1) else {
        return Some(Err(Missing::Malformed));
    };
    Some(digested(hash).ok_or(Missing::Malformed))
}

fn digested(text: &str) -> Option<Digested> {
    let mut digest = Digested::default();
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}

impl PersistedDocuments {
    /// Puts the document into a request that names only its hash. Of one that brings both, says what to keep.
    pub(super) async fn find(
        &self,
        request: &mut Request,
        tenant: Option<&Arc<str>>,
    ) -> Result<Option<Remember>, Missing> {
        let Some(digest) = named(request) else { return Ok(None) };
        let digest = digest?;
        if !request.query.is_empty() {
            let own: Digested = Sha256::digest(request.query.as_bytes()).into();
            return if own == digest { Ok(Some(Remember(digest))) } else { Err(Missing::Differs) };
        }
        let kept = match tenant {
            Some(tenant) => self.known.get(&(Arc::clone(tenant), digest)).await,
            None => self.unknown.get(&digest).await,
        };
        request.query = kept.ok_or(Missing::NotFound)?.as_ref().to_owned();
        Ok(None)
    }

    /// Keeps a document that was found to be one, within the limits.
    pub(super) async fn keep(&self, Remember(digest): Remember, document: &str, tenant: Option<&Arc<str>>) {
        if document.len() > LONGEST {
            return;
        }
        match tenant {
            Some(tenant) => self.known.insert((Arc::clone(tenant), digest), document.into()).await,
            None => self.unknown.insert(digest, document.into()).await,
        }
    }
}

impl Missing {
    /// The words that clients know.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::NotFound => "PersistedQueryNotFound",
            Self::Differs => "provided sha does not match query",
            Self::Malformed => {
                "The extension \"persistedQuery\" must be {version: 1, sha256Hash: 64 hexadecimal digits}."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hashes_only() {
        assert_eq!(digested(&"0a".repeat(32)), Some([10; 32]));
        for bad in ["", "0a", &"0g".repeat(32), &"0a".repeat(33), &"+1".repeat(32), &"ñ".repeat(32)] {
            assert!(digested(bad).is_none(), "{bad}");
        }
    }
}
