//! What a column's name suggests that it is, in Spanish and English.

use super::mapping::Target;

/// Names, folded, and what they are. Written as centres write them; a name of more words than these is looked up again
/// without its small words.
fn known(folded: &str) -> Option<Target> {
    Some(match folded {
        "ficha" | "n ficha" | "no ficha" | "nro ficha" | "num ficha" | "numero ficha" | "numero de ficha"
        | "historia" | "n historia" | "historia clinica" | "expediente" | "file number" | "file no" | "record"
        | "record number" | "filenumber" | "codigo" | "codigo paciente" => Target::FileNumber,
        "nombre" | "nombres" | "nombre paciente" | "primer nombre" | "given name" | "given names" | "givennames"
        | "first name" | "first names" | "name" => Target::GivenNames,
        "apellido paterno" | "paterno" | "ap paterno" | "primer apellido" | "apellido 1" | "paternal surname"
        | "paternalsurname" | "first surname" => Target::PaternalSurname,
        "apellido materno" | "materno" | "ap materno" | "segundo apellido" | "apellido 2" | "maternal surname"
        | "maternalsurname" | "second surname" => Target::MaternalSurname,
        "apellido" | "apellidos" | "surname" | "surnames" | "last name" | "last names" => Target::Surnames,
        "tipo documento" | "tipo doc" | "tipo identificacion" | "tipo id" | "document kind" | "document type" => {
            Target::DocumentKind
        }
        "rut"
        | "run"
        | "dni"
        | "nie"
        | "cedula"
        | "cedula identidad"
        | "ci"
        | "cc"
        | "curp"
        | "rfc"
        | "documento"
        | "n documento"
        | "no documento"
        | "nro documento"
        | "numero documento"
        | "numero identificacion"
        | "identificacion"
        | "rut paciente"
        | "pasaporte"
        | "document"
        | "document number"
        | "id number"
        | "passport" => Target::DocumentNumber,
        "pais documento" | "pais emisor" | "document country" | "nacionalidad documento" => Target::DocumentCountry,
        "extranjero" | "es extranjero" | "extranjera" | "foreign" | "is foreign" | "isforeign" | "foreigner" => {
            Target::IsForeign
        }
        "correo" | "correo electronico" | "email" | "e mail" | "mail" | "email paciente" => Target::Email,
        "telefono" | "telefonos" | "telefono 1" | "telefono 2" | "telefono fijo" | "telefono movil" | "fono"
        | "fono 1" | "fono 2" | "celular" | "movil" | "tel" | "tel 1" | "tel 2" | "whatsapp" | "phone" | "phones"
        | "phone 1" | "phone 2" | "mobile" | "cell phone" => Target::Phones,
        "sexo" | "genero" | "sex" | "gender" => Target::Sex,
        "fecha nacimiento" | "fecha nac" | "f nacimiento" | "f nac" | "nacimiento" | "cumpleanos" | "birth date"
        | "birthdate" | "date birth" | "birthday" | "dob" => Target::BirthDate,
        "categoria" | "tipo paciente" | "category" => Target::Category,
        "referencia" | "referido" | "referido por" | "como nos conocio" | "procedencia" | "origen" | "referral"
        | "referral source" | "source" => Target::ReferralSource,
        "comentario" | "comentarios" | "comentario 1" | "comentario 2" | "observacion" | "observaciones" | "nota"
        | "notas" | "comment" | "comments" | "notes" => Target::Comments,
        "acepta correos"
        | "acepta publicidad"
        | "consentimiento"
        | "consentimiento marketing"
        | "acepta marketing"
        | "marketing"
        | "marketing consent"
        | "newsletter" => Target::MarketingConsent,
        _ => return None,
    })
}

/// Words that say nothing by themselves.
const SMALL: [&str; 9] = ["de", "del", "la", "el", "los", "of", "the", "s", "paciente"];

/// What the columns look like, in their order.
pub(super) fn suggest(header: &[String], custom: &[(String, String)]) -> Vec<Option<Target>> {
    header.iter().map(|name| one(name, custom)).collect()
}

fn one(name: &str, custom: &[(String, String)]) -> Option<Target> {
    let folded = fold(name);
    let by_label = || {
        let found = custom.iter().find(|(key, label)| fold(key) == folded || fold(label) == folded);
        found.map(|(key, _)| Target::Custom(key.clone()))
    };
    let shorter = || {
        let words: Vec<&str> = folded.split(' ').filter(|word| !SMALL.contains(word)).collect();
        known(&words.join(" "))
    };
    // The words of a mapping itself are as good.
    let by_word = || Target::NAMED.into_iter().find(|target| fold(&target.word()) == folded);
    known(&folded).or_else(by_label).or_else(by_word).or_else(shorter)
}

/// A text as it is compared: lower case, without accents, words with one blank between.
pub(super) fn fold(text: &str) -> String {
    let plain: String = text.chars().flat_map(char::to_lowercase).map(plain).collect();
    plain.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn plain(letter: char) -> char {
    match letter {
        'á' | 'à' | 'â' | 'ä' | 'ã' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ñ' => 'n',
        'ç' => 'c',
        // Before "de ficha" and the like these stand for "number"; alone they are no letters of a word.
        'º' | '°' | 'ª' => ' ',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_are_recognised_however_they_are_written() {
        for (name, word) in [
            ("NOMBRES", "givenNames"),
            ("Nombre del paciente", "givenNames"),
            ("Apellido  Paterno", "paternalSurname"),
            ("R.U.T.", ""),
            ("RUT", "document.number"),
            ("Nº de documento", "document.number"),
            ("N° Ficha", "fileNumber"),
            ("Correo electrónico", "email"),
            ("E-mail", "email"),
            ("Teléfono móvil", "phones"),
            ("Fecha de Nacimiento", "birthDate"),
            ("Género", "sex"),
            ("document.kind", "document.kind"),
            ("birthDate", "birthDate"),
            ("Alergias conocidas", "customFields.alergias"),
            ("Deuda", ""),
            ("", ""),
        ] {
            let custom = [("alergias".to_owned(), "Alergias conocidas".to_owned())];
            let found = one(name, &custom).map(|target| target.word()).unwrap_or_default();
            assert_eq!(found, word, "{name}");
        }
    }
}
