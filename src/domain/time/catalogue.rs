//! The zones a branch can be given, with the countries they lie in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono_tz::{IANA_TZDB_VERSION, Tz};

use super::zone::parse_zone;

const ZONES: &str = include_str!("zones.tsv");

/// A zone offered for choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueZone {
    /// The zone; its name is `zone.name()`.
    pub zone: Tz,
    /// ISO 3166-1 alpha-2 codes of the countries in which it is used under this name.
    pub countries: Vec<&'static str>,
}

static CATALOGUE: LazyLock<Vec<CatalogueZone>> = LazyLock::new(|| {
    let mut by_name: BTreeMap<&str, CatalogueZone> = BTreeMap::new();
    let rows = ZONES.lines().filter(|line| !line.starts_with("//"));
    for (country, name) in rows.filter_map(|line| line.split_once('\t')) {
        // A name that the compiled rules do not know cannot be offered; a test sees to it that there is none.
        let Ok(zone) = parse_zone(name) else { continue };
        by_name.entry(name).or_insert(CatalogueZone { zone, countries: Vec::new() }).countries.push(country);
    }
    by_name.into_values().collect()
});

/// The zones of a country (ISO 3166-1 alpha-2, upper case), or all of them, sorted by name. Empty for an unknown code.
///
/// Each place appears once, under the name IANA gives it in its own country (`Africa/Malabo` rather than `Africa/Lagos`
/// for Equatorial Guinea). Other accepted names of a place ([`parse_zone`]) are not listed.
pub fn zones_of(country: Option<&str>) -> impl Iterator<Item = &'static CatalogueZone> {
    CATALOGUE.iter().filter(move |row| country.is_none_or(|code| row.countries.contains(&code)))
}

/// Release of the IANA time zone rules in this binary, such as `2025b`.
pub fn tzdata_version() -> &'static str {
    IANA_TZDB_VERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(country: &str) -> Vec<&'static str> {
        zones_of(Some(country)).map(|row| row.zone.name()).collect()
    }

    #[test]
    fn every_row_is_in_the_compiled_rules() {
        let rows = ZONES.lines().filter(|line| !line.starts_with("//")).count();
        let listed: usize = zones_of(None).map(|row| row.countries.len()).sum();
        assert_eq!(listed, rows);
        assert!(listed > 400, "{listed}");
        for row in zones_of(None) {
            for code in &row.countries {
                assert!(code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()), "{code}");
            }
        }
    }

    #[test]
    fn a_country_has_its_own_zones() {
        assert_eq!(names("CL"), ["America/Coyhaique", "America/Punta_Arenas", "America/Santiago", "Pacific/Easter"]);
        assert_eq!(names("ES"), ["Africa/Ceuta", "Atlantic/Canary", "Europe/Madrid"]);
        assert_eq!(names("EC"), ["America/Guayaquil", "Pacific/Galapagos"]);
        assert_eq!(names("GQ"), ["Africa/Malabo"]);
        assert!(names("XX").is_empty());
        assert!(names("cl").is_empty());
    }

    #[test]
    fn the_catalogue_is_sorted_and_has_no_name_twice() {
        let all: Vec<_> = zones_of(None).map(|row| row.zone.name()).collect();
        assert!(all.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn the_version_names_a_release() {
        assert!(tzdata_version().starts_with("20"), "{}", tzdata_version());
    }
}
