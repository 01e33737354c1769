//! The words of an export, in the centre's language.

/// Spanish, unless the centre's locale is an English one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Spanish,
    English,
}

impl Language {
    pub(super) fn of(locale: &str) -> Self {
        if locale == "en" || locale.starts_with("en-") { Self::English } else { Self::Spanish }
    }

    /// One of both.
    pub(super) fn says(self, spanish: &'static str, english: &'static str) -> &'static str {
        match self {
            Self::Spanish => spanish,
            Self::English => english,
        }
    }

    /// How a date is written.
    pub(super) fn date(self) -> &'static str {
        self.says("%d/%m/%Y", "%Y-%m-%d")
    }

    /// How a moment is written, by a branch's clock.
    pub(super) fn moment(self) -> &'static str {
        self.says("%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M")
    }

    /// A word of the API as people say it; words that are none stay.
    pub(super) fn word(self, word: &str) -> &str {
        let spanish = match word {
            "FEMALE" => "Femenino",
            "MALE" => "Masculino",
            "OTHER" => "Otro",
            "UNKNOWN" => "Sin información",
            "ACTIVE" => "Activo",
            "INACTIVE" => "Inactivo",
            "DECEASED" => "Fallecido",
            "HELD" => "Reservado por unos minutos",
            "PENDING_APPROVAL" => "Por aprobar",
            "BOOKED" => "No confirmado",
            "CONFIRMED" => "Confirmado",
            "ARRIVED" => "Llegó",
            "READY" => "Listo para ser atendido",
            "IN_PROGRESS" => "En atención",
            "COMPLETED" => "Atendido",
            "NO_SHOW" => "No llegó",
            "CANCELLED" => "Suspendido",
            "EXPIRED" => "Vencido",
            "REJECTED" => "Rechazado",
            "DRAFT" => "Borrador",
            "SIGNED" => "Firmado",
            "AMENDED" => "Enmendado",
            "VOIDED" => "Anulado",
            "true" => "Sí",
            "false" => "No",
            other => other,
        };
        match (self, word) {
            (Self::Spanish, _) => spanish,
            (Self::English, "true") => "Yes",
            (Self::English, "false") => "No",
            (Self::English, _) => word,
        }
    }
}
