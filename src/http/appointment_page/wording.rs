//! What the page says, in both languages. Spanish says "usted", like the mails.

use serde::Serialize;

use crate::{
    domain::{
        booking::link_view::{Purpose, Standing},
        time::prose::Locale,
    },
    http::form_page::wording::{Headline, say},
};

/// Labels that do not depend on how the link stands.
#[derive(Debug, Serialize)]
pub(super) struct Words {
    pub(super) when: &'static str,
    pub(super) what: &'static str,
    pub(super) with: &'static str,
    pub(super) place: &'static str,
    pub(super) code: &'static str,
    pub(super) reason: &'static str,
    pub(super) reason_note: &'static str,
    pub(super) contact: &'static str,
}

pub(super) const fn words(locale: Locale) -> &'static Words {
    match locale {
        Locale::Es => &Words {
            when: "Fecha y hora",
            what: "Atención",
            with: "con",
            place: "Lugar",
            code: "Código de reserva",
            reason: "Motivo (opcional)",
            reason_note: "Lo leerá el equipo del centro.",
            contact: "¿Necesita otra hora o tiene dudas? Comuníquese con el centro:",
        },
        Locale::En => &Words {
            when: "Date and time",
            what: "Treatment",
            with: "with",
            place: "Place",
            code: "Booking code",
            reason: "Reason (optional)",
            reason_note: "The centre’s team will read it.",
            contact: "Do you need another time, or have a question? Contact the centre:",
        },
    }
}

pub(super) const fn button(purpose: Purpose, locale: Locale) -> &'static str {
    match (purpose, locale) {
        (Purpose::Confirm, Locale::Es) => "Confirmar asistencia",
        (Purpose::Confirm, Locale::En) => "Confirm attendance",
        (Purpose::Cancel, Locale::Es) => "Cancelar la cita",
        (Purpose::Cancel, Locale::En) => "Cancel the appointment",
    }
}

pub(super) const fn reason_too_long(locale: Locale) -> &'static str {
    match locale {
        Locale::Es => "El motivo es demasiado largo. Su cita no ha cambiado: acórtelo e inténtelo de nuevo.",
        Locale::En => "The reason is too long. Your appointment has not changed: shorten it and try again.",
    }
}

pub(super) const fn done(purpose: Purpose, locale: Locale) -> Headline {
    match (purpose, locale) {
        (Purpose::Confirm, Locale::Es) => say("good", "Su cita está confirmada", "Gracias por avisar. Le esperamos."),
        (Purpose::Confirm, Locale::En) => {
            say("good", "Your appointment is confirmed", "Thank you for telling us. See you there.")
        }
        (Purpose::Cancel, Locale::Es) => {
            say("good", "Su cita está cancelada", "Gracias por avisar: así otra persona podrá usar esa hora.")
        }
        (Purpose::Cancel, Locale::En) => say(
            "good",
            "Your appointment is cancelled",
            "Thank you for telling us: somebody else can use that time now.",
        ),
    }
}

pub(super) const fn standing(purpose: Purpose, standing: Standing, phone: bool, locale: Locale) -> Headline {
    match locale {
        Locale::Es => standing_es(purpose, standing, phone),
        Locale::En => standing_en(purpose, standing, phone),
    }
}

const fn standing_es(purpose: Purpose, standing: Standing, phone: bool) -> Headline {
    match standing {
        Standing::Open => match purpose {
            Purpose::Confirm => say("", "¿Confirma su asistencia?", "Revise los datos y confirme con el botón."),
            Purpose::Cancel => say(
                "bad",
                "¿Desea cancelar su cita?",
                "La hora quedará libre para otra persona. Esto no se puede deshacer.",
            ),
        },
        Standing::Confirmed => {
            say("good", "Su cita ya está confirmada", "No hace falta que haga nada más. Le esperamos.")
        }
        Standing::Cancelled => say("warn", "Su cita ya está cancelada", "No hace falta que haga nada más."),
        Standing::Used => {
            say("warn", "Este enlace ya se usó", "Su cita cambió después. Use el enlace del correo más reciente.")
        }
        Standing::Expired => {
            say("warn", "Este enlace ha vencido", "El plazo para usarlo terminó. Su cita no ha cambiado por abrirlo.")
        }
        Standing::TooLate => {
            let message = if phone {
                "Falta muy poco para su cita, que sigue en pie. Si no puede asistir, llame al centro por teléfono."
            } else {
                "Falta muy poco para su cita, que sigue en pie. Si no puede asistir, comuníquese con el centro."
            };
            say("warn", "Ya no se puede cancelar por este enlace", message)
        }
        Standing::Closed => say("warn", "Este enlace no se puede usar ahora", "Su cita no ha cambiado."),
        Standing::Maintenance => say(
            "warn",
            "Inténtelo de nuevo en unos minutos",
            "El sistema del centro está en mantenimiento. Su cita no ha cambiado.",
        ),
    }
}

const fn standing_en(purpose: Purpose, standing: Standing, phone: bool) -> Headline {
    match standing {
        Standing::Open => match purpose {
            Purpose::Confirm => say("", "Will you attend?", "Check the details and confirm with the button."),
            Purpose::Cancel => say(
                "bad",
                "Cancel your appointment?",
                "The time will be free for somebody else. This cannot be undone.",
            ),
        },
        Standing::Confirmed => {
            say("good", "Your appointment is already confirmed", "There is nothing else to do. See you there.")
        }
        Standing::Cancelled => say("warn", "Your appointment is already cancelled", "There is nothing else to do."),
        Standing::Used => say(
            "warn",
            "This link has been used",
            "Your appointment changed afterwards. Use the link of the newest mail.",
        ),
        Standing::Expired => {
            say("warn", "This link has expired", "The time for using it is over. Opening it has changed nothing.")
        }
        Standing::TooLate => {
            let message = if phone {
                "Your appointment is very soon and still stands. If you cannot come, please call the centre."
            } else {
                "Your appointment is very soon and still stands. If you cannot come, please contact the centre."
            };
            say("warn", "It is too late to cancel by this link", message)
        }
        Standing::Closed => say("warn", "This link cannot be used now", "Your appointment has not changed."),
        Standing::Maintenance => say(
            "warn",
            "Please try again in a few minutes",
            "The centre’s system is under maintenance. Your appointment has not changed.",
        ),
    }
}
