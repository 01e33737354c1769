//! A file as it is known.

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Part of this patient's record.
    Patient(Uuid),
    /// The centre's own: what it imports, what Horae made for it. Only who brought it or asked for it sees it.
    Centre,
}

impl Owner {
    pub(super) fn patient(self) -> Option<Uuid> {
        match self {
            Self::Patient(id) => Some(id),
            Self::Centre => None,
        }
    }
}

/// A file that is ready.
#[derive(Clone, Debug, FromQueryResult)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct Attachment {
    pub id: Uuid,
    pub patient_id: Option<Uuid>,
    pub requested_by: Option<Uuid>,
    pub file_name: String,
    pub mime_type: String,
    pub size_bytes: i64,
    pub sha256: Vec<u8>,
    pub width: Option<i32>,
    pub height: Option<i32>,
    pub thumbnail: String,
    pub captured_at: Option<DateTime<Utc>>,
    pub uploaded_at: DateTime<Utc>,
}

impl Attachment {
    /// Whose it is.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.patient_id.map_or(Owner::Centre, Owner::Patient)
    }

    /// Whether there is a small picture of it.
    #[must_use]
    pub fn has_thumbnail(&self) -> bool {
        self.thumbnail == "READY"
    }
}

/// Columns of a ready file `a`, as [`Attachment`] takes them.
macro_rules! attachment_columns {
    () => {
        "a.id, a.patient_id, a.requested_by, a.file_name, a.mime_type, a.size_bytes, a.sha256, a.width, a.height,
             a.thumbnail, a.captured_at, a.uploaded_at"
    };
}
pub(super) use attachment_columns;

/// A SHA-256 as clients write it; none: it is none.
#[must_use]
pub(super) fn parse_sha256(text: &str) -> Option<Vec<u8>> {
    hex::decode(text).ok().filter(|hash| hash.len() == 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_sixty_four_digits_in_any_case() {
        assert_eq!(parse_sha256(&"0aF1".repeat(16)), Some([0x0a, 0xf1].repeat(16)));
        for wrong in ["", "0a", &"0g".repeat(32), &"0a".repeat(33), &format!("+{}", "0".repeat(63)), &"ñ".repeat(32)] {
            assert_eq!(parse_sha256(wrong), None, "{wrong}");
        }
    }
}
