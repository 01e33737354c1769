//! Identity documents: what makes a number one of its kind and country, and the one form in which it is compared.
//!
//! A number is kept without dots, blanks and hyphens, in capitals; a RUT is shown with its hyphen. Where a country has
//! published how its numbers are made, a mistyped one is refused; of other countries every number is taken as it is.

use serde::Serialize;

use crate::domain::refusal::Refusal;

/// Longest number of any kind.
const MAX_NUMBER: usize = 40;
/// The letters of Spanish numbers, by the number modulo 23.
const SPANISH: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
/// The characters of a CURP, by what each counts.
const CURP: &str = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ";

/// A document as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Document {
    /// `RUT`, `DNI` and so on.
    pub kind: String,
    /// Letters and digits, in capitals.
    pub number: String,
    /// Country of two capital letters.
    pub country: String,
}

impl Document {
    /// A document as somebody typed it.
    ///
    /// # Errors
    /// REQUIRED or INVALID at `field.number` for what is no number of its kind and country; at `field.country` for a
    /// kind that only another country issues.
    pub fn read(kind: &str, number: &str, country: &str, field: &str) -> Result<Self, Refusal> {
        let at = format!("{field}.number");
        if number.chars().count() > MAX_NUMBER {
            return Err(Refusal::invalid(&at, format!("at most {MAX_NUMBER} characters")));
        }
        let number = compared(number);
        if number.is_empty() {
            return Err(Refusal::required(&at, "write the document's number, or leave the document out"));
        }
        if let Some(only) = issuer(kind).filter(|only| *only != country) {
            let message = format!("a {kind} is issued by {only} alone; name that country, or another kind");
            return Err(Refusal::invalid(&format!("{field}.country"), message));
        }
        let number = normal(kind, country, &number).map_err(|message| Refusal::invalid(&at, message))?;
        Ok(Self { kind: kind.to_owned(), number, country: country.to_owned() })
    }

    /// The number as people write it.
    #[must_use]
    pub fn shown(&self) -> String {
        shown(&self.kind, &self.number)
    }
}

/// A kept number as people write it.
#[must_use]
pub fn shown(kind: &str, number: &str) -> String {
    match number.char_indices().last() {
        Some((at, check)) if kind == "RUT" && at > 0 => format!("{}-{check}", number.split_at(at).0),
        _ => number.to_owned(),
    }
}

/// A number as it is compared: without dots, blanks and hyphens, in capitals.
#[must_use]
pub fn compared(number: &str) -> String {
    number.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// The only country that issues a kind.
fn issuer(kind: &str) -> Option<&'static str> {
    match kind {
        "RUT" => Some("CL"),
        "NIE" => Some("ES"),
        "CURP" | "RFC" => Some("MX"),
        _ => None,
    }
}

/// The number in its normal form, or what is wrong with it.
fn normal(kind: &str, country: &str, number: &str) -> Result<String, &'static str> {
    let fits = |fits: bool, message| if fits { Ok(number.to_owned()) } else { Err(message) };
    match (kind, country) {
        ("RUT", _) => rut(number).ok_or("this is not a RUT: its check digit does not fit; write it like 12.345.678-5"),
        ("DNI", "ES") => fits(dni_es(number), "this is not a DNI: write eight digits and the letter that fits them"),
        ("NIE", _) => {
            fits(nie(number), "this is not a NIE: write X, Y or Z, seven digits and the letter that fits them")
        }
        ("DNI", "AR") => fits(digits(number, 7, 8), "an Argentine DNI has seven or eight digits"),
        ("DNI", "PE") => fits(digits(number, 8, 8), "a Peruvian DNI has eight digits"),
        ("CC", "CO") => fits(digits(number, 5, 10), "a cédula de ciudadanía has five to ten digits"),
        ("CURP", _) => fits(curp(number), "this is not a CURP: it has 18 characters, and the last one does not fit"),
        ("RFC", _) => {
            fits(rfc(number), "this is not a person's RFC: write four letters, the date of birth and three more")
        }
        ("CI", "EC") => fits(ci_ec(number), "this is not a cédula of Ecuador: its check digit does not fit"),
        ("CI", "UY") => ci_uy(number).ok_or("this is not a cédula of Uruguay: its check digit does not fit"),
        ("PASSPORT", _) => fits(passport(number), "write the passport's 5 to 20 letters and digits, without accents"),
        _ => Ok(number.to_owned()),
    }
}

fn digits(number: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The sum of digits times weights; none where there is anything but digits.
fn weighed(digits: &str, weights: impl IntoIterator<Item = u32>) -> Option<u32> {
    digits.chars().zip(weights).try_fold(0, |sum, (digit, weight)| Some(sum + digit.to_digit(10)? * weight))
}

/// Chile (Registro Civil): weights 2 to 7 from the right, modulo 11; 10 is K. Without leading zeros.
fn rut(number: &str) -> Option<String> {
    let number = number.trim_start_matches('0');
    let (at, check) = number.char_indices().last()?;
    let body = number.split_at(at).0;
    if !digits(body, 1, 8) {
        return None;
    }
    let reversed: String = body.chars().rev().collect();
    let rest = 11 - weighed(&reversed, (2..=7).cycle())? % 11;
    let expected = match rest {
        11 => '0',
        10 => 'K',
        digit => char::from_digit(digit, 10)?,
    };
    (check == expected).then(|| number.to_owned())
}

/// Spain (Ministerio del Interior): the number modulo 23 says the letter.
fn spanish(number: &str, letter: &str) -> bool {
    let rest = number.parse::<usize>().ok().map(|number| number % SPANISH.len());
    let expected = rest.and_then(|rest| SPANISH.get(rest));
    expected.is_some_and(|expected| letter.as_bytes() == [*expected])
}

fn dni_es(number: &str) -> bool {
    number.is_ascii() && number.len() == 9 && {
        let (body, letter) = number.split_at(8);
        digits(body, 8, 8) && spanish(body, letter)
    }
}

/// X, Y and Z stand for 0, 1 and 2.
fn nie(number: &str) -> bool {
    let first = match number.chars().next() {
        Some('X') => '0',
        Some('Y') => '1',
        Some('Z') => '2',
        _ => return false,
    };
    let rest: String = number.chars().skip(1).collect();
    dni_es(&format!("{first}{rest}"))
}

/// Mexico (RENAPO): places 18 to 2 weigh the characters by their place in the alphabet, modulo 10.
fn curp(number: &str) -> bool {
    let value = |c: char| CURP.chars().position(|known| known == c).and_then(|at| u32::try_from(at).ok());
    let shape = |(at, c): (usize, char)| match at {
        0..=3 => c.is_ascii_uppercase() || c == 'Ñ',
        4..=9 | 17 => c.is_ascii_digit(),
        10 => matches!(c, 'H' | 'M' | 'X'),
        11..=15 => c.is_ascii_uppercase() || c == 'Ñ',
        _ => c.is_ascii_alphanumeric(),
    };
    if number.chars().count() != 18 || !number.chars().enumerate().all(shape) {
        return false;
    }
    let sum =
        number.chars().take(17).zip((2..=18).rev()).try_fold(0, |sum, (c, weight)| Some(sum + value(c)? * weight));
    let expected = sum.map(|sum| (10 - sum % 10) % 10);
    number.chars().last().and_then(|check| check.to_digit(10)) == expected && expected.is_some()
}

/// Mexico (SAT), of a person: four letters, the date of birth, and three more, which a person may not have yet.
fn rfc(number: &str) -> bool {
    let shape = |(at, c): (usize, char)| match at {
        0..=3 => c.is_ascii_uppercase() || c == 'Ñ',
        4..=9 => c.is_ascii_digit(),
        _ => c.is_ascii_alphanumeric(),
    };
    let two = |from: usize| number.chars().skip(from).take(2).collect::<String>().parse::<u32>().unwrap_or_default();
    matches!(number.chars().count(), 10 | 13)
        && number.chars().enumerate().all(shape)
        && (1..=12).contains(&two(6))
        && (1..=31).contains(&two(8))
}

/// Ecuador (Registro Civil): province, a third digit below 6, and the check digit of every other digit doubled.
fn ci_ec(number: &str) -> bool {
    if !digits(number, 10, 10) {
        return false;
    }
    let values: Vec<u32> = number.chars().filter_map(|c| c.to_digit(10)).collect();
    let province = values.iter().take(2).fold(0, |sum, digit| sum * 10 + digit);
    let third = values.get(2).copied().unwrap_or_default();
    let sum: u32 = values
        .iter()
        .take(9)
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { digit * 2 - if *digit > 4 { 9 } else { 0 } } else { *digit })
        .sum();
    (matches!(province, 1..=24 | 30)) && third < 6 && values.last() == Some(&((10 - sum % 10) % 10))
}

/// Uruguay (DNIC): seven digits, short ones filled with zeros, times 2 9 8 7 6 3 4, modulo 10.
fn ci_uy(number: &str) -> Option<String> {
    if !digits(number, 7, 8) {
        return None;
    }
    let filled = format!("{number:0>8}");
    let (body, check) = filled.split_at(7);
    let sum = weighed(body, [2, 9, 8, 7, 6, 3, 4])?;
    (check.parse() == Ok((10 - sum % 10) % 10)).then(|| number.trim_start_matches('0').to_owned())
}

fn passport(number: &str) -> bool {
    (5..=20).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(kind: &str, number: &str, country: &str) -> Option<String> {
        Document::read(kind, number, country, "document").ok().map(|document| document.number)
    }

    #[test]
    fn a_rut_has_one_form_and_is_shown_with_its_hyphen() {
        for typed in ["12.345.678-5", "12345678-5", "123456785", " 12 345 678 5", "012.345.678-5"] {
            assert_eq!(kept("RUT", typed, "CL").as_deref(), Some("123456785"), "{typed}");
        }
        for (typed, number, shown) in [
            ("6-k", "6K", "6-K"),
            ("10.000.013-k", "10000013K", "10000013-K"),
            ("1-9", "19", "1-9"),
            ("11.111.112-k", "11111112K", "11111112-K"),
        ] {
            let read = Document::read("RUT", typed, "CL", "document").ok();
            assert_eq!(
                read.as_ref().map(|d| (d.number.as_str(), d.shown())),
                Some((number, shown.to_owned())),
                "{typed}"
            );
        }
        for bad in ["12.345.678-4", "12.345.678-K", "12345678", "K", "0", "1234567890-1", "12A45678-5"] {
            assert_eq!(kept("RUT", bad, "CL"), None, "{bad}");
        }
    }

    #[test]
    fn other_countries_have_rules_of_their_own() {
        for (kind, country, good, bad) in [
            ("DNI", "ES", "12345678-z", "12345678A"),
            ("NIE", "ES", "X-1234567-L", "X1234567A"),
            ("DNI", "AR", "30.123.456", "301234567"),
            ("DNI", "PE", "12345678", "1234567"),
            ("CC", "CO", "1.020.304.050", "1020A"),
            ("CURP", "MX", "HEGG560427MVZRRL04", "HEGG560427MVZRRL05"),
            ("RFC", "MX", "HEGG560427AB1", "HEGG561327AB1"),
            ("CI", "EC", "171003406-5", "1710034066"),
            ("CI", "UY", "1.234.567-2", "1.234.567-3"),
            ("PASSPORT", "FR", "12ab34567", "ñ2345"),
        ] {
            assert!(kept(kind, good, country).is_some(), "{kind} {country} {good}");
            assert_eq!(kept(kind, bad, country), None, "{kind} {country} {bad}");
        }
    }

    #[test]
    fn what_nobody_has_published_is_kept_as_it_is() {
        assert_eq!(kept("OTHER", "ab-12.3", "FR").as_deref(), Some("AB123"));
        assert_eq!(kept("CI", "1234567-1B", "BO").as_deref(), Some("12345671B"));
        assert_eq!(kept("DNI", "x9", "DO").as_deref(), Some("X9"));
    }

    #[test]
    fn a_refusal_names_the_field() {
        for (kind, number, country, field) in [
            ("RUT", "1-1", "CL", "document.number"),
            ("RUT", "1-9", "ES", "document.country"),
            ("DNI", " - ", "ES", "document.number"),
            ("OTHER", &"9".repeat(41), "ES", "document.number"),
        ] {
            let refused = Document::read(kind, number, country, "document").err().and_then(|refusal| refusal.field);
            assert_eq!(refused.unwrap_or_default().join("."), field);
        }
    }
}
