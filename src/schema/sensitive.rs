//! `@sensitive`: what lies encrypted in the database.

#![expect(missing_docs, reason = "the items that the macro makes have none")]

use async_graphql::TypeDirective;

/// Encrypted column; the value is redacted in logs, events, audit diffs and exports unless the caller has `RECORD_READ`.
#[TypeDirective(location = "FieldDefinition", name = "sensitive")]
pub fn sensitive() {}
