//! Everything that refers to a patient, and so goes to the one that is kept when two are merged.
//!
//! **A new table with a patient's id needs a line here**: a statement that gives its rows from patient $2 to patient $1.
//! `tests/it/patients/merge.rs` compares the list with the foreign keys that there are in the database.

use uuid::Uuid;

use crate::{
    db::{Sql, TenantTx},
    domain::refusal::Failure,
};

/// A foreign key to patients, and how its rows are handed over.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// Table and column.
    pub column: (&'static str, &'static str),
    /// Gives the rows of $2 to $1; $3 is now.
    give: Sql,
}

/// Every foreign key to patients.
pub const REFERENCES: &[Reference] = &[
    Reference {
        column: ("appointments", "patient_id"),
        give: "UPDATE appointments SET patient_id = $1, version = version + 1, updated_at = $3 WHERE patient_id = $2",
    },
    // Rows that would be there twice, or would make the patient answer for itself, go: the one that is kept has them.
    Reference {
        column: ("patient_guardians", "patient_id"),
        give: "WITH gone AS (DELETE FROM patient_guardians WHERE patient_id = $2 AND $3::timestamptz IS NOT NULL RETURNING guardian_id, position)
            INSERT INTO patient_guardians (patient_id, guardian_id, position)
            SELECT $1, guardian_id, position + 100 FROM gone WHERE guardian_id <> $1 ON CONFLICT DO NOTHING",
    },
    Reference {
        column: ("patient_guardians", "guardian_id"),
        give: "WITH gone AS (DELETE FROM patient_guardians WHERE guardian_id = $2 AND $3::timestamptz IS NOT NULL RETURNING patient_id, position)
            INSERT INTO patient_guardians (patient_id, guardian_id, position)
            SELECT patient_id, $1, position FROM gone WHERE patient_id <> $1 ON CONFLICT DO NOTHING",
    },
    // Sealed for their row: the one that is kept has them sealed anew before. Where it says something else, what the other
    // said stays to be read under the old id, as it does in the columns.
    Reference {
        column: ("patient_values", "patient_id"),
        give: "DELETE FROM patient_values v USING patient_values k
               WHERE v.patient_id = $2 AND $3::timestamptz IS NOT NULL
                   AND k.patient_id = $1 AND k.field_key = v.field_key AND k.value_hash = v.value_hash",
    },
    Reference {
        column: ("attachments", "patient_id"),
        give: "UPDATE attachments SET patient_id = $1 WHERE patient_id = $2 AND $3::timestamptz IS NOT NULL",
    },
    // They stay: what was signed never changes, whom it is about included. The record of the one that is kept shows them.
    Reference {
        column: ("record_entries", "patient_id"),
        give: "SELECT 1 WHERE $1::uuid = $2::uuid AND $3::timestamptz IS NULL",
    },
    Reference {
        column: ("imported_rows", "patient_id"),
        give: "UPDATE imported_rows SET patient_id = $1 WHERE patient_id = $2 AND $3::timestamptz IS NOT NULL",
    },
    // What was merged into the one that goes is the one that stays: an old id leads there in one step.
    Reference {
        column: ("patients", "merged_into"),
        give: "UPDATE patients SET merged_into = $1, version = version + 1, updated_at = $3 WHERE merged_into = $2",
    },
];

/// Gives everything of `merged` to `kept`, table after table in the list's order.
///
/// # Errors
/// Faults of the database.
pub(super) async fn give_all(
    tx: &TenantTx,
    kept: Uuid,
    merged: Uuid,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), Failure> {
    for reference in REFERENCES {
        tx.run(reference.give, [kept.into(), merged.into(), now.into()]).await?;
    }
    Ok(())
}
