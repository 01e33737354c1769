//! The scalars of the contract: each refuses what it does not mean, with a message that says how to write it.
//!
//! `is_valid` is that same rule, so that validation refuses a wrong value before anything runs, and knows its place.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Timelike, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::domain::time;

/// Longest text that any scalar looks at.
const MAX_SCALAR: usize = 2_000;

fn text<T: ScalarType + async_graphql::InputType>(value: Value) -> Result<String, InputValueError<T>> {
    match value {
        Value::String(text) if text.len() <= MAX_SCALAR => Ok(text),
        Value::String(_) => Err(InputValueError::custom("the text is too long")),
        other => Err(InputValueError::expected_type(other)),
    }
}

/// Instant with offset, RFC 3339: `2026-07-15T08:00:00-04:00`. Without an offset it is refused, because nobody could
/// tell when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(pub DateTime<FixedOffset>);

impl Instant {
    /// An instant, shown with the offset that a branch's clock has then.
    #[must_use]
    pub fn in_zone(at: DateTime<Utc>, zone: Tz) -> Self {
        Self(at.with_timezone(&zone).fixed_offset())
    }

    /// An instant that no branch's clock matters for.
    #[must_use]
    pub fn utc(at: DateTime<Utc>) -> Self {
        Self(at.fixed_offset())
    }

    /// The instant itself.
    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        self.0.to_utc()
    }
}

/// Instant with offset, RFC 3339: `2026-07-15T08:00:00-04:00`. Without an offset it is refused, because nobody could
/// tell when it is.
#[Scalar(name = "DateTime", specified_by_url = "https://www.rfc-editor.org/rfc/rfc3339")]
impl ScalarType for Instant {
    fn parse(value: Value) -> InputValueResult<Self> {
        time::parse_instant(&text::<Self>(value)?).map(Self).map_err(InputValueError::custom)
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        let seconds =
            if self.0.nanosecond() == 0 { chrono::SecondsFormat::Secs } else { chrono::SecondsFormat::Millis };
        Value::String(self.0.to_rfc3339_opts(seconds, false))
    }
}

/// Calendar date in the zone of the enclosing branch: `2026-07-15`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalDate(pub NaiveDate);

/// Calendar date in the zone of the enclosing branch: `2026-07-15`.
#[Scalar]
impl ScalarType for LocalDate {
    fn parse(value: Value) -> InputValueResult<Self> {
        time::parse_local_date(&text::<Self>(value)?).map(Self).map_err(InputValueError::custom)
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.format("%Y-%m-%d").to_string())
    }
}

/// Wall clock: `08:00` or `08:00:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime(pub NaiveTime);

/// Wall clock: `08:00` or `08:00:30`.
#[Scalar]
impl ScalarType for LocalTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        time::parse_local_time(&text::<Self>(value)?).map(Self).map_err(InputValueError::custom)
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        let format = if self.0.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
        Value::String(self.0.format(format).to_string())
    }
}

/// Wall clock with date and without offset: `2026-07-15T08:00`; always accompanied by a TimeZone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalDateTime(pub NaiveDateTime);

/// Wall clock with date and without offset: `2026-07-15T08:00`; always accompanied by a TimeZone.
#[Scalar]
impl ScalarType for LocalDateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        time::parse_local(&text::<Self>(value)?).map(Self).map_err(InputValueError::custom)
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        let format = if self.0.second() == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" };
        Value::String(self.0.format(format).to_string())
    }
}

/// IANA identifier of a place: `America/Punta_Arenas`. Abbreviations and fixed offsets are refused, because they do
/// not follow the place when its rules change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeZone(pub Tz);

/// IANA identifier of a place: `America/Punta_Arenas`. Abbreviations and fixed offsets are refused, because they do
/// not follow the place when its rules change.
#[Scalar]
impl ScalarType for TimeZone {
    fn parse(value: Value) -> InputValueResult<Self> {
        time::parse_zone(&text::<Self>(value)?).map(Self).map_err(InputValueError::custom)
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.name().to_owned())
    }
}

/// Elapsed time, ISO 8601: `PT5M`, `P1DT12H`. A day is 24 hours; months and years have no length and are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(pub time::Iso8601Duration);

/// Elapsed time, ISO 8601: `PT5M`, `P1DT12H`. A day is 24 hours; months and years have no length and are refused.
#[Scalar]
impl ScalarType for Duration {
    fn parse(value: Value) -> InputValueResult<Self> {
        text::<Self>(value)?.parse().map(Self).map_err(InputValueError::custom)
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// Exact decimal as a string, never a float: `"19.00"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(pub rust_decimal::Decimal);

/// Exact decimal as a string, never a float: `"19.00"`.
#[Scalar]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let text = text::<Self>(value)?;
        rust_decimal::Decimal::from_str_exact(&text)
            .map(Self)
            .map_err(|_| InputValueError::custom("write an exact decimal as a string, like \"12500\" or \"19.90\""))
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

macro_rules! text_scalar {
    ($(#[$doc:meta])* $name:ident, $check:expr, $hint:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub String);

        $(#[$doc])*
        #[Scalar]
        impl ScalarType for $name {
            fn parse(value: Value) -> InputValueResult<Self> {
                let text = text::<Self>(value)?;
                let check: fn(&str) -> Option<String> = $check;
                check(&text).map(Self).ok_or_else(|| InputValueError::custom($hint))
            }

            fn is_valid(value: &Value) -> bool {
                Self::parse(value.clone()).is_ok()
            }

            fn to_value(&self) -> Value {
                Value::String(self.0.clone())
            }
        }
    };
}

text_scalar!(
    /// Currency code of ISO 4217, or CLF (the Chilean unit of account with 4 decimals).
    CurrencyCode,
    |text| crate::domain::money::exponent(text).map(|_| text.to_owned()),
    "write a currency code of ISO 4217, like CLP or EUR"
);
text_scalar!(
    /// Mail address. Kept in lower case.
    EmailAddress,
    crate::domain::contact::email,
    "write a mail address, like ana@example.com"
);
text_scalar!(
    /// Telephone number, E.164: `+56223456789`. For patients it may be written as in the centre's country, without its
    /// code (`2 2345 6789`); answers always have the code.
    PhoneNumber,
    |text| crate::domain::contact::phone(text).or_else(|| crate::domain::contact::national(text).map(str::to_owned)),
    "write a telephone number with its country code, like +56223456789"
);
text_scalar!(
    /// Country code of ISO 3166-1 alpha-2: `CL`.
    CountryCode,
    crate::domain::contact::country,
    "write a country code of two capital letters, like CL"
);
text_scalar!(
    /// Language and region, BCP 47: `es-CL`.
    Locale,
    crate::domain::contact::locale,
    "write a locale of BCP 47, like es-CL or en"
);
text_scalar!(
    /// Absolute http or https address.
    Url,
    crate::domain::contact::url,
    "write an absolute address that starts with https:// or http://"
);
text_scalar!(
    /// Opaque, signed position in the tenant's event log. Keep the last one you saw and give it as `after` to go on
    /// without loss or duplicate.
    EventCursor,
    |text| (text.len() <= 200).then(|| text.to_owned()),
    "give an event cursor as it was received"
);

/// Any JSON value.
#[derive(Clone, Debug, PartialEq)]
pub struct Json(pub serde_json::Value);

/// Any JSON value.
#[Scalar]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        value.into_json().map(Self).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

/// UUID made by the client, one per thing it wants done. Sent again with the same input within 24 hours it yields the
/// first answer instead of doing it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub Uuid);

/// UUID made by the client, one per thing it wants done. Sent again with the same input within 24 hours it yields the
/// first answer instead of doing it twice.
#[Scalar]
impl ScalarType for IdempotencyKey {
    fn parse(value: Value) -> InputValueResult<Self> {
        Uuid::parse_str(&text::<Self>(value)?)
            .map(Self)
            .map_err(|_| InputValueError::custom("write a UUID that you make anew for every new request"))
    }

    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}
