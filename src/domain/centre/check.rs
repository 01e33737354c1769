//! [`Check`]: collects everything that is wrong with an input, each at its field.

use std::ops::RangeInclusive;

use chrono::TimeDelta;
use rust_decimal::Decimal;

use crate::domain::{
    centre::Patch,
    money::Money,
    refusal::{Code, Failure, Refusal},
};

/// Longest name of anything.
pub(in crate::domain) const MAX_NAME: usize = 200;

/// What has been found wrong so far.
#[derive(Default)]
pub(in crate::domain) struct Check {
    refusals: Vec<Refusal>,
}

impl Check {
    pub(in crate::domain) fn add(&mut self, refusal: Refusal) {
        self.refusals.push(refusal);
    }

    /// Takes the value, or notes the refusal.
    pub(in crate::domain) fn ok<T>(&mut self, result: Result<T, Refusal>) -> Option<T> {
        result.map_err(|refusal| self.add(refusal)).ok()
    }

    /// Refuses with everything that was noted.
    pub(in crate::domain) fn done(self) -> Result<(), Failure> {
        if self.refusals.is_empty() { Ok(()) } else { Err(self.refusals.into()) }
    }

    /// A text on one line, without blanks around it. Its length is told, never its content.
    pub(in crate::domain) fn line(&mut self, field: &str, text: &str, max: usize) -> String {
        let text = text.trim();
        let length = text.chars().count();
        if length == 0 {
            self.add(Refusal::required(field, format!("write 1 to {max} characters")));
        } else if length > max {
            self.add(Refusal::invalid(field, format!("write 1 to {max} characters, not {length}")));
        } else if text.chars().any(char::is_control) {
            self.add(Refusal::invalid(field, "write it on one line, without control characters"));
        }
        text.to_owned()
    }

    /// The name of something.
    pub(in crate::domain) fn name(&mut self, field: &str, text: &str) -> String {
        self.line(field, text, MAX_NAME)
    }

    /// A text of several lines.
    pub(in crate::domain) fn paragraph(&mut self, field: &str, text: &str, max: usize) -> String {
        let text = text.trim();
        let length = text.chars().count();
        if length > max {
            self.add(Refusal::invalid(field, format!("write at most {max} characters, not {length}")));
        } else if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.add(Refusal::invalid(field, "leave control characters out"));
        }
        text.to_owned()
    }

    /// `#RRGGBB`, in capitals.
    pub(in crate::domain) fn color(&mut self, field: &str, text: &str) -> String {
        let digits =
            text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits {
            Some(digits) => format!("#{}", digits.to_ascii_uppercase()),
            None => {
                self.add(Refusal::invalid(field, "write a colour as #RRGGBB, like #3A7BD5"));
                String::new()
            }
        }
    }

    pub(in crate::domain) fn range(&mut self, field: &str, value: i32, allowed: RangeInclusive<i32>, what: &str) {
        if !allowed.contains(&value) {
            self.add(Refusal::invalid(field, format!("{what}: {} to {}, not {value}", allowed.start(), allowed.end())));
        }
    }

    /// Elapsed time in whole seconds.
    pub(in crate::domain) fn seconds(&mut self, field: &str, value: TimeDelta, allowed: RangeInclusive<i32>) -> i32 {
        match i32::try_from(value.num_seconds()) {
            Ok(seconds) if allowed.contains(&seconds) => seconds,
            _ => {
                let message = format!("give {} to {}", told(*allowed.start()), told(*allowed.end()));
                self.add(Refusal::invalid(field, message));
                0
            }
        }
    }

    /// 0 to 100 with at most three decimals.
    pub(in crate::domain) fn percent(&mut self, field: &str, value: Decimal) -> String {
        if value.is_sign_negative() && !value.is_zero() || value > Decimal::ONE_HUNDRED || value.normalize().scale() > 3
        {
            self.add(Refusal::invalid(field, "write a percentage from 0 to 100 with at most three decimals"));
        }
        value.to_string()
    }

    /// At most `max` entries, at the list's own field.
    pub(in crate::domain) fn count(&mut self, field: &str, length: usize, max: usize) -> bool {
        if length > max {
            self.add(Refusal::invalid(field, format!("give at most {max}, not {length}")));
        }
        length <= max
    }

    /// An amount that is not negative, exact in its currency.
    pub(in crate::domain) fn money(&mut self, field: &str, amount: Decimal, currency: &str) -> Option<Money> {
        if amount.is_sign_negative() && !amount.is_zero() {
            self.add(Refusal::invalid(&format!("{field}.amount"), "an amount cannot be negative"));
            return None;
        }
        self.ok(Money::from_decimal(amount, currency, field))
    }

    /// A new object has no version, an existing one needs the version that the caller read.
    pub(in crate::domain) fn version<I>(&mut self, id: Option<I>, version: Option<i32>) {
        match (id, version) {
            (Some(_), None) => self
                .add(Refusal::required("version", "give the version that you read, so that nobody's change is lost")),
            (None, Some(_)) => {
                self.add(Refusal::invalid("version", "only an existing object has a version; give its id too"))
            }
            _ => {}
        }
    }

    /// The checked form of a text that may be absent.
    pub(in crate::domain) fn patch<T, U>(
        &mut self,
        patch: Patch<T>,
        check: impl FnOnce(&mut Self, T) -> U,
    ) -> Patch<U> {
        patch.map(|value| check(self, value))
    }
}

/// Amounts of another currency than the centre's are refused.
pub(in crate::domain) fn same_currency(field: &str, money: &Money, centre: &str) -> Result<(), Refusal> {
    if money.currency == centre {
        return Ok(());
    }
    let message = format!("the centre's currency is {centre}, not {}", money.currency);
    Err(Refusal::new(Code::CurrencyMismatch, message).at(&format!("{field}.currency")))
}

fn told(seconds: i32) -> String {
    u64::try_from(seconds)
        .ok()
        .and_then(|seconds| crate::domain::time::Iso8601Duration::try_from_seconds(seconds).ok())
        .map_or_else(|| format!("{seconds} s"), |duration| duration.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(check: impl FnOnce(&mut Check)) -> Vec<String> {
        let mut all = Check::default();
        check(&mut all);
        all.refusals.into_iter().map(|refusal| refusal.field.unwrap_or_default().join(".")).collect()
    }

    #[test]
    fn a_name_is_one_line_of_1_to_200_characters() {
        assert!(refused(|c| assert_eq!(c.name("name", "  Ñandú "), "Ñandú")).is_empty());
        assert!(refused(|c| drop(c.name("name", &"ñ".repeat(200)))).is_empty());
        for bad in ["", "   ", "a\nb", "a\0b", &"x".repeat(201), &"x".repeat(1_000_000)] {
            assert_eq!(refused(|c| drop(c.name("name", bad))), ["name"]);
        }
    }

    #[test]
    fn a_refusal_does_not_repeat_what_was_sent() {
        let mut check = Check::default();
        check.name("name", &"secret".repeat(1_000));
        assert!(
            check.refusals.iter().all(|refusal| refusal.message.len() < 100 && !refusal.message.contains("secret"))
        );
    }

    #[test]
    fn a_colour_is_a_hash_and_six_hex_digits() {
        assert!(refused(|c| assert_eq!(c.color("color", "#3a7bd5"), "#3A7BD5")).is_empty());
        for bad in ["", "3A7BD5", "#3A7BD", "#3A7BD5F", "#GGGGGG", "red", "#ñññ"] {
            assert_eq!(refused(|c| drop(c.color("color", bad))), ["color"], "{bad}");
        }
    }

    #[test]
    fn a_percentage_is_0_to_100_with_three_decimals() {
        for good in ["0", "-0", "19.00", "100", "0.125", "19.000000"] {
            assert!(refused(|c| drop(c.percent("p", good.parse().unwrap_or_default()))).is_empty(), "{good}");
        }
        for bad in ["-0.001", "100.001", "0.1234"] {
            assert_eq!(refused(|c| drop(c.percent("p", bad.parse().unwrap_or_default()))), ["p"], "{bad}");
        }
    }

    #[test]
    fn an_amount_is_exact_and_not_negative() {
        for (amount, currency, field) in
            [("-1", "CLP", "price.amount"), ("0.5", "CLP", "price.amount"), ("1", "XXZ", "price.currency")]
        {
            assert_eq!(refused(|c| drop(c.money("price", amount.parse().unwrap_or_default(), currency))), [field]);
        }
        assert!(
            refused(|c| assert_eq!(c.money("price", Decimal::new(1990, 2), "EUR").map(|m| m.minor), Some(1990)))
                .is_empty()
        );
    }
}
