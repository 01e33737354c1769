//! What these pages say whatever their links are for, in both languages.

use crate::domain::time::prose::Locale;

/// What it is all about, in two sentences and a colour.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Headline {
    pub(in crate::http) tone: &'static str,
    pub(in crate::http) heading: &'static str,
    pub(in crate::http) message: &'static str,
}

pub(in crate::http) const fn say(tone: &'static str, heading: &'static str, message: &'static str) -> Headline {
    Headline { tone, heading, message }
}

pub(in crate::http) const fn unknown(locale: Locale) -> Headline {
    match locale {
        Locale::Es => {
            say("warn", "Este enlace no es válido", "Compruebe que abrió el enlace completo de su correo, sin cortes.")
        }
        Locale::En => say(
            "warn",
            "This link is not valid",
            "Check that you opened the whole link of your mail, and nothing was cut off.",
        ),
    }
}

pub(in crate::http) const fn foreign(locale: Locale) -> Headline {
    match locale {
        Locale::Es => say("warn", "No se hizo ningún cambio", "Abra el enlace desde su correo e inténtelo de nuevo."),
        Locale::En => say("warn", "Nothing was changed", "Open the link from your mail and try again."),
    }
}

pub(in crate::http) const fn broken(locale: Locale) -> Headline {
    match locale {
        Locale::Es => say("warn", "Algo falló de nuestro lado", "Abra el enlace otra vez en unos minutos."),
        Locale::En => say("warn", "Something failed on our side", "Open the link again in a few minutes."),
    }
}
