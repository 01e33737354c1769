//! One runner per kind of job.

mod apply_time_rules;
mod expire_hold;
mod export_patient;
mod files;
mod housekeeping;
mod import_patients;
mod materialise_reminders;
mod password_reset;
mod reseal;
mod send_mail;

use std::{num::NonZeroU32, sync::Arc};

use super::Runner;
use crate::{domain::platform::retention, mail::Mailer};

/// Writes the reminders of the next 48 hours.
pub(super) const MATERIALISE_REMINDERS: &str = "reminders.materialise";
/// Removes events older than retention.
pub(super) const PRUNE_EVENTS: &str = "events.prune";
/// Removes receipts of idempotency keys that are not honoured any more, and what else is short-lived.
pub(super) const PRUNE_RECEIPTS: &str = "receipts.prune";
/// Removes sessions, links and the like that ended long ago.
pub(super) const PRUNE_ENDED: &str = "ended.prune";
/// Computes future local times again after a change of zone rules.
pub(super) const APPLY_TIME_RULES: &str = "tzdata.apply";

/// Removes files that were never finished, or whose time is over.
pub(super) const SWEEP_FILES: &str = "files.sweep";
/// Removes what the file store holds without a row.
pub(super) const REMOVE_ORPHANS: &str = "files.orphans";

/// Every runner of the product.
pub(super) fn all(mailer: Arc<Mailer>, mail_from: &str, mails_per_second: NonZeroU32) -> Vec<Arc<dyn Runner>> {
    vec![
        Arc::new(send_mail::SendMail::new(mailer, mail_from, mails_per_second)),
        Arc::new(expire_hold::ExpireHold),
        Arc::new(password_reset::PasswordReset),
        Arc::new(materialise_reminders::MaterialiseReminders),
        Arc::new(housekeeping::PruneEvents),
        Arc::new(housekeeping::Prune { kind: PRUNE_RECEIPTS, what: retention::SHORT_LIVED }),
        Arc::new(housekeeping::Prune { kind: PRUNE_ENDED, what: retention::ENDED }),
        Arc::new(apply_time_rules::ApplyTimeRules),
        Arc::new(import_patients::ImportPatients),
        Arc::new(export_patient::ExportPatient),
        Arc::new(files::Thumbnail),
        Arc::new(files::Sweep),
        Arc::new(files::Orphans),
        Arc::new(reseal::ResealValues),
    ]
}
