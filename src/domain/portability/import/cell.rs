//! What is in the cells of a row, by what their columns are. Words are taken as people write them; what could mean two
//! things is a problem of its column and never guessed.

use chrono::{NaiveDate, NaiveDateTime};
use serde::Serialize;
use serde_json::Value;

use super::{
    header::fold,
    mapping::{Column, DateOrder, Mapping, Target},
};
use crate::domain::{
    contact,
    fields::{FieldDefinition, FieldType},
    listed::listed,
};

/// How this file is to be read, as far as no single row shows it.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Of women and men "M" stands for women: the file also says "H", and never "F".
    pub m_is_female: bool,
    /// Fields that the centre has defined.
    pub fields: Vec<FieldDefinition>,
}

/// What is wrong with a cell. Says how to write it and never what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The column's name in the file; none: the whole row.
    pub column: Option<String>,
    /// In words for people.
    pub message: String,
}

/// A row of which every cell is what its column says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Typed {
    pub file_number: Option<String>,
    pub given_names: String,
    pub paternal_surname: Option<String>,
    pub maternal_surname: Option<String>,
    /// Kind, number, country.
    pub document: Option<(String, String, String)>,
    pub is_foreign: Option<bool>,
    pub email: Option<String>,
    pub phones: Vec<String>,
    pub sex: Option<&'static str>,
    pub birth_date: Option<NaiveDate>,
    /// By its name.
    pub category: Option<String>,
    pub referral_source: Option<String>,
    pub comments: Vec<String>,
    pub marketing_consent: Option<bool>,
    /// Values of the centre's fields by their keys.
    pub custom: Vec<(String, Value)>,
}

/// Reads a row.
///
/// # Errors
/// Everything that is wrong with it, column by column.
pub fn type_row(mapping: &Mapping, reading: &Reading, cells: &[String]) -> Result<Typed, Vec<Problem>> {
    let mut row = RowReader { mapping, reading, typed: Typed::default(), document: Document::default() };
    let mut problems = Vec::new();
    for column in &mapping.columns {
        let text = cells.get(column.at).map(String::as_str).unwrap_or_default();
        if text.is_empty() {
            continue;
        }
        if let Err(message) = row.take(column, text) {
            problems.push(Problem { column: Some(column.name.clone()), message });
        }
    }
    if let Err(message) = row.close() {
        let column = mapping.columns.iter().find(|column| column.target == Target::DocumentNumber);
        problems.push(Problem { column: column.map(|column| column.name.clone()), message });
    }
    if problems.is_empty() { Ok(row.typed) } else { Err(problems) }
}

#[derive(Default)]
struct Document {
    kind: Option<&'static str>,
    number: Option<String>,
    country: Option<String>,
}

struct RowReader<'a> {
    mapping: &'a Mapping,
    reading: &'a Reading,
    typed: Typed,
    document: Document,
}

impl RowReader<'_> {
    fn take(&mut self, column: &Column, text: &str) -> Result<(), String> {
        if !matches!(column.target, Target::Comments | Target::Phones | Target::Custom(_)) && is_formula(text) {
            return Err("this begins as a formula does; write the text itself".to_owned());
        }
        let own = || Some(text.to_owned());
        let typed = &mut self.typed;
        match &column.target {
            Target::FileNumber => typed.file_number = own(),
            Target::GivenNames => text.clone_into(&mut typed.given_names),
            Target::PaternalSurname => typed.paternal_surname = own(),
            Target::MaternalSurname => typed.maternal_surname = own(),
            Target::Surnames => (typed.paternal_surname, typed.maternal_surname) = surnames(text),
            Target::DocumentKind => self.document.kind = Some(document_kind(text).ok_or_else(which_documents)?),
            Target::DocumentNumber => {
                self.document.number = own();
                // A column called RUT holds RUTs, whatever the country.
                self.document.kind = self.document.kind.or_else(|| document_kind(&column.name));
            }
            Target::DocumentCountry => self.document.country = Some(country(text)?),
            Target::IsForeign => typed.is_foreign = Some(yes_or_no(text)?),
            Target::Email => {
                let email = contact::email(text).ok_or("write a mail address, like ana@example.com")?;
                typed.email = Some(email);
            }
            Target::Phones => typed.phones.extend(phones(text)),
            Target::Sex => typed.sex = Some(sex(text, self.reading.m_is_female)?),
            Target::BirthDate => typed.birth_date = Some(date(text, self.mapping.dates)?),
            Target::Category => typed.category = own(),
            Target::ReferralSource => typed.referral_source = own(),
            Target::Comments => typed.comments.push(text.to_owned()),
            Target::MarketingConsent => typed.marketing_consent = Some(yes_or_no(text)?),
            Target::Custom(key) => {
                let field = self.reading.fields.iter().find(|field| field.key == *key);
                let field = field.ok_or("this field is not defined any more")?;
                typed.custom.push((key.clone(), custom(field, text, self.mapping.dates)?));
            }
        }
        Ok(())
    }

    /// What takes several cells.
    fn close(&mut self) -> Result<(), String> {
        let Document { kind, number, country } = std::mem::take(&mut self.document);
        let Some(number) = number else { return Ok(()) };
        let country = country.unwrap_or_else(|| self.mapping.country.clone());
        let kind = kind.or_else(|| usual_kind(&country, &number)).ok_or_else(which_documents)?;
        self.typed.document = Some((kind.to_owned(), number, country));
        Ok(())
    }
}

/// What a spreadsheet would run when somebody opens it there. A number with its sign is none.
fn is_formula(text: &str) -> bool {
    let mut letters = text.chars();
    match letters.next() {
        Some('=' | '@' | '\t' | '\r') => true,
        Some('+' | '-') => !letters.all(|letter| letter.is_ascii_digit() || " .,-()/".contains(letter)),
        _ => false,
    }
}

/// Small words belong to the surname that follows them: `De la Fuente Soto` is `De la Fuente` and `Soto`.
fn surnames(text: &str) -> (Option<String>, Option<String>) {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_small = |word: &&&str| {
        matches!(
            fold(word).as_str(),
            "de" | "del" | "la" | "las" | "los" | "y" | "da" | "do" | "dos" | "van" | "von" | "der" | "san" | "santa"
        )
    };
    let small = words.iter().take_while(is_small).count();
    let first = (small + 1).min(words.len());
    let (paternal, maternal) = words.split_at(first);
    let join = |words: &[&str]| (!words.is_empty()).then(|| words.join(" "));
    (join(paternal), join(maternal))
}

fn document_kind(text: &str) -> Option<&'static str> {
    Some(match fold(text).as_str() {
        "rut" | "run" | "r u t" | "rut paciente" => "RUT",
        "dni" | "d n i" => "DNI",
        "nie" => "NIE",
        "cc" | "cedula ciudadania" | "cedula de ciudadania" => "CC",
        "curp" => "CURP",
        "rfc" => "RFC",
        "ci" | "cedula" | "cedula identidad" | "cedula de identidad" => "CI",
        "pasaporte" | "passport" => "PASSPORT",
        "otro" | "other" => "OTHER",
        _ => return None,
    })
}

fn which_documents() -> String {
    "say which document it is: RUT, DNI, NIE, CC, CI, CURP, RFC, PASSPORT or OTHER".to_owned()
}

/// What people of a country have. None: it could be any.
fn usual_kind(country: &str, number: &str) -> Option<&'static str> {
    Some(match country {
        "CL" => "RUT",
        "ES" if number.trim_start().starts_with(['X', 'Y', 'Z', 'x', 'y', 'z']) => "NIE",
        "AR" | "ES" | "PE" => "DNI",
        "CO" => "CC",
        "MX" => "CURP",
        "BO" | "EC" | "PY" | "UY" => "CI",
        _ => return None,
    })
}

fn country(text: &str) -> Result<String, String> {
    if let Some(code) = contact::country(&text.to_uppercase()) {
        return Ok(code);
    }
    let code = match fold(text).as_str() {
        "argentina" => "AR",
        "bolivia" => "BO",
        "brasil" | "brazil" => "BR",
        "chile" => "CL",
        "colombia" => "CO",
        "costa rica" => "CR",
        "cuba" => "CU",
        "ecuador" => "EC",
        "el salvador" => "SV",
        "espana" | "spain" => "ES",
        "estados unidos" | "usa" => "US",
        "guatemala" => "GT",
        "haiti" => "HT",
        "honduras" => "HN",
        "mexico" => "MX",
        "nicaragua" => "NI",
        "panama" => "PA",
        "paraguay" => "PY",
        "peru" => "PE",
        "puerto rico" => "PR",
        "republica dominicana" => "DO",
        "uruguay" => "UY",
        "venezuela" => "VE",
        _ => return Err("write a country code of two letters, like CL".to_owned()),
    };
    Ok(code.to_owned())
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match fold(text).as_str() {
        "si" | "s" | "yes" | "y" | "true" | "verdadero" | "1" | "x" => Ok(true),
        "no" | "n" | "false" | "falso" | "0" => Ok(false),
        _ => Err("write sí or no".to_owned()),
    }
}

/// Several numbers may stand in one cell.
fn phones(text: &str) -> impl Iterator<Item = String> {
    let numbers = text.split(['/', ';', ',', '|', '\n']).map(str::trim).filter(|number| !number.is_empty());
    numbers.map(str::to_owned)
}

fn sex(text: &str, m_is_female: bool) -> Result<&'static str, String> {
    match fold(text).as_str() {
        "m" => Ok(if m_is_female { "FEMALE" } else { "MALE" }),
        "f" | "femenino" | "mujer" | "female" => Ok("FEMALE"),
        "h" | "masculino" | "hombre" | "male" | "varon" => Ok("MALE"),
        "otro" | "otra" | "other" | "o" | "x" | "no binario" => Ok("OTHER"),
        "unknown" | "desconocido" | "no informa" | "sin informacion" | "n a" | "i" => Ok("UNKNOWN"),
        _ => Err("write F, M, otro, or nothing".to_owned()),
    }
}

fn date(text: &str, order: DateOrder) -> Result<NaiveDate, String> {
    // As spreadsheets keep it. With fewer digits "05-06-15" would be of the year 5.
    if begins_with_year(text) {
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return Ok(date);
        }
        if let Ok(at) = NaiveDateTime::parse_from_str(&text.replace(' ', "T"), "%Y-%m-%dT%H:%M:%S") {
            return Ok(at.date());
        }
    }
    let wrong = || match order {
        DateOrder::DayMonthYear => "write a date as 31/12/1985, with four digits for the year".to_owned(),
        DateOrder::MonthDayYear => "write a date as 12/31/1985, with four digits for the year".to_owned(),
    };
    let parts: Vec<&str> = text.split(['/', '-', '.']).map(str::trim).collect();
    let &[first, second, year] = parts.as_slice() else { return Err(wrong()) };
    let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
    let (day, month) = match order {
        DateOrder::DayMonthYear => (number(first)?, number(second)?),
        DateOrder::MonthDayYear => (number(second)?, number(first)?),
    };
    if year.len() != 4 {
        return Err(wrong());
    }
    let year = i32::try_from(number(year)?).map_err(|_| wrong())?;
    NaiveDate::from_ymd_opt(year, month, day).ok_or_else(wrong)
}

fn begins_with_year(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.get(..4).is_some_and(|year| year.iter().all(u8::is_ascii_digit)) && bytes.get(4) == Some(&b'-')
}

/// A value as the field's own check takes it.
fn custom(field: &FieldDefinition, text: &str, order: DateOrder) -> Result<Value, String> {
    let option = |text: &str| {
        let found = field.options.iter().find(|option| fold(option) == fold(text));
        found.cloned().ok_or_else(|| format!("choose one of: {}", listed(&field.options)))
    };
    Ok(match field.kind {
        FieldType::Text if is_formula(text) => {
            return Err("this begins as a formula does; write the text itself".to_owned());
        }
        FieldType::Text | FieldType::LongText | FieldType::DateTime => text.into(),
        FieldType::Integer => text.parse::<i64>().map_err(|_| "write a whole number".to_owned())?.into(),
        // The comma is the decimal sign where this is used; a point after thousands would be another number.
        FieldType::Decimal if text.contains('.') && text.contains(',') => {
            return Err("write a number without separators of thousands".to_owned());
        }
        FieldType::Decimal => text.replace(',', ".").into(),
        FieldType::Boolean => yes_or_no(text)?.into(),
        FieldType::Date => date(text, order)?.to_string().into(),
        FieldType::SingleChoice => option(text)?.into(),
        FieldType::MultiChoice => {
            let chosen: Result<Vec<String>, String> =
                text.split([';', '|']).map(str::trim).filter(|word| !word.is_empty()).map(option).collect();
            chosen?.into()
        }
        FieldType::File
        | FieldType::Photo
        | FieldType::BodyMap
        | FieldType::Signature
        | FieldType::Table
        | FieldType::Calculated
        | FieldType::Section => return Err("a field of this type cannot come out of a spreadsheet".to_owned()),
    })
}

/// Learns from all rows what no single one shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct SexWords {
    h: bool,
    f: bool,
}

impl SexWords {
    /// Looks at one more cell of the column.
    pub fn look(&mut self, text: &str) {
        match fold(text).as_str() {
            "h" => self.h = true,
            "f" => self.f = true,
            _ => {}
        }
    }

    /// Whether "M" stands for women: men are "H", and nobody is "F".
    #[must_use]
    pub fn m_is_female(self) -> bool {
        self.h && !self.f
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use super::*;
    use crate::domain::portability::import::mapping::MappingInput;

    fn read(names: &[&str], cells: &[&str], country: &str) -> Result<Typed, Vec<Problem>> {
        let header: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mapping = MappingInput::default().resolve(&header, &[], country).unwrap();
        let cells: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
        type_row(&mapping, &Reading::default(), &cells)
    }

    #[test]
    fn a_row_as_centres_write_it() {
        let typed = read(
            &["Nombres", "Apellidos", "RUT", "Fecha nacimiento", "Sexo", "Teléfono", "Observaciones", "Extranjero"],
            &[
                "Rosa",
                "De la Fuente Soto",
                "12.345.678-5",
                "31/12/1985",
                "F",
                "9 8765 4321 / +56 2 2345 6789",
                "=SUMA(A1)",
                "no",
            ],
            "CL",
        )
        .unwrap();
        assert_eq!(typed.paternal_surname.as_deref(), Some("De la Fuente"));
        assert_eq!(typed.maternal_surname.as_deref(), Some("Soto"));
        assert_eq!(typed.document, Some(("RUT".into(), "12.345.678-5".into(), "CL".into())));
        assert_eq!(typed.birth_date, NaiveDate::from_ymd_opt(1985, 12, 31));
        assert_eq!((typed.sex, typed.is_foreign, typed.phones.len()), (Some("FEMALE"), Some(false), 2));
        assert_eq!(typed.comments, ["=SUMA(A1)"], "a comment is a text, whatever it begins with");
    }

    #[test]
    fn everything_that_is_wrong_is_told_by_its_column() {
        let problems = read(
            &["Nombre", "Correo", "Fecha nacimiento", "Sexo", "Extranjero", "Documento"],
            &["=HYPERLINK(\"x\")", "ana.example.com", "31/12/85", "q", "quizás", "A123"],
            "DE",
        )
        .unwrap_err();
        let columns: Vec<&str> = problems.iter().filter_map(|problem| problem.column.as_deref()).collect();
        assert_eq!(columns, ["Nombre", "Correo", "Fecha nacimiento", "Sexo", "Extranjero", "Documento"]);
        assert!(problems.iter().all(|problem| !problem.message.contains("HYPERLINK")), "{problems:?}");
    }

    #[test]
    fn dates_are_read_in_one_order_and_never_guessed() {
        let day = NaiveDate::from_ymd_opt(1985, 3, 12).unwrap();
        for (text, order, expected) in [
            ("12/03/1985", DateOrder::DayMonthYear, Some(day)),
            ("3-12-1985", DateOrder::MonthDayYear, Some(day)),
            ("1985-03-12", DateOrder::MonthDayYear, Some(day)),
            ("1985-03-12 00:00:00", DateOrder::DayMonthYear, Some(day)),
            ("12.03.1985", DateOrder::DayMonthYear, Some(day)),
            ("03/31/1985", DateOrder::DayMonthYear, None),
            ("1985-03-12T10:30:00", DateOrder::MonthDayYear, Some(day)),
            ("12/03/85", DateOrder::DayMonthYear, None),
            ("05-06-15", DateOrder::DayMonthYear, None),
            ("5-6-15", DateOrder::MonthDayYear, None),
            ("985-03-12", DateOrder::DayMonthYear, None),
            ("05-06-15 00:00:00", DateOrder::DayMonthYear, None),
            ("19850-03-12", DateOrder::DayMonthYear, None),
            ("31118", DateOrder::DayMonthYear, None),
            ("29/02/2023", DateOrder::DayMonthYear, None),
        ] {
            assert_eq!(date(text, order).ok(), expected, "{text}");
        }
    }

    #[test]
    fn formulas_are_told_from_numbers_with_a_sign() {
        for formula in ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3*cmd", "\t=1", "+A1"] {
            assert!(is_formula(formula), "{formula}");
        }
        for text in ["+56 9 8765 4321", "-5", "Ana", "1=1", "-"] {
            assert!(!is_formula(text), "{text}");
        }
    }

    #[test]
    fn m_stands_for_women_only_where_h_stands_for_men() {
        let words = |cells: &[&str]| {
            let mut words = SexWords::default();
            cells.iter().for_each(|cell| words.look(cell));
            words.m_is_female()
        };
        assert!(words(&["H", "M", "M"]) && !words(&["F", "M"]) && !words(&["M"]) && !words(&["H", "M", "F"]));
    }
}
