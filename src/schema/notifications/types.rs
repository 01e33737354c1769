//! Types of mails.

use std::sync::Arc;

use async_graphql::{Enum, ID, InputObject, Object};

use crate::{
    domain::notifications,
    schema::{
        agenda::types::DateTimeRange,
        id::Kind,
        page::connection,
        request::Reader,
        scalar::{EmailAddress, Instant, LocalDateTime, TimeZone},
    },
};

/// What a mail is about.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::notifications::EmailKind")]
pub enum EmailKind {
    /// To the patient, minutes after a booking.
    AppointmentConfirmation,
    /// To the patient, on the morning of the day, or the evening before an early appointment.
    AppointmentReminder,
    /// To the patient, after a move.
    AppointmentRescheduled,
    /// To the patient, after a cancellation.
    AppointmentCancelled,
    /// To the centre, for each booking.
    CentreCopy,
    /// To the patient, on the birthday.
    Birthday,
    /// Bulk mail.
    Campaign,
    /// An offer with prices.
    Quote,
    /// A gift card.
    GiftCard,
    /// A receipt of a payment.
    Receipt,
    /// Prepaid sessions run out.
    PlanExpiring,
    /// A slot became free for somebody who waits.
    WaitlistOffer,
    /// A report can be fetched.
    ReportReady,
    /// Something happened to a work order.
    WorkOrderUpdate,
    /// To a new user.
    Invite,
    /// To a user who forgot the password.
    PasswordReset,
    /// From support.
    SupportReply,
    /// Several things in one mail.
    Digest,
}

/// What has become of a mail.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "crate::domain::notifications::EmailStatus")]
pub enum EmailStatus {
    /// Waits for its time, or for another attempt.
    Scheduled,
    /// Is being handed over to the relay; or nobody knows whether it has been, and it will be handed over again.
    Sending,
    /// The relay has taken it.
    Sent,
    /// The recipient's server has taken it.
    Delivered,
    /// The recipient's address does not exist.
    Bounced,
    /// The recipient called it spam.
    Complained,
    /// It could not be sent.
    Failed,
    /// It was overtaken by a change before it was sent.
    Cancelled,
    /// Its time passed before it could be sent.
    Expired,
    /// The address gets no mail, because it bounced or complained before.
    Suppressed,
}

/// A mail: scheduled, sent, or not.
#[derive(Clone, Debug)]
pub struct EmailMessage {
    /// The caller's eyes.
    pub reader: Arc<Reader>,
    /// The row.
    pub model: notifications::EmailMessage,
}

/// A mail: scheduled, sent, or not.
#[Object]
impl EmailMessage {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::EmailMessage, self.model.id)
    }

    /// What it is about.
    async fn kind(&self) -> EmailKind {
        self.model.kind.into()
    }

    /// Exists once: the same key is the same mail.
    async fn dedup_key(&self) -> &str {
        &self.model.dedup_key
    }

    /// Recipient.
    async fn to(&self) -> EmailAddress {
        EmailAddress(self.model.recipient.clone())
    }

    /// Subject; empty until it is written, which happens when it is sent.
    async fn subject(&self) -> &str {
        &self.model.subject
    }

    /// What has become of it.
    async fn status(&self) -> EmailStatus {
        self.model.status.into()
    }

    /// The wall time it is due at, when a wall clock decides; in `timeZone`.
    async fn scheduled_local(&self) -> Option<LocalDateTime> {
        self.model.scheduled_local.map(LocalDateTime)
    }

    /// Whose wall clock.
    async fn time_zone(&self) -> Option<TimeZone> {
        self.model.zone.map(TimeZone)
    }

    /// When it is due.
    async fn due_at(&self) -> Instant {
        self.instant(self.model.due_at)
    }

    /// When the relay took it.
    async fn sent_at(&self) -> Option<Instant> {
        self.model.sent_at.map(|at| self.instant(at))
    }

    /// `Message-ID` header; the same in every copy.
    async fn message_id(&self) -> &str {
        &self.model.message_id
    }

    /// How often it was tried; a try counts also when the relay could not be reached.
    async fn attempts(&self) -> i32 {
        self.model.attempts
    }

    /// Why the last attempt failed, or why it is not sent.
    async fn last_error(&self) -> Option<&str> {
        self.model.last_error.as_deref()
    }

    /// The appointment it is about, or the user whose account it is about.
    async fn related_id(&self) -> Option<ID> {
        let kind = if self.model.kind.is_about_account() { Kind::User } else { Kind::Appointment };
        self.model.related_id.map(|id| self.reader.ids.encode(kind, id))
    }
}

impl EmailMessage {
    fn instant(&self, at: chrono::DateTime<chrono::Utc>) -> Instant {
        self.model.zone.map_or_else(|| Instant::utc(at), |zone| Instant::in_zone(at, zone))
    }
}

connection!(EmailMessageConnection, EmailMessageEdge, EmailMessage, "mails");

/// Which mails; what is left out does not narrow.
#[derive(InputObject, Clone, Debug)]
pub struct EmailFilter {
    /// Of this kind.
    pub kind: Option<EmailKind>,
    /// In this state.
    pub status: Option<EmailStatus>,
    /// About this appointment.
    pub related_id: Option<ID>,
    /// Due in this range.
    pub range: Option<DateTimeRange>,
}

/// An address that gets no mail any more.
#[derive(Clone, Debug)]
pub struct Suppression {
    /// The caller's eyes.
    pub reader: Arc<Reader>,
    /// The row.
    pub model: notifications::suppressions::Suppression,
}

/// An address that gets no mail any more.
#[Object]
impl Suppression {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.reader.ids.encode(Kind::Suppression, self.model.id)
    }

    /// The address.
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.model.email.clone())
    }

    /// Why: `HARD_BOUNCE` when its server said that it does not exist.
    async fn reason(&self) -> &str {
        &self.model.reason
    }

    /// Since when.
    async fn at(&self) -> Instant {
        Instant::utc(self.model.at)
    }
}

connection!(SuppressionConnection, SuppressionEdge, Suppression, "addresses that get no mail");
