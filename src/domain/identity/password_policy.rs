//! Which passwords are good enough: judged by how many guesses a cracker needs, not by which characters are in it.

use zxcvbn::{Score, feedback::Warning, matching::patterns::MatchPattern};

use crate::domain::{
    centre::list::plain,
    refusal::{Failure, Refusal},
    time::prose::Locale,
};

/// Shortest password, in characters.
pub const MIN_CHARS: usize = 8;
/// Longest password, in characters; hashing and judging longer ones would only cost time.
pub const MAX_CHARS: usize = 128;
/// About 10⁸ guesses: safe against everybody who has to ask us, and slow for who has stolen the hashes.
const GOOD_ENOUGH: Score = Score::Three;

/// What a guesser of these centres' passwords tries early and the estimator's English lists lack.
const COMMON: &[&str] = &[
    "horae",
    "contraseña",
    "contrasena",
    "clave",
    "secreto",
    "secreta",
    "usuario",
    "hola",
    "bienvenido",
    "bienvenida",
    "clinica",
    "centro",
    "salud",
    "dental",
    "belleza",
    "estetica",
    "spa",
    "agenda",
    "recepcion",
    "cita",
    "paciente",
    "chile",
    "santiago",
    "madrid",
    "mexico",
    "lima",
    "bogota",
    "colocolo",
    "amor",
    "familia",
    "teamo",
    "tequiero",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "lunes",
    "martes",
    "miercoles",
    "jueves",
    "viernes",
    "sabado",
    "domingo",
    "verano",
    "invierno",
];

/// Whose password it will be: words that a guesser tries first.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    /// The user's name.
    pub name: String,
    /// The user's mail address.
    pub email: String,
    /// The centre's name and short name.
    pub centre: String,
}

impl Owner {
    /// Its words, as they are written and without marks.
    fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        for text in [&self.name, &self.email, &self.centre] {
            let small = text.to_lowercase();
            for form in [plain(text), small] {
                words.extend(
                    form.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 2).map(str::to_owned),
                );
                words.push(form.split_whitespace().collect());
            }
        }
        words.sort();
        words.dedup();
        words
    }
}

/// Refuses, at `field` and in the centre's language, a password that is too short, too long or easily guessed.
///
/// # Errors
/// The refusal; a fault when the thread pool is shutting down.
pub async fn check(password: &str, owner: Owner, locale: &str, field: &'static str) -> Result<(), Failure> {
    let locale = Locale::from_language_tag(locale).unwrap_or(Locale::Es);
    let length = password.chars().count();
    if !(MIN_CHARS..=MAX_CHARS).contains(&length) {
        let message = match locale {
            Locale::Es => format!("La contraseña debe tener entre {MIN_CHARS} y {MAX_CHARS} caracteres."),
            Locale::En => format!("The password must have {MIN_CHARS} to {MAX_CHARS} characters."),
        };
        return Err(Refusal::invalid(field, message).into());
    }
    let password = password.to_owned();
    // Judging takes milliseconds of work.
    let weakness = tokio::task::spawn_blocking(move || weakness(&password, &owner, locale))
        .await
        .map_err(|error| Failure::fault(format!("a password could not be judged: {error}")))?;
    weakness.map_or(Ok(()), |why| Err(Refusal::invalid(field, why).into()))
}

/// Why the password is not good enough, in words for people that do not repeat it; none: it is.
fn weakness(password: &str, owner: &Owner, locale: Locale) -> Option<String> {
    let words = owner.words();
    let inputs: Vec<&str> = words.iter().map(String::as_str).chain(COMMON.iter().copied()).collect();
    let judged = zxcvbn::zxcvbn(password, &inputs);
    let personal: Vec<_> = judged
        .sequence()
        .iter()
        .filter(|part| match &part.pattern {
            MatchPattern::Dictionary(found) => words.contains(&found.matched_word),
            _ => false,
        })
        .map(zxcvbn::Match::range_inclusive)
        .collect();
    // Personal words count for nothing, however many there are: what is left of the password must be good alone.
    let rest: String = password
        .chars()
        .enumerate()
        .filter(|(at, _)| !personal.iter().any(|range| range.contains(at)))
        .map(|(_, letter)| letter)
        .collect();
    let good = |judged: &zxcvbn::Entropy| judged.score() >= GOOD_ENOUGH;
    if good(&judged) && (personal.is_empty() || good(&zxcvbn::zxcvbn(&rest, &inputs))) {
        return None;
    }
    let warning = judged.feedback().and_then(zxcvbn::feedback::Feedback::warning);
    let why = if !personal.is_empty() {
        Some(personal_words(locale))
    } else {
        warning.map(|warning| reason(warning, locale))
    };
    let (head, advice) = match locale {
        Locale::Es => (
            "Esta contraseña se adivina con facilidad",
            "Use una más larga: por ejemplo, varias palabras que no tengan relación entre sí.",
        ),
        Locale::En => (
            "This password is easily guessed",
            "Use a longer one: for example several words that have nothing in common.",
        ),
    };
    Some(match why {
        Some(why) => format!("{head}: {why}. {advice}"),
        None => format!("{head}. {advice}"),
    })
}

fn personal_words(locale: Locale) -> &'static str {
    match locale {
        Locale::Es => "contiene su nombre, su correo o el nombre del centro",
        Locale::En => "it holds your name, your mail address or the centre's name",
    }
}

fn reason(warning: Warning, locale: Locale) -> &'static str {
    use Warning as W;
    let (es, en) = match warning {
        W::StraightRowsOfKeysAreEasyToGuess | W::ShortKeyboardPatternsAreEasyToGuess => {
            ("son teclas vecinas del teclado", "its keys lie side by side")
        }
        W::RepeatsLikeAaaAreEasyToGuess | W::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess => {
            ("repite lo mismo", "it repeats itself")
        }
        W::ThisIsATop10Password | W::ThisIsATop100Password | W::ThisIsACommonPassword => {
            ("es de las más usadas", "it is one of the most used")
        }
        W::ThisIsSimilarToACommonlyUsedPassword => {
            ("se parece a una de las más usadas", "it resembles one of the most used")
        }
        W::SequencesLikeAbcAreEasyToGuess => ("es una secuencia", "it is a sequence"),
        W::RecentYearsAreEasyToGuess | W::DatesAreOftenEasyToGuess => {
            ("contiene una fecha o un año", "it holds a date or a year")
        }
        W::AWordByItselfIsEasyToGuess => ("es una sola palabra", "it is a single word"),
        W::NamesAndSurnamesByThemselvesAreEasyToGuess | W::CommonNamesAndSurnamesAreEasyToGuess => {
            ("es un nombre o un apellido", "it is a name")
        }
    };
    match locale {
        Locale::Es => es,
        Locale::En => en,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner {
            name: "Sebastián Ñuñoa".to_owned(),
            email: "snunoa@clinica-aurora.example".to_owned(),
            centre: "Clínica Aurora aurora-sur".to_owned(),
        }
    }

    #[test]
    fn guessable_passwords_are_refused_with_the_reason_and_without_the_password() {
        for (password, es, en) in [
            ("qwertyuiop", "más usadas", "most used"),
            ("aaaaaaaaaaaa", "repite", "repeats"),
            ("abcdefgh", "", "easily guessed"),
            ("sebastian1", "su nombre", "your name"),
            ("Ñuñoa2026", "su nombre", "your name"),
            ("Clinica.Aurora", "su nombre", "your name"),
            ("aurora-sur", "nombre del centro", "centre's name"),
            ("P@ssw0rd1", "", "easily guessed"),
            ("contraseña1", "", "easily guessed"),
            ("Verano2026", "", "easily guessed"),
        ] {
            for (locale, part) in [(Locale::Es, es), (Locale::En, en)] {
                let why = weakness(password, &owner(), locale).unwrap_or_default();
                assert!(!why.is_empty() && why.contains(part), "{password} {locale:?}: {why}");
                assert!(!why.contains(password), "{why}");
            }
        }
    }

    #[test]
    fn long_unrelated_words_and_random_characters_are_good() {
        for password in
            ["cuchara violeta tormenta fax", "k9#Vq!x2Lw", "tresmanzanasbajolamesa9", "日本語のながいあいことば"]
        {
            assert_eq!(weakness(password, &owner(), Locale::Es), None, "{password}");
        }
    }

    #[tokio::test]
    async fn too_short_and_too_long_is_told_by_characters() {
        for (password, fits) in
            [("ñ".repeat(7), false), ("k9#Vq!x2Lwñ".repeat(11) + "1234567", true), ("x".repeat(129), false)]
        {
            let told = check(&password, owner(), "en-GB", "newPassword").await;
            assert_eq!(told.is_ok(), fits, "{}", password.chars().count());
            if let Err(Failure::Refused(refusals)) = told {
                assert!(refusals.iter().all(|refusal| refusal.message.contains("8 to 128")), "{refusals:?}");
            }
        }
    }
}
