//! Everywhere that something is known of a patient.
//!
//! **A new table or column with somebody's data needs a line here.** `tests/it/portability/anonymise.rs` plants words in all
//! of them and looks for them in a dump of the centre's schema afterwards, and compares the list with the foreign keys to
//! patients that there are.
//!
//! What stays, because nothing of anybody is in it: events and entries of the audit trail (ids, closed words, masks; a
//! reason is in staff's own words), receipts (ids, and hashes for a day), tokens (ids), jobs (ids), problems of imports
//! (columns and advice). The files of imports are no patient's: they go by themselves within 30 days.

use crate::db::Sql;

/// What is known in one table, and how it goes.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    /// The table.
    pub table: &'static str,
    /// Takes what is known of the patients $1 away; $2 is now.
    pub erase: Sql,
}

/// The patients' files, and archives that were made of their data. Before [`TRACES`].
pub(super) const FILES: Sql = "SELECT id FROM attachments WHERE patient_id = ANY ($1)
     UNION SELECT result_id FROM background_jobs
     WHERE kind = 'patients.export' AND result_id IS NOT NULL AND (input ->> 'patient')::uuid = ANY ($1)";

/// In this order: some are found by what others hold.
pub const TRACES: &[Trace] = &[
    Trace {
        table: "record_entries",
        erase: "SELECT erase_record($1) WHERE $2::timestamptz IS NOT NULL",
    },
    Trace {
        table: "attachments",
        erase: "DELETE FROM attachments WHERE $2::timestamptz IS NOT NULL AND (patient_id = ANY ($1) OR id IN (
                    SELECT result_id FROM background_jobs
                    WHERE kind = 'patients.export' AND result_id IS NOT NULL AND (input ->> 'patient')::uuid = ANY ($1)))",
    },
    Trace {
        table: "email_messages",
        // What waits is not sent any more; what failed may quote the address. Who is sending one meanwhile finds it
        // cancelled, and does not write its subject back.
        erase: "WITH mails AS (
                    SELECT m.id FROM email_messages m JOIN appointments a ON a.id = m.related_id
                    WHERE a.patient_id = ANY ($1)
                ), unqueued AS (
                    SELECT queue.cancel('mail.send', ARRAY(SELECT id::text FROM mails))
                )
                UPDATE email_messages m SET recipient = 'nobody@invalid', subject = '', last_error = NULL, updated_at = $2,
                    status = CASE WHEN m.status IN ('SCHEDULED', 'SENDING') THEN 'CANCELLED' ELSE m.status END
                FROM mails, unqueued WHERE m.id = mails.id",
    },
    Trace {
        table: "suppressions",
        // Not where somebody else has the same address, a child or a partner.
        erase: "DELETE FROM suppressions s USING (
                    SELECT email FROM patients WHERE id = ANY ($1)
                    UNION SELECT contact_email FROM appointments WHERE patient_id = ANY ($1)
                ) known
                WHERE known.email = s.email AND $2::timestamptz IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM patients o WHERE o.email = s.email AND o.id <> ALL ($1))",
    },
    Trace {
        table: "appointments",
        erase: "UPDATE appointments SET notes = NULL, internal_notes = NULL, cancel_reason = NULL,
                    contact_name = NULL, contact_email = NULL,
                    overbook_reason = CASE WHEN overbook_reason IS NOT NULL THEN '-' END, version = version + 1, updated_at = $2
                WHERE patient_id = ANY ($1)",
    },
    Trace {
        table: "patient_guardians",
        erase: "DELETE FROM patient_guardians
                WHERE $2::timestamptz IS NOT NULL AND (patient_id = ANY ($1) OR guardian_id = ANY ($1))",
    },
    Trace {
        table: "patient_values",
        erase: "DELETE FROM patient_values WHERE patient_id = ANY ($1) AND $2::timestamptz IS NOT NULL",
    },
    Trace {
        table: "imported_rows",
        erase: "DELETE FROM imported_rows WHERE patient_id = ANY ($1) AND $2::timestamptz IS NOT NULL",
    },
    Trace {
        table: "patients",
        erase: "UPDATE patients SET file_number = NULL, given_names = 'Anónimo', paternal_surname = NULL, maternal_surname = NULL,
                    document_kind = NULL, document_number = NULL, document_country = NULL, email = NULL, phones = '{}',
                    sex = 'UNKNOWN', birth_date = NULL, usual_professional_id = NULL, category_id = NULL,
                    referral_source = NULL, rating = NULL, comments = '{}', custom_values = '{}',
                    marketing_granted = false, marketing_at = NULL, marketing_source = NULL,
                    status = CASE status WHEN 'MERGED' THEN status ELSE 'INACTIVE' END,
                    anonymised_at = $2, version = version + 1, updated_at = $2
                WHERE id = ANY ($1)",
    },
];
