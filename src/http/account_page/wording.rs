//! What the page says, in both languages. Spanish says "usted", like the mails.

use serde::Serialize;

use crate::{
    domain::{
        identity::account_link::{Purpose, Standing},
        time::prose::Locale,
    },
    http::form_page::wording::{Headline, say},
};

/// Labels that do not depend on how the link stands.
#[derive(Debug, Serialize)]
pub(super) struct Words {
    pub(super) login_name: &'static str,
    pub(super) name: &'static str,
    pub(super) password: &'static str,
    pub(super) again: &'static str,
    pub(super) advice: &'static str,
}

pub(super) const fn words(locale: Locale) -> &'static Words {
    match locale {
        Locale::Es => &Words {
            login_name: "Su usuario",
            name: "Su nombre",
            password: "Contraseña nueva",
            again: "La misma contraseña otra vez",
            advice: "De 8 a 128 caracteres. Varias palabras sin relación entre sí son fáciles de recordar y difíciles de adivinar.",
        },
        Locale::En => &Words {
            login_name: "Your login",
            name: "Your name",
            password: "New password",
            again: "The same password again",
            advice: "8 to 128 characters. Several words that have nothing in common are easy to remember and hard to guess.",
        },
    }
}

pub(super) const fn button(purpose: Purpose, locale: Locale) -> &'static str {
    match (purpose, locale) {
        (Purpose::Invite, Locale::Es) => "Crear mi contraseña",
        (Purpose::Invite, Locale::En) => "Set my password",
        (Purpose::PasswordReset, Locale::Es) => "Guardar la contraseña",
        (Purpose::PasswordReset, Locale::En) => "Save the password",
    }
}

pub(super) const fn different(locale: Locale) -> &'static str {
    match locale {
        Locale::Es => "Las dos contraseñas no son iguales. Escríbalas de nuevo.",
        Locale::En => "The two passwords are not the same. Type them again.",
    }
}

pub(super) const fn bad_name(locale: Locale) -> &'static str {
    match locale {
        Locale::Es => "El nombre debe tener entre 1 y 200 caracteres. Corríjalo y escriba la contraseña de nuevo.",
        Locale::En => "The name must have 1 to 200 characters. Correct it and type the password again.",
    }
}

pub(super) const fn done(purpose: Purpose, locale: Locale) -> Headline {
    match (purpose, locale) {
        (Purpose::Invite, Locale::Es) => {
            say("good", "Su cuenta está activa", "Ya puede entrar con su correo y su contraseña.")
        }
        (Purpose::Invite, Locale::En) => {
            say("good", "Your account is active", "You can log in with your mail address and your password now.")
        }
        (Purpose::PasswordReset, Locale::Es) => say(
            "good",
            "Su contraseña está guardada",
            "Sus sesiones se cerraron: entre otra vez con la contraseña nueva.",
        ),
        (Purpose::PasswordReset, Locale::En) => {
            say("good", "Your password is saved", "Your sessions were ended: log in again with the new password.")
        }
    }
}

pub(super) const fn standing(purpose: Purpose, standing: Standing, locale: Locale) -> Headline {
    match (standing, locale) {
        (Standing::Open, _) => open(purpose, locale),
        (Standing::Used, Locale::Es) => {
            say("warn", "Este enlace ya se usó", "Entre con su contraseña. Si la olvidó, pida un enlace nuevo.")
        }
        (Standing::Used, Locale::En) => {
            say("warn", "This link has been used", "Log in with your password. If you forgot it, ask for a new link.")
        }
        (Standing::Expired, Locale::Es) => {
            say("warn", "Este enlace ha vencido", "Pida uno nuevo. Nada ha cambiado por abrirlo.")
        }
        (Standing::Expired, Locale::En) => {
            say("warn", "This link has expired", "Ask for a new one. Opening it has changed nothing.")
        }
        (Standing::Withdrawn, Locale::Es) => {
            say("warn", "Este enlace ya no vale", "Use el del correo más reciente, o pida uno nuevo.")
        }
        (Standing::Withdrawn, Locale::En) => {
            say("warn", "This link is not valid any more", "Use the one of the newest mail, or ask for a new one.")
        }
        (Standing::Maintenance, Locale::Es) => say(
            "warn",
            "Inténtelo de nuevo en unos minutos",
            "El sistema del centro está en mantenimiento. Su contraseña no ha cambiado.",
        ),
        (Standing::Maintenance, Locale::En) => say(
            "warn",
            "Please try again in a few minutes",
            "The centre’s system is under maintenance. Your password has not changed.",
        ),
    }
}

const fn open(purpose: Purpose, locale: Locale) -> Headline {
    match (purpose, locale) {
        (Purpose::Invite, Locale::Es) => {
            say("", "Cree su contraseña", "Con ella y su correo podrá entrar al sistema del centro.")
        }
        (Purpose::Invite, Locale::En) => {
            say("", "Set your password", "With it and your mail address you can log in to the centre’s system.")
        }
        (Purpose::PasswordReset, Locale::Es) => {
            say("", "Elija otra contraseña", "Al guardarla se cierran todas sus sesiones.")
        }
        (Purpose::PasswordReset, Locale::En) => say("", "Choose another password", "Saving it ends all your sessions."),
    }
}
