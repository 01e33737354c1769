//! Dates as people write them, in the two languages that patients are addressed in.
//!
//! Written by hand: two languages and one style are a table of names; a localisation library would bring megabytes of
//! data and still not say "hora de".

use chrono::{DateTime, Datelike, Offset, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

/// A language in which patients are addressed, by mail and on pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Locale {
    /// Spanish, neutral Latin American, addressing the reader as "usted".
    Es,
    /// English.
    En,
}

impl Locale {
    /// Every language, for tests and for compiling templates.
    pub const ALL: [Self; 2] = [Self::Es, Self::En];

    /// The language of a BCP 47 tag such as `es-CL`; `None` when we do not write it.
    #[must_use]
    pub fn from_language_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or(tag);
        if primary.eq_ignore_ascii_case("es") {
            Some(Self::Es)
        } else if primary.eq_ignore_ascii_case("en") {
            Some(Self::En)
        } else {
            None
        }
    }

    /// The BCP 47 tag, as HTML's `lang` wants it.
    #[must_use]
    pub const fn language_tag(self) -> &'static str {
        match self {
            Self::Es => "es",
            Self::En => "en",
        }
    }
}

/// "miércoles 15 de julio de 2026" or "Wednesday 15 July 2026".
#[must_use]
pub fn long_date<Z: TimeZone>(at: &DateTime<Z>, locale: Locale) -> String {
    let year = at.year();
    let day = day_and_month(at, locale);
    match locale {
        Locale::Es => format!("{day} de {year}"),
        Locale::En => format!("{day} {year}"),
    }
}

/// "miércoles 15 de julio, 08:30": for subjects, where the year is noise.
#[must_use]
pub fn short_date_time<Z: TimeZone>(at: &DateTime<Z>, locale: Locale) -> String {
    format!("{}, {}", day_and_month(at, locale), clock(at))
}

/// "miércoles 15 de julio de 2026, 08:30".
#[must_use]
pub fn long_date_time<Z: TimeZone>(at: &DateTime<Z>, locale: Locale) -> String {
    format!("{}, {}", long_date(at, locale), clock(at))
}

/// "miércoles 15 de julio de 2026, 08:30–09:15"; the end carries its own date when that differs, and both their offset from
/// UTC where the clocks are changed between them.
#[must_use]
pub fn range(start: DateTime<Utc>, end: DateTime<Utc>, zone: Tz, locale: Locale) -> String {
    let (from, to) = (start.with_timezone(&zone), end.with_timezone(&zone));
    let is_changed = from.offset().fix() != to.offset().fix();
    let shown = |at: &DateTime<Tz>| {
        if is_changed {
            format!("{} {}", clock(at), utc_offset(at.offset().fix().local_minus_utc()))
        } else {
            clock(at)
        }
    };
    let begin = format!("{}, {}", long_date(&from, locale), shown(&from));
    if from.date_naive() == to.date_naive() {
        format!("{begin}–{}", shown(&to))
    } else {
        format!("{begin} – {}, {}", long_date(&to, locale), shown(&to))
    }
}

/// "hora de America/Santiago, UTC−04:00": whose clock, and how far from UTC on that day.
#[must_use]
pub fn zone_note(at: DateTime<Utc>, zone: Tz, locale: Locale) -> String {
    let offset = utc_offset(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc());
    match locale {
        Locale::Es => format!("hora de {}, {offset}", zone.name()),
        Locale::En => format!("{} time, {offset}", zone.name()),
    }
}

fn clock<Z: TimeZone>(at: &DateTime<Z>) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}

fn utc_offset(seconds: i32) -> String {
    // U+2212, the real minus: a hyphen lets mail clients break the line between sign and digits.
    let sign = if seconds < 0 { '−' } else { '+' };
    let minutes = seconds.abs() / 60;
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn day_and_month<Z: TimeZone>(at: &DateTime<Z>, locale: Locale) -> String {
    let day = at.day();
    match locale {
        Locale::Es => format!("{} {day} de {}", weekday_es(at.weekday()), month_es(at.month())),
        Locale::En => format!("{} {day} {}", weekday_en(at.weekday()), month_en(at.month())),
    }
}

const fn weekday_es(day: chrono::Weekday) -> &'static str {
    match day {
        chrono::Weekday::Mon => "lunes",
        chrono::Weekday::Tue => "martes",
        chrono::Weekday::Wed => "miércoles",
        chrono::Weekday::Thu => "jueves",
        chrono::Weekday::Fri => "viernes",
        chrono::Weekday::Sat => "sábado",
        chrono::Weekday::Sun => "domingo",
    }
}

const fn weekday_en(day: chrono::Weekday) -> &'static str {
    match day {
        chrono::Weekday::Mon => "Monday",
        chrono::Weekday::Tue => "Tuesday",
        chrono::Weekday::Wed => "Wednesday",
        chrono::Weekday::Thu => "Thursday",
        chrono::Weekday::Fri => "Friday",
        chrono::Weekday::Sat => "Saturday",
        chrono::Weekday::Sun => "Sunday",
    }
}

const fn month_es(month: u32) -> &'static str {
    match month {
        1 => "enero",
        2 => "febrero",
        3 => "marzo",
        4 => "abril",
        5 => "mayo",
        6 => "junio",
        7 => "julio",
        8 => "agosto",
        9 => "septiembre",
        10 => "octubre",
        11 => "noviembre",
        _ => "diciembre",
    }
}

const fn month_en(month: u32) -> &'static str {
    match month {
        1 => "January",
        2 => "February",
        3 => "March",
        4 => "April",
        5 => "May",
        6 => "June",
        7 => "July",
        8 => "August",
        9 => "September",
        10 => "October",
        11 => "November",
        _ => "December",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::{Locale, long_date_time, range, short_date_time, zone_note};
    use chrono::{DateTime, Utc};
    use chrono_tz::Tz;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn long_forms_in_both_languages() {
        let at = utc("2026-07-15T12:30:00Z").with_timezone(&Tz::America__Santiago);
        assert_eq!(long_date_time(&at, Locale::Es), "miércoles 15 de julio de 2026, 08:30");
        assert_eq!(long_date_time(&at, Locale::En), "Wednesday 15 July 2026, 08:30");
        assert_eq!(short_date_time(&at, Locale::En), "Wednesday 15 July, 08:30");
    }

    #[test]
    fn the_offset_is_the_one_of_that_day() {
        let (winter, summer) = (utc("2026-07-15T12:00:00Z"), utc("2026-01-15T12:00:00Z"));
        assert_eq!(zone_note(winter, Tz::America__Santiago, Locale::Es), "hora de America/Santiago, UTC−04:00");
        assert_eq!(zone_note(summer, Tz::America__Santiago, Locale::En), "America/Santiago time, UTC−03:00");
        assert_eq!(zone_note(winter, Tz::Asia__Kathmandu, Locale::En), "Asia/Kathmandu time, UTC+05:45");
        assert_eq!(zone_note(winter, Tz::Pacific__Marquesas, Locale::En), "Pacific/Marquesas time, UTC−09:30");
    }

    #[test]
    fn a_range_over_a_change_of_the_clocks_names_both_offsets() {
        // At midnight the clocks are put back to 23:00.
        let (start, end) = (utc("2026-04-05T02:30:00Z"), utc("2026-04-05T03:30:00Z"));
        let twice = range(start, end, Tz::America__Santiago, Locale::Es);
        assert_eq!(twice, "sábado 4 de abril de 2026, 23:30 UTC−03:00–23:30 UTC−04:00");
        let over = range(start, utc("2026-04-05T04:30:00Z"), Tz::America__Santiago, Locale::En);
        assert_eq!(over, "Saturday 4 April 2026, 23:30 UTC−03:00 – Sunday 5 April 2026, 00:30 UTC−04:00");
    }

    #[test]
    fn a_range_over_midnight_names_both_days() {
        let zone = Tz::America__Lima;
        let same = range(utc("2026-07-15T13:00:00Z"), utc("2026-07-15T13:45:00Z"), zone, Locale::Es);
        assert_eq!(same, "miércoles 15 de julio de 2026, 08:00–08:45");
        let over = range(utc("2027-01-01T04:30:00Z"), utc("2027-01-01T05:30:00Z"), zone, Locale::En);
        assert_eq!(over, "Thursday 31 December 2026, 23:30 – Friday 1 January 2027, 00:30");
    }

    #[test]
    fn language_tags_with_regions() {
        assert_eq!(Locale::from_language_tag("es-CL"), Some(Locale::Es));
        assert_eq!(Locale::from_language_tag("EN_us"), Some(Locale::En));
        assert_eq!(Locale::from_language_tag("pt-BR"), None);
    }
}
