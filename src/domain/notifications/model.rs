//! Mails as rows: kinds, states, and what the API shows of one.

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::domain::{centre::model::zone, refusal::Failure};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the API describes each")]
        pub enum $name { $($variant),+ }

        impl $name {
            /// The word in the database and in the API.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What the database's word names.
            ///
            /// # Errors
            /// A fault: this binary does not know the word.
            pub fn parse(word: &str) -> Result<Self, Failure> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    other => Err(Failure::fault(format!("unknown {} `{other}`", stringify!($name)))),
                }
            }
        }
    };
}

words! {
    /// What a mail is about.
    EmailKind {
        AppointmentConfirmation = "APPOINTMENT_CONFIRMATION",
        AppointmentReminder = "APPOINTMENT_REMINDER",
        AppointmentRescheduled = "APPOINTMENT_RESCHEDULED",
        AppointmentCancelled = "APPOINTMENT_CANCELLED",
        CentreCopy = "CENTRE_COPY",
        Birthday = "BIRTHDAY",
        Campaign = "CAMPAIGN",
        Quote = "QUOTE",
        GiftCard = "GIFT_CARD",
        Receipt = "RECEIPT",
        PlanExpiring = "PLAN_EXPIRING",
        WaitlistOffer = "WAITLIST_OFFER",
        ReportReady = "REPORT_READY",
        WorkOrderUpdate = "WORK_ORDER_UPDATE",
        Invite = "INVITE",
        PasswordReset = "PASSWORD_RESET",
        SupportReply = "SUPPORT_REPLY",
        Digest = "DIGEST",
    }
}

words! {
    /// What has become of a mail.
    EmailStatus {
        Scheduled = "SCHEDULED",
        Sending = "SENDING",
        Sent = "SENT",
        Delivered = "DELIVERED",
        Bounced = "BOUNCED",
        Complained = "COMPLAINED",
        Failed = "FAILED",
        Cancelled = "CANCELLED",
        Expired = "EXPIRED",
        Suppressed = "SUPPRESSED",
    }
}

impl EmailKind {
    /// Whether it goes to the patient of an appointment.
    #[must_use]
    pub fn is_to_patient(self) -> bool {
        matches!(
            self,
            Self::AppointmentConfirmation
                | Self::AppointmentReminder
                | Self::AppointmentRescheduled
                | Self::AppointmentCancelled
        )
    }

    /// Whether it is about somebody's account.
    #[must_use]
    pub fn is_about_account(self) -> bool {
        matches!(self, Self::Invite | Self::PasswordReset)
    }

    /// Whether a mail that may or may not have been handed over is handed over again. Missing an appointment is worse
    /// than a second copy with the same Message-ID; a second birthday greeting or campaign is not wanted at all.
    #[must_use]
    pub fn is_repeated_when_unsure(self) -> bool {
        !matches!(self, Self::Birthday | Self::Campaign)
    }
}

/// A mail, as it can be shown.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the columns are described in the migration, the fields in the API")]
pub struct EmailMessage {
    pub id: Uuid,
    pub kind: EmailKind,
    pub dedup_key: String,
    pub recipient: String,
    pub subject: String,
    pub status: EmailStatus,
    pub scheduled_local: Option<NaiveDateTime>,
    pub zone: Option<Tz>,
    pub due_at: DateTime<Utc>,
    pub sent_at: Option<DateTime<Utc>>,
    pub message_id: String,
    pub attempts: i32,
    pub last_error: Option<String>,
    pub related_id: Option<Uuid>,
}

#[derive(FromQueryResult)]
pub(super) struct EmailRow {
    id: Uuid,
    kind: String,
    dedup_key: String,
    recipient: String,
    subject: String,
    status: String,
    scheduled_local: Option<NaiveDateTime>,
    time_zone: Option<String>,
    due_at: DateTime<Utc>,
    sent_at: Option<DateTime<Utc>>,
    message_id: String,
    attempts: i32,
    last_error: Option<String>,
    related_id: Option<Uuid>,
}

impl TryFrom<EmailRow> for EmailMessage {
    type Error = Failure;

    fn try_from(row: EmailRow) -> Result<Self, Failure> {
        Ok(Self {
            id: row.id,
            kind: EmailKind::parse(&row.kind)?,
            dedup_key: row.dedup_key,
            recipient: row.recipient,
            subject: row.subject,
            status: EmailStatus::parse(&row.status)?,
            scheduled_local: row.scheduled_local,
            zone: row.time_zone.as_deref().map(zone).transpose()?,
            due_at: row.due_at,
            sent_at: row.sent_at,
            message_id: row.message_id,
            attempts: row.attempts,
            last_error: row.last_error,
            related_id: row.related_id,
        })
    }
}
