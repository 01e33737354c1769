//! Documents that were found to fit, parsed: front ends send the same few again and again, and parsing one costs about as
//! much as writing its answer.

use std::sync::Arc;

use async_graphql::{Request, ServerError, parser::types::ExecutableDocument};
use moka::sync::Cache;

use super::DocumentLimits;

/// Bytes that the kept documents may have together, as text; parsed they take some forty times as much. A front end has
/// a few hundred, of about a kilobyte.
const KEPT: u64 = 1024 * 1024;

/// What even the shortest document counts, so that many short ones do not take more memory than few long ones.
const EACH: usize = 64;

/// A document that is longer is not kept.
const LONGEST: usize = 16 * 1024;

/// Reads documents within [`DocumentLimits`], each once. What is kept depends on the text alone, so it tells nobody
/// anything of somebody else; seldom used documents give way to frequent ones.
#[derive(Clone, Debug)]
pub struct Documents {
    limits: DocumentLimits,
    fit: Cache<Arc<str>, Arc<ExecutableDocument>>,
}

impl Documents {
    /// Within these limits.
    #[must_use]
    pub fn within(limits: DocumentLimits) -> Self {
        let weigh = |text: &Arc<str>, _: &Arc<ExecutableDocument>| u32::try_from(text.len() + EACH).unwrap_or(u32::MAX);
        Self { limits, fit: Cache::builder().weigher(weigh).max_capacity(KEPT).build() }
    }

    /// Parses the request's document and measures it, unless the same text has been found to fit before.
    ///
    /// # Errors
    /// As [`DocumentLimits::check`].
    pub fn check(&self, request: &mut Request) -> Result<(), ServerError> {
        if let Some(document) = self.fit.get(request.query.as_str()) {
            request.set_parsed_query(ExecutableDocument::clone(&document));
            super::is_measured(request);
            return Ok(());
        }
        self.limits.check(request)?;
        if request.query.len() <= LONGEST {
            let text = Arc::from(request.query.as_str());
            if let Ok(document) = request.parsed_query() {
                self.fit.insert(text, Arc::new(document.clone()));
            }
        }
        Ok(())
    }
}

impl Default for Documents {
    fn default() -> Self {
        Self::within(DocumentLimits::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_the_same_the_second_time() {
        let documents = Documents::default();
        for text in ["{ a }", "query Q($x: Int) { a(x: $x) { ...F } } fragment F on A { b }"] {
            let read = || {
                let mut request = Request::new(text);
                assert!(documents.check(&mut request).is_ok(), "{text}");
                request.parsed_query().map(|document| format!("{document:?}")).ok()
            };
            let first = read();
            assert!(first.is_some() && documents.fit.contains_key(text), "{text}");
            assert_eq!(read(), first);
        }
    }

    #[test]
    fn what_does_not_fit_or_is_long_is_not_kept() {
        let documents = Documents::within(DocumentLimits { max_depth: 2, ..DocumentLimits::default() });
        for text in ["{ a { b { c } } }", "{ a", ""] {
            for _ in 0..2 {
                assert!(documents.check(&mut Request::new(text)).is_err(), "{text}");
            }
            assert!(!documents.fit.contains_key(text));
        }
        let long = format!("{{ a }} #{}", "x".repeat(LONGEST));
        assert!(documents.check(&mut Request::new(&long)).is_ok());
        assert!(!documents.fit.contains_key(long.as_str()));
    }
}
