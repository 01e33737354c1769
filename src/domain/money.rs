//! Money: integer minor units and a currency. Never a float.

use rust_decimal::Decimal;

use super::refusal::Refusal;

/// The largest amount of one thing, in minor units: thousands of them can be added up.
const MOST_MINOR: i64 = 1_000_000_000_000_000;

/// An amount in the minor units of its currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// Minor units: cents of EUR, pesos of CLP.
    pub minor: i64,
    /// ISO 4217, or CLF.
    pub currency: String,
}

impl Money {
    /// Exact minor units of a decimal amount.
    ///
    /// # Errors
    /// An unknown currency, more decimals than the currency has, or too large an amount.
    pub fn from_decimal(amount: Decimal, currency: &str, field: &str) -> Result<Self, Refusal> {
        let digits = exponent(currency).ok_or_else(|| {
            Refusal::invalid(&format!("{field}.currency"), format!("`{currency}` is not a currency code of ISO 4217"))
        })?;
        let scaled = Decimal::from(10_u64.pow(digits)).checked_mul(amount);
        let whole = scaled.filter(|scaled| scaled.fract().is_zero()).ok_or_else(|| {
            Refusal::invalid(
                &format!("{field}.amount"),
                format!("{currency} has {digits} decimals; {amount} cannot be written with them"),
            )
        })?;
        let minor = i64::try_from(whole).ok().filter(|minor| minor.abs() <= MOST_MINOR);
        let minor = minor.ok_or_else(|| Refusal::invalid(&format!("{field}.amount"), "the amount is too large"))?;
        Ok(Self { minor, currency: currency.to_owned() })
    }

    /// The amount in major units, with the currency's decimals.
    #[must_use]
    pub fn amount(&self) -> Decimal {
        Decimal::new(self.minor, exponent(&self.currency).unwrap_or_default())
    }
}

/// How many decimals a currency has; none when there is no such currency.
#[must_use]
pub fn exponent(currency: &str) -> Option<u32> {
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    iso_currency::Currency::from_code(currency).map(|known| known.exponent().map_or(0, u32::from))
}
