//! The words of each language. A missing sentence does not compile.
//!
//! Sentences may use `{{ patient_name }}`, `{{ centre_name }}`, `{{ branch_name }}`, `{{ when }}`, `{{ when_short }}`,
//! `{{ code }}`, `{{ phone }}` and ask `can_confirm` and `can_change`; those about an account `{{ name }}` and
//! `{{ centre_name }}`. They are plain text.

use super::context::{Channel, MailContext};
use crate::mail::dates::Locale;

mod en;
mod es;

/// Everything one language says.
pub(super) struct Wording {
    pub(super) when: &'static str,
    pub(super) when_now: &'static str,
    pub(super) when_before: &'static str,
    pub(super) place: &'static str,
    pub(super) treatment: &'static str,
    /// `{}` stands for the professional.
    pub(super) with: &'static str,
    pub(super) code: &'static str,
    pub(super) reason: &'static str,
    pub(super) patient: &'static str,
    pub(super) channel: &'static str,
    pub(super) channel_online: &'static str,
    pub(super) channel_front_desk: &'static str,
    pub(super) channel_phone: &'static str,
    pub(super) channel_api: &'static str,
    pub(super) confirm: &'static str,
    pub(super) change: &'static str,
    pub(super) calendar_file: &'static str,
    pub(super) login_name: &'static str,
    pub(super) link_until: &'static str,
    pub(super) accept_invite: &'static str,
    pub(super) set_password: &'static str,
    pub(super) confirmation: KindWording,
    pub(super) centre_copy: KindWording,
    pub(super) reminder: KindWording,
    pub(super) rescheduled: KindWording,
    /// Where the time is the same.
    pub(super) changed: KindWording,
    pub(super) cancelled: KindWording,
    pub(super) refused: KindWording,
    pub(super) invite: KindWording,
    pub(super) password_reset: KindWording,
}

/// The sentences of one kind of mail.
pub(super) struct KindWording {
    pub(super) subject: &'static str,
    /// What a mailbox shows beside the subject.
    pub(super) preheader: &'static str,
    pub(super) heading: &'static str,
    /// May be empty.
    pub(super) greeting: &'static str,
    pub(super) intro: &'static str,
    /// What the reader can do; may be empty.
    pub(super) notice: &'static str,
    /// Why the reader gets this.
    pub(super) footer: &'static str,
    /// Colour of the band above the heading; dark enough for white text (contrast 4.5).
    pub(super) accent: &'static str,
}

pub(super) const GREEN: &str = "#0f766e";
pub(super) const BLUE: &str = "#1d4ed8";
pub(super) const AMBER: &str = "#b45309";
pub(super) const RED: &str = "#b91c1c";
pub(super) const SLATE: &str = "#334155";

pub(super) const fn wording(locale: Locale) -> &'static Wording {
    match locale {
        Locale::Es => &es::WORDING,
        Locale::En => &en::WORDING,
    }
}

impl Wording {
    pub(super) const fn of(&self, mail: &MailContext) -> &KindWording {
        match mail {
            MailContext::AppointmentConfirmation(_) => &self.confirmation,
            MailContext::CentreCopy { .. } => &self.centre_copy,
            MailContext::AppointmentReminder(_) => &self.reminder,
            MailContext::AppointmentRescheduled { previous_starts_at: Some(_), .. } => &self.rescheduled,
            MailContext::AppointmentRescheduled { previous_starts_at: None, .. } => &self.changed,
            MailContext::AppointmentCancelled { refused: true, .. } => &self.refused,
            MailContext::AppointmentCancelled { refused: false, .. } => &self.cancelled,
            MailContext::Invite(_) => &self.invite,
            MailContext::PasswordReset(_) => &self.password_reset,
        }
    }

    pub(super) const fn channel_name(&self, channel: Channel) -> &'static str {
        match channel {
            Channel::Online => self.channel_online,
            Channel::FrontDesk => self.channel_front_desk,
            Channel::Phone => self.channel_phone,
            Channel::Api => self.channel_api,
        }
    }
}
