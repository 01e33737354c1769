//! The data of each mail, as types: what a kind needs, it has.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::mail::Locale;

/// The business that writes.
#[derive(Debug, Clone)]
pub struct Centre {
    /// Its public name.
    pub name: String,
    /// Shown on top when it is an https address; otherwise the name is.
    pub logo_url: Option<String>,
    /// Its telephone, as people write it.
    pub phone: Option<String>,
    /// Where its patients may write.
    pub email: Option<String>,
}

/// The place of the appointment.
#[derive(Debug, Clone)]
pub struct Branch {
    /// Its name within the centre.
    pub name: String,
    /// Street, district, city: one line each.
    pub address_lines: Vec<String>,
    /// Its own telephone; the centre's is used when absent.
    pub phone: Option<String>,
    /// Every time in the mail is on this clock.
    pub time_zone: Tz,
}

/// One treatment within an appointment.
#[derive(Debug, Clone)]
pub struct Item {
    /// What is done.
    pub treatment: String,
    /// Who does it; none where a room is all that is booked.
    pub professional: Option<String>,
    /// Where in the branch.
    pub room: Option<String>,
}

/// How the appointment came about; only the centre is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The public booking page.
    Online,
    /// The front desk.
    FrontDesk,
    /// A telephone call.
    Phone,
    /// A connected system.
    Api,
}

/// What every mail about an appointment needs.
#[derive(Debug, Clone)]
pub struct AppointmentMail {
    /// Who writes.
    pub centre: Centre,
    /// Where to go.
    pub branch: Branch,
    /// Whom the appointment is for.
    pub patient_name: String,
    /// Start.
    pub starts_at: DateTime<Utc>,
    /// End.
    pub ends_at: DateTime<Utc>,
    /// In order of time.
    pub items: Vec<Item>,
    /// The short code that is asked for on the telephone.
    pub code: String,
    /// Confirms attendance with one click; https.
    pub confirm_url: Option<String>,
    /// Cancels or moves the appointment; https.
    pub cancel_url: Option<String>,
    /// Whether the centre has still to approve it.
    pub awaits_approval: bool,
}

/// What a mail about somebody's account needs.
#[derive(Clone)]
pub struct AccountMail {
    /// Who writes.
    pub centre: Centre,
    /// Whose account.
    pub name: String,
    /// The name at login.
    pub email: String,
    /// Where the password is set: acts for whoever reads it.
    pub link: String,
    /// Until when the link holds.
    pub until: DateTime<Utc>,
    /// On whose clock that is told.
    pub time_zone: Tz,
}

impl std::fmt::Debug for AccountMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountMail").field("until", &self.until).finish_non_exhaustive()
    }
}

/// A mail to be written.
#[derive(Debug, Clone)]
pub enum MailContext {
    /// To the patient, minutes after booking.
    AppointmentConfirmation(AppointmentMail),
    /// To the centre, for each booking.
    CentreCopy {
        /// The appointment; its links are not shown to the centre.
        appointment: AppointmentMail,
        /// How it was booked.
        channel: Channel,
        /// The patient's telephone.
        patient_phone: Option<String>,
        /// The patient's address.
        patient_email: Option<String>,
    },
    /// To the patient, on the morning of the day.
    AppointmentReminder(AppointmentMail),
    /// To the patient, after a move.
    AppointmentRescheduled {
        /// The appointment as it is now.
        appointment: AppointmentMail,
        /// When it was before; none: it begins when it did, and something else is another.
        previous_starts_at: Option<DateTime<Utc>>,
    },
    /// To the patient, after a cancellation.
    AppointmentCancelled {
        /// The appointment as it was.
        appointment: AppointmentMail,
        /// In the centre's words; may have several lines.
        reason: Option<String>,
        /// It was asked for and not approved: it had never been booked.
        refused: bool,
    },
    /// To somebody who is to become a user.
    Invite(AccountMail),
    /// To a user who forgot the password.
    PasswordReset(AccountMail),
}

/// What a mail is about.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// An appointment.
    Appointment(&'a AppointmentMail),
    /// Somebody's account.
    Account(&'a AccountMail),
}

/// The kinds of mail that can be written so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// `APPOINTMENT_CONFIRMATION`
    AppointmentConfirmation,
    /// `CENTRE_COPY`
    CentreCopy,
    /// `APPOINTMENT_REMINDER`
    AppointmentReminder,
    /// `APPOINTMENT_RESCHEDULED`
    AppointmentRescheduled,
    /// `APPOINTMENT_CANCELLED`
    AppointmentCancelled,
    /// `INVITE`
    Invite,
    /// `PASSWORD_RESET`
    PasswordReset,
}

impl MailKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::AppointmentConfirmation,
        Self::CentreCopy,
        Self::AppointmentReminder,
        Self::AppointmentRescheduled,
        Self::AppointmentCancelled,
        Self::Invite,
        Self::PasswordReset,
    ];

    /// The name that jobs and the API use. Rows outlive deployments: never rename.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AppointmentConfirmation => "APPOINTMENT_CONFIRMATION",
            Self::CentreCopy => "CENTRE_COPY",
            Self::AppointmentReminder => "APPOINTMENT_REMINDER",
            Self::AppointmentRescheduled => "APPOINTMENT_RESCHEDULED",
            Self::AppointmentCancelled => "APPOINTMENT_CANCELLED",
            Self::Invite => "INVITE",
            Self::PasswordReset => "PASSWORD_RESET",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl MailContext {
    /// Which kind it is.
    pub const fn kind(&self) -> MailKind {
        match self {
            Self::AppointmentConfirmation(_) => MailKind::AppointmentConfirmation,
            Self::CentreCopy { .. } => MailKind::CentreCopy,
            Self::AppointmentReminder(_) => MailKind::AppointmentReminder,
            Self::AppointmentRescheduled { .. } => MailKind::AppointmentRescheduled,
            Self::AppointmentCancelled { .. } => MailKind::AppointmentCancelled,
            Self::Invite(_) => MailKind::Invite,
            Self::PasswordReset(_) => MailKind::PasswordReset,
        }
    }

    /// What it is about.
    pub const fn subject(&self) -> Subject<'_> {
        match self {
            Self::AppointmentConfirmation(appointment)
            | Self::AppointmentReminder(appointment)
            | Self::CentreCopy { appointment, .. }
            | Self::AppointmentRescheduled { appointment, .. }
            | Self::AppointmentCancelled { appointment, .. } => Subject::Appointment(appointment),
            Self::Invite(account) | Self::PasswordReset(account) => Subject::Account(account),
        }
    }

    /// An invented mail of this kind, for previews and tests.
    pub fn sample(kind: MailKind, locale: Locale) -> Self {
        let appointment = AppointmentMail::sample(locale);
        match kind {
            MailKind::AppointmentConfirmation => Self::AppointmentConfirmation(appointment),
            MailKind::AppointmentReminder => Self::AppointmentReminder(appointment),
            MailKind::CentreCopy => Self::CentreCopy {
                appointment,
                channel: Channel::Online,
                patient_phone: Some("+56 9 8765 4321".to_owned()),
                patient_email: Some("maria.fernanda@example.com".to_owned()),
            },
            MailKind::AppointmentRescheduled => Self::AppointmentRescheduled {
                previous_starts_at: Some(appointment.starts_at - TimeDelta::days(2)),
                appointment,
            },
            MailKind::Invite => Self::Invite(AccountMail::sample()),
            MailKind::PasswordReset => Self::PasswordReset(AccountMail::sample()),
            MailKind::AppointmentCancelled => Self::AppointmentCancelled {
                appointment,
                reason: Some(
                    match locale {
                        Locale::Es => "La profesional no podrá atender ese día.",
                        Locale::En => "The professional is not available on that day.",
                    }
                    .to_owned(),
                ),
                refused: false,
            },
        }
    }
}

impl AccountMail {
    /// An invented account, for previews and tests.
    pub fn sample() -> Self {
        Self {
            centre: Centre {
                name: "Centro Ñuñoa Salud & Estética".to_owned(),
                logo_url: None,
                phone: None,
                email: None,
            },
            name: "María Fernanda Muñoz".to_owned(),
            email: "maria.fernanda@example.com".to_owned(),
            link: "https://citas.example/u/ul7.3fA9?lang=x&y=z".to_owned(),
            // 2026-07-15, 08:30 in Santiago.
            until: DateTime::UNIX_EPOCH + TimeDelta::seconds(1_784_118_600),
            time_zone: Tz::America__Santiago,
        }
    }
}

impl AppointmentMail {
    /// An invented appointment, for previews and tests.
    pub fn sample(locale: Locale) -> Self {
        let pick = |es: &str, en: &str| match locale {
            Locale::Es => es.to_owned(),
            Locale::En => en.to_owned(),
        };
        // 2026-07-15, 08:30 in Santiago.
        let starts_at = DateTime::UNIX_EPOCH + TimeDelta::seconds(1_784_118_600);
        Self {
            centre: Centre {
                name: "Centro Ñuñoa Salud & Estética".to_owned(),
                logo_url: None,
                phone: Some("+56 2 2345 6789".to_owned()),
                email: Some("hola@centro.example".to_owned()),
            },
            branch: Branch {
                name: pick("Sucursal Providencia", "Providencia branch"),
                address_lines: vec!["Av. Providencia 1234, of. 56".to_owned(), "Providencia, Santiago".to_owned()],
                phone: None,
                time_zone: Tz::America__Santiago,
            },
            patient_name: "María Fernanda Muñoz".to_owned(),
            starts_at,
            ends_at: starts_at + TimeDelta::minutes(45),
            items: vec![
                Item {
                    treatment: pick("Limpieza facial profunda", "Deep facial cleansing"),
                    professional: Some("Catalina Rojas".to_owned()),
                    room: Some("Box 3".to_owned()),
                },
                Item {
                    treatment: pick("Evaluación dermatológica", "Skin assessment"),
                    professional: Some("Dr. Andrés Peña".to_owned()),
                    room: None,
                },
            ],
            code: "H7K-29Q".to_owned(),
            confirm_url: Some("https://citas.example/c/3fA9?action=confirm&lang=x".to_owned()),
            cancel_url: Some("https://citas.example/c/3fA9?action=change&lang=x".to_owned()),
            awaits_approval: false,
        }
    }
}
