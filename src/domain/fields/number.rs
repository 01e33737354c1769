//! Numbers of fields: exact, whatever way they were written.

use rust_decimal::Decimal;
use serde_json::Value;

/// Beyond this, clients that know only floats would read another number.
const MAX_INTEGER: i64 = 9_007_199_254_740_991;
/// So many digits survive a float: a number that was written without quotes has gone through one.
const EXACT_DIGITS: usize = 15;
/// Decimals that a number may have.
const MAX_DECIMALS: u32 = 10;

/// A whole number, as JSON number or in quotes.
pub(super) fn integer(value: &Value) -> Result<i64, String> {
    let number = match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number
        .filter(|number| (-MAX_INTEGER..=MAX_INTEGER).contains(number))
        .ok_or_else(|| format!("write a whole number between -{MAX_INTEGER} and {MAX_INTEGER}"))
}

/// An exact decimal: in quotes, or as a JSON number that a float holds exactly enough.
pub(super) fn decimal(value: &Value) -> Result<Decimal, String> {
    let text = match value {
        Value::Number(number) => {
            let text = number.to_string();
            if text.chars().filter(char::is_ascii_digit).count() > EXACT_DIGITS {
                return Err("write a number with so many digits in quotes, or some of them are lost".to_owned());
            }
            text
        }
        Value::String(text) => text.trim().to_owned(),
        _ => String::new(),
    };
    let number = Decimal::from_str_exact(&text)
        .map_err(|_| "write an exact decimal in quotes, like \"36.6\" or \"-2\"".to_owned())?
        .normalize();
    if number.scale() > MAX_DECIMALS {
        return Err(format!("write at most {MAX_DECIMALS} decimals"));
    }
    // There is no negative zero in the normal form.
    Ok(if number.is_zero() { Decimal::ZERO } else { number })
}

/// A number that lies within bounds.
pub(super) fn within(number: Decimal, min: Option<Decimal>, max: Option<Decimal>) -> Result<(), String> {
    let below = min.is_some_and(|min| number < min);
    let above = max.is_some_and(|max| number > max);
    match (below || above, min, max) {
        (false, ..) | (true, None, None) => Ok(()),
        (true, Some(min), Some(max)) => Err(format!("write a number from {min} to {max}")),
        (true, Some(min), None) => Err(format!("write a number that is not below {min}")),
        (true, None, Some(max)) => Err(format!("write a number that is not above {max}")),
    }
}

/// The number that a kept value is.
pub(super) fn kept(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => number.as_i64().map(Decimal::from),
        Value::String(text) => Decimal::from_str_exact(text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn decimals_are_exact() {
        for (written, kept) in [
            (json!("36.60"), "36.6"),
            (json!(" -0.0 "), "0"),
            (json!(36.6), "36.6"),
            (json!(12), "12"),
            (json!("100"), "100"),
            (json!("12345678901234567890.12"), "12345678901234567890.12"),
        ] {
            assert_eq!(decimal(&written).map(|n| n.to_string()).as_deref(), Ok(kept), "{written}");
        }
        for bad in [
            json!("1,5"),
            json!(""),
            json!("abc"),
            json!(true),
            json!([1]),
            json!("0.12345678901"),
            json!(0.1234567890123456),
        ] {
            assert!(decimal(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn integers_are_whole() {
        assert_eq!(integer(&json!(-7)), Ok(-7));
        assert_eq!(integer(&json!("42")), Ok(42));
        for bad in
            [json!(1.5), json!("1.0"), json!(9_007_199_254_740_992_i64), json!(u64::MAX), json!(null), json!(true)]
        {
            assert!(integer(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bounds_belong_to_the_range() {
        let one = Some(Decimal::ONE);
        assert!(within(Decimal::ONE, one, one).is_ok());
        assert!(within(Decimal::ZERO, one, None).is_err() && within(Decimal::TWO, None, one).is_err());
    }
}
