//! Which time zone names are accepted.

use std::str::FromStr;

use chrono_tz::{TZ_VARIANTS, Tz};

/// Longest name that is looked at; the longest IANA name has 32 characters. Longer input is cut in the error.
const MAX_NAME: usize = 64;

/// Why a time zone name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// An abbreviation or a fixed offset: it names no place, so it cannot follow the place's changes of the clock.
    #[error("{name:?} names no place; give an IANA time zone such as America/Santiago")]
    NotAPlace {
        /// What was given.
        name: String,
    },
    /// An IANA name in wrong letter case.
    #[error("unknown time zone {name:?}; did you mean {suggestion:?}?")]
    Misspelled {
        /// What was given.
        name: String,
        /// The name as IANA writes it.
        suggestion: &'static str,
    },
    /// Nothing of that name in the compiled zone data.
    #[error("unknown time zone {name:?}")]
    Unknown {
        /// What was given.
        name: String,
    },
}

/// Reads the IANA name of the zone of a place, spelled exactly (`America/Punta_Arenas`).
///
/// Abbreviations and fixed offsets (`EST`, `CET`, `GMT`, `UTC`, `-03:00`, `Etc/GMT+5`) are refused: a branch is in a
/// place, and a fixed offset would silently be wrong after the place's next change. The rule is simple: a name without
/// `/`, or one in `Etc/`, is no place. Old names of places that IANA keeps as links (`Asia/Calcutta`) are accepted.
///
/// # Errors
/// [`ZoneError`] says whether the name is no place, only misspelled, or unknown.
pub fn parse_zone(name: &str) -> Result<Tz, ZoneError> {
    let given = || name.chars().take(MAX_NAME).collect::<String>();
    if name.len() > MAX_NAME {
        return Err(ZoneError::Unknown { name: given() });
    }
    let is_etc = name.get(..4).is_some_and(|area| area.eq_ignore_ascii_case("Etc/"));
    if is_etc || !name.contains('/') {
        return Err(ZoneError::NotAPlace { name: given() });
    }
    if let Ok(zone) = Tz::from_str(name) {
        return Ok(zone);
    }
    let same_letters = TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(name));
    Err(match same_letters {
        Some(zone) => ZoneError::Misspelled { name: given(), suggestion: zone.name() },
        None => ZoneError::Unknown { name: given() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_accepted() {
        assert_eq!(parse_zone("America/Punta_Arenas"), Ok(Tz::America__Punta_Arenas));
        assert_eq!(parse_zone("America/Argentina/Buenos_Aires"), Ok(Tz::America__Argentina__Buenos_Aires));
        assert_eq!(parse_zone("Asia/Calcutta"), Ok(Tz::Asia__Calcutta));
    }

    #[test]
    fn abbreviations_and_fixed_offsets_are_refused() {
        for name in [
            "",
            "EST",
            "EST5EDT",
            "CET",
            "GMT",
            "GMT0",
            "UTC",
            "UTC+3",
            "-03:00",
            "+00:00",
            "Z",
            "Etc/GMT+5",
            "Etc/UTC",
            "etc/utc",
            "Etc/",
            "Japan",
            "local",
        ] {
            assert_eq!(parse_zone(name), Err(ZoneError::NotAPlace { name: name.to_owned() }), "{name}");
        }
    }

    #[test]
    fn wrong_case_is_refused_with_the_right_spelling() {
        let refused = parse_zone("america/santiago");
        assert_eq!(
            refused,
            Err(ZoneError::Misspelled { name: "america/santiago".to_owned(), suggestion: "America/Santiago" })
        );
    }

    #[test]
    fn unknown_names_are_refused_and_cut() {
        for name in
            ["America/Atlantis", " America/Lima", "America/Lima ", "America/", "/", "América/Lima", "../etc/passwd"]
        {
            assert_eq!(parse_zone(name), Err(ZoneError::Unknown { name: name.to_owned() }), "{name}");
        }
        let long = "ñ/".repeat(4_000);
        let Err(ZoneError::Unknown { name }) = parse_zone(&long) else { panic!("accepted") };
        assert_eq!(name.chars().count(), MAX_NAME);
    }

    #[test]
    fn every_compiled_place_is_accepted_by_its_name() {
        for zone in TZ_VARIANTS.iter().filter(|zone| zone.name().contains('/') && !zone.name().starts_with("Etc/")) {
            assert_eq!(parse_zone(zone.name()), Ok(*zone));
        }
    }
}
