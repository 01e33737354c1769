//! `@auth`: which permissions open a field, next to the field and in the published contract. It decides nothing: the use
//! cases do, and the matrix of the tests calls every field as everybody and compares.

#![expect(missing_docs, reason = "the items that the macro makes have none")]

use async_graphql::TypeDirective;

/// Short, for the one line above each field.
pub use super::identity::types::PermissionCode as P;

/// Any one of these permissions opens the field, in the branch of the object that it is about, or in the whole centre if
/// it is about nothing of a branch. A permission with OWN in its name opens what is the caller's own. A field may need
/// more than one; its description says what. Where it is not written, no permission is needed, and the description says
/// who may. Programs and people alike; booking pages have no permissions, and may what the description says that they
/// may.
#[TypeDirective(location = "FieldDefinition", name = "auth")]
pub fn auth(#[graphql(desc = "Any one of these.")] requires: Vec<P>) {}
