//! Amounts as the API shows and takes them.

use async_graphql::{InputObject, SimpleObject};

use super::scalar::{CurrencyCode, Decimal};
use crate::domain::money;

/// An amount, exact, in major units of its currency.
#[derive(SimpleObject, Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// With the currency's own number of decimals: `"12500"` CLP, `"19.90"` EUR.
    pub amount: Decimal,
    /// Currency.
    pub currency: CurrencyCode,
}

impl From<money::Money> for Money {
    fn from(money: money::Money) -> Self {
        Self { amount: Decimal(money.amount()), currency: CurrencyCode(money.currency) }
    }
}

/// An amount in major units, with no more decimals than its currency has.
#[derive(InputObject, Clone, Debug)]
pub struct MoneyInput {
    /// `"12500"` CLP, `"19.90"` EUR.
    pub amount: Decimal,
    /// Currency.
    pub currency: CurrencyCode,
}
