//! Durations as the API writes them: ISO 8601, elapsed time only.

use std::fmt;
use std::str::FromStr;

use chrono::TimeDelta;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

/// A length of elapsed time in whole seconds, from zero to ten years.
///
/// Text is ISO 8601 in weeks (`P2W`) or in days, hours, minutes and seconds (`P1DT2H`, `PT5M`, `PT0S`); a day is 24 hours
/// and a week seven such days. Months and years are refused because they have no fixed length. Printing gives the
/// canonical form, which carries over (`PT90M` → `PT1H30M`) and never uses weeks, as some standard libraries cannot
/// read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Iso8601Duration {
    seconds: u64,
}

/// Why a text or a number is no [`Iso8601Duration`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Not ISO 8601, or units in the wrong order.
    #[error("expected an ISO 8601 duration such as PT30M, P1DT2H or P2W")]
    Syntax,
    /// Years or months.
    #[error("years and months have no fixed length; use days")]
    CalendarUnit,
    /// A minus sign.
    #[error("a duration cannot be negative")]
    Negative,
    /// A fraction.
    #[error("a duration has whole numbers only")]
    Fraction,
    /// Longer than [`Iso8601Duration::MAX`].
    #[error("a duration is at most {} days", Iso8601Duration::MAX.seconds / DAY)]
    TooLong,
}

impl Iso8601Duration {
    /// Ten years of 365.25 days, rounded up to a whole day.
    pub const MAX: Self = Self { seconds: 3_653 * DAY };
    /// No time at all.
    pub const ZERO: Self = Self { seconds: 0 };

    /// A duration of so many seconds.
    ///
    /// # Errors
    /// [`DurationError::TooLong`] above [`Self::MAX`].
    pub const fn try_from_seconds(seconds: u64) -> Result<Self, DurationError> {
        if seconds > Self::MAX.seconds { Err(DurationError::TooLong) } else { Ok(Self { seconds }) }
    }

    /// A duration of so many minutes. Cannot be too long: 65 535 minutes are 45 days.
    pub const fn from_minutes(minutes: u16) -> Self {
        // `u64::from` is not const yet; widening loses nothing.
        Self { seconds: minutes as u64 * MINUTE }
    }

    /// Length in seconds.
    pub const fn as_seconds(self) -> u64 {
        self.seconds
    }

    /// The same length for arithmetic with instants.
    pub fn as_delta(self) -> TimeDelta {
        i64::try_from(self.seconds).ok().and_then(TimeDelta::try_seconds).unwrap_or(TimeDelta::MAX)
    }
}

impl From<Iso8601Duration> for TimeDelta {
    fn from(duration: Iso8601Duration) -> Self {
        duration.as_delta()
    }
}

impl TryFrom<TimeDelta> for Iso8601Duration {
    type Error = DurationError;

    /// Refuses negative lengths, fractions of a second, and more than [`Iso8601Duration::MAX`].
    fn try_from(delta: TimeDelta) -> Result<Self, DurationError> {
        if delta < TimeDelta::zero() {
            return Err(DurationError::Negative);
        }
        if delta.subsec_nanos() != 0 {
            return Err(DurationError::Fraction);
        }
        Self::try_from_seconds(u64::try_from(delta.num_seconds()).map_err(|_| DurationError::Negative)?)
    }
}

impl FromStr for Iso8601Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        if text.contains('-') {
            return Err(DurationError::Negative);
        }
        if text.contains(['.', ',']) {
            return Err(DurationError::Fraction);
        }
        let body = text.strip_prefix('P').ok_or(DurationError::Syntax)?;
        // ISO 8601 allows weeks only on their own.
        if body.ends_with('W') {
            return Self::try_from_seconds(sum_units(body, &[('W', WEEK)])?);
        }
        let (date, clock) = match body.split_once('T') {
            Some((date, clock)) if !clock.is_empty() => (date, clock),
            None if !body.is_empty() => (body, ""),
            _ => return Err(DurationError::Syntax),
        };
        // In the date part M means months, behind the T minutes.
        if date.contains(['Y', 'M']) {
            return Err(DurationError::CalendarUnit);
        }
        let days = sum_units(date, &[('D', DAY)])?;
        let seconds = sum_units(clock, &[('H', HOUR), ('M', MINUTE), ('S', 1)])?;
        Self::try_from_seconds(days.saturating_add(seconds))
    }
}

/// Adds up `<digits><unit>` groups. Each unit may come once, in the order of `units`; sums saturate, as they are then
/// far above [`Iso8601Duration::MAX`].
fn sum_units(text: &str, units: &[(char, u64)]) -> Result<u64, DurationError> {
    let mut units = units.iter();
    let mut rest = text;
    let mut seconds = 0_u64;
    while !rest.is_empty() {
        let length = rest.find(|letter: char| !letter.is_ascii_digit()).ok_or(DurationError::Syntax)?;
        let (digits, tail) = rest.split_at(length);
        let mut letters = tail.chars();
        let unit = letters.next();
        let size = units.find(|(letter, _)| Some(*letter) == unit).ok_or(DurationError::Syntax)?.1;
        if digits.is_empty() {
            return Err(DurationError::Syntax);
        }
        // Only digits are left, so the one possible failure is a number too large.
        let count: u64 = digits.parse().map_err(|_| DurationError::TooLong)?;
        seconds = seconds.saturating_add(count.saturating_mul(size));
        rest = letters.as_str();
    }
    Ok(seconds)
}

impl fmt::Display for Iso8601Duration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seconds == 0 {
            return out.write_str("PT0S");
        }
        out.write_str("P")?;
        let clock =
            [(self.seconds % DAY / HOUR, 'H'), (self.seconds % HOUR / MINUTE, 'M'), (self.seconds % MINUTE, 'S')];
        if self.seconds >= DAY {
            write!(out, "{}D", self.seconds / DAY)?;
        }
        if clock.iter().any(|(count, _)| *count > 0) {
            out.write_str("T")?;
        }
        for (count, unit) in clock.into_iter().filter(|(count, _)| *count > 0) {
            write!(out, "{count}{unit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_read_and_printed_canonically() {
        for (text, seconds, printed) in [
            ("PT0S", 0, "PT0S"),
            ("P0D", 0, "PT0S"),
            ("P0W", 0, "PT0S"),
            ("PT5M", 300, "PT5M"),
            ("PT90M", 5_400, "PT1H30M"),
            ("PT3600S", 3_600, "PT1H"),
            ("P1DT2H", 93_600, "P1DT2H"),
            ("P1DT0H", 86_400, "P1D"),
            ("PT24H", 86_400, "P1D"),
            ("P1W", 604_800, "P7D"),
            ("PT1H1S", 3_601, "PT1H1S"),
            ("P2DT3H4M5S", 183_845, "P2DT3H4M5S"),
            ("PT0005M", 300, "PT5M"),
            ("P3653D", 315_619_200, "P3653D"),
        ] {
            let duration: Iso8601Duration = text.parse().unwrap();
            assert_eq!(duration.as_seconds(), seconds, "{text}");
            assert_eq!(duration.to_string(), printed, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_reason() {
        use DurationError::{CalendarUnit, Fraction, Negative, Syntax, TooLong};
        for (text, reason) in [
            ("", Syntax),
            ("P", Syntax),
            ("PT", Syntax),
            ("P1DT", Syntax),
            ("5M", Syntax),
            ("P5", Syntax),
            ("PW", Syntax),
            ("PT5", Syntax),
            ("PTM", Syntax),
            ("P1H", Syntax),
            ("PT1D", Syntax),
            ("PT1M1H", Syntax),
            ("PT1H1H", Syntax),
            ("P1W2D", Syntax),
            ("P1DT1W", Syntax),
            ("pt5m", Syntax),
            (" PT5M", Syntax),
            ("PT5M ", Syntax),
            ("PT+5M", Syntax),
            ("PT٥M", Syntax),
            ("P1Y", CalendarUnit),
            ("P1M", CalendarUnit),
            ("P1M2DT3H", CalendarUnit),
            ("-PT5M", Negative),
            ("P-1D", Negative),
            ("PT1.5H", Fraction),
            ("PT1,5H", Fraction),
            ("P3653DT1S", TooLong),
            ("P99999999999999999999D", TooLong),
            ("P18446744073709551615W", TooLong),
            ("PT18446744073709551615H18446744073709551615M", TooLong),
        ] {
            assert_eq!(text.parse::<Iso8601Duration>(), Err(reason), "{text}");
        }
    }

    #[test]
    fn deltas_convert_both_ways() {
        assert_eq!(Iso8601Duration::from_minutes(5).as_delta(), TimeDelta::minutes(5));
        assert_eq!(TimeDelta::minutes(90).try_into(), Ok(Iso8601Duration::from_minutes(90)));
        assert_eq!(Iso8601Duration::try_from(TimeDelta::milliseconds(1)), Err(DurationError::Fraction));
        assert_eq!(Iso8601Duration::try_from(TimeDelta::milliseconds(-1)), Err(DurationError::Negative));
        assert_eq!(Iso8601Duration::try_from(TimeDelta::MAX), Err(DurationError::Fraction));
        assert_eq!(Iso8601Duration::try_from(TimeDelta::days(3_654)), Err(DurationError::TooLong));
    }

    proptest! {
        #[test]
        fn printing_and_reading_is_the_identity(seconds in 0..=Iso8601Duration::MAX.seconds) {
            let duration = Iso8601Duration::try_from_seconds(seconds).unwrap();
            prop_assert_eq!(duration.to_string().parse(), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+PTWDHMSY0-9.,]{0,12}|.{0,8}") {
            let _ = text.parse::<Iso8601Duration>();
        }
    }
}
