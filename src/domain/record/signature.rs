//! What is signed, and the hash of it: everything that an entry says, by the letter, with the centre's own key. Whoever
//! changes a word in the database, or puts an entry under another name, cannot make a hash that fits.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::values::Texts;
use crate::domain::{refusal::Failure, sealing::TenantKeys};

/// What is signed. Its JSON, with the fields in this order, is what is hashed: a change of it needs another form.
#[derive(Serialize)]
pub(super) struct Content<'a> {
    pub form: u8,
    pub entry: Uuid,
    pub patient: Uuid,
    pub template: Uuid,
    pub template_version: i32,
    pub appointment: Option<Uuid>,
    pub author: Uuid,
    pub at: String,
    pub amends: Option<Uuid>,
    pub amendment_reason: Option<&'a str>,
    pub signed_by: Uuid,
    pub signed_at: String,
    pub values: &'a Texts,
    /// Which files, and the hashes of their bytes.
    pub attachments: Vec<(Uuid, String)>,
}

/// The only form so far.
pub(super) const FORM: u8 = 1;

/// An instant as it is signed.
pub(super) fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl Content<'_> {
    /// The hash that belongs to it.
    pub fn hash(&self, keys: &TenantKeys) -> Result<Vec<u8>, Failure> {
        let text = serde_json::to_vec(self).map_err(|error| Failure::fault(error.to_string()))?;
        let hash = keys.hash(&["record_entries", "signature"], &text)?;
        hash.ok_or_else(|| Failure::fault("the centre has no key to sign with"))
    }
}
