//! [`Facts`]: what the audit trail may tell of a thing, before and after a change.
//!
//! A list of what may be shown, not of what may not: numbers, ids, times and the words of our own code become facts by
//! themselves; any other text has to be declared, either as the centre's own configuration ([`text`]) or as somebody's
//! data ([`masked`]), of which the trail tells only that it is there and that it has changed.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::time::WeeklyWindow;

/// What stands in place of a masked value.
const MASK: &str = "***";

/// One value as the trail may tell it.
#[derive(Clone, PartialEq)]
pub struct Fact(Told);

#[derive(Clone, PartialEq)]
enum Told {
    Plain(Value),
    /// Kept only to see whether it has changed.
    Masked(Value),
    Many(Vec<Fact>),
    Nested(Facts),
}

/// Facts by their names in the API.
#[derive(Clone, Default, PartialEq)]
pub struct Facts(BTreeMap<&'static str, Fact>);

/// A text of the centre's configuration (the name of a room, of a treatment), which is about nobody.
#[must_use]
pub fn text(text: &str) -> Fact {
    Fact(Told::Plain(Value::from(text)))
}

/// Somebody's data, or a secret: names, contacts, documents, free texts. Nothing is shown of it.
#[must_use]
pub fn masked(value: &(impl Serialize + ?Sized)) -> Fact {
    // What cannot be compared is shown as there.
    Fact(Told::Masked(serde_json::to_value(value).unwrap_or(Value::Bool(true))))
}

/// Several facts under one name.
#[must_use]
pub fn many<T: Into<Fact>>(values: impl IntoIterator<Item = T>) -> Fact {
    Fact(Told::Many(values.into_iter().map(Into::into).collect()))
}

/// [`Facts`] as `facts!({ "name": value, … })`.
macro_rules! facts {
    ({ $($name:literal : $value:expr),* $(,)? }) => {
        $crate::domain::facts::Facts::default()$(.with($name, $value))*
    };
}
pub(crate) use facts;

impl Facts {
    /// One more, or another value of one that is there.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Fact>) -> Self {
        self.0.insert(name, value.into());
        self
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    fn json(&self) -> Value {
        let told = self.0.iter().filter(|(_, fact)| !fact.is_nothing());
        Value::Object(told.map(|(name, fact)| ((*name).to_owned(), fact.json())).collect())
    }
}

/// What an entry tells: of something new or gone all that is known of it, of a change only what has changed.
pub(super) fn told(before: Option<&Facts>, after: Option<&Facts>) -> (Option<Value>, Option<Value>) {
    let (Some(before), Some(after)) = (before, after) else {
        return (before.map(Facts::json), after.map(Facts::json));
    };
    let changed = |these: &Facts, others: &Facts| -> Map<String, Value> {
        let changed = these.0.iter().filter(|(name, fact)| others.0.get(*name) != Some(*fact));
        changed.map(|(name, fact)| ((*name).to_owned(), fact.json())).collect()
    };
    (Some(changed(before, after).into()), Some(changed(after, before).into()))
}

impl Fact {
    fn is_nothing(&self) -> bool {
        matches!(self.0, Told::Plain(Value::Null) | Told::Masked(Value::Null))
    }

    fn json(&self) -> Value {
        match &self.0 {
            Told::Plain(value) => value.clone(),
            Told::Masked(Value::Null) => Value::Null,
            Told::Masked(_) => Value::from(MASK),
            Told::Many(facts) => facts.iter().map(Self::json).collect(),
            Told::Nested(facts) => facts.json(),
        }
    }
}

/// As it is told: a mask must not be lifted by a log line.
impl fmt::Debug for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.json(), f)
    }
}

impl fmt::Debug for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.json(), f)
    }
}

/// What says nothing about anybody by its type alone.
macro_rules! plain {
    ($($type:ty: $value:ident => $json:expr),+ $(,)?) => {
        $(impl From<$type> for Fact {
            fn from($value: $type) -> Self {
                Self(Told::Plain($json))
            }
        })+
    };
}

plain! {
    bool: value => value.into(),
    i16: value => value.into(),
    i32: value => value.into(),
    i64: value => value.into(),
    usize: value => value.into(),
    Uuid: value => value.to_string().into(),
    DateTime<Utc>: value => value.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true).into(),
    NaiveDate: value => value.to_string().into(),
    NaiveTime: value => value.format("%H:%M").to_string().into(),
    NaiveDateTime: value => value.format("%Y-%m-%dT%H:%M:%S").to_string().into(),
    TimeDelta: value => value.to_string().into(),
    Tz: value => value.name().into(),
    Decimal: value => value.normalize().to_string().into(),
    &'static str: value => value.into(),
}

impl<T: Into<Self>> From<Option<T>> for Fact {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self(Told::Plain(Value::Null)), Into::into)
    }
}

impl From<&[Uuid]> for Fact {
    fn from(ids: &[Uuid]) -> Self {
        many(ids.iter().copied())
    }
}

impl From<&WeeklyWindow> for Fact {
    fn from(window: &WeeklyWindow) -> Self {
        let day = i64::from(window.day().number_from_monday());
        facts!({
            "weekday": day,
            "start": window.start(),
            "end": window.end(),
            "validFrom": window.valid_from(),
            "validTo": window.valid_to(),
        })
        .into()
    }
}

impl From<Facts> for Fact {
    fn from(facts: Facts) -> Self {
        Self(Told::Nested(facts))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn person(name: &str, visits: i32) -> Facts {
        facts!({ "name": masked(name), "visits": visits, "room": text("Box 1"), "note": masked(&None::<String>) })
    }

    #[test]
    fn a_change_tells_only_what_has_changed_and_nothing_of_what_is_masked() {
        let (before, after) = told(Some(&person("Rosa", 1)), Some(&person("Rosario", 1)));
        assert_eq!((before, after), (Some(json!({"name": "***"})), Some(json!({"name": "***"}))));
        let (before, after) = told(Some(&person("Rosa", 1)), Some(&person("Rosa", 2)));
        assert_eq!((before, after), (Some(json!({"visits": 1})), Some(json!({"visits": 2}))));
    }

    #[test]
    fn something_new_tells_all_that_is_there() {
        let (before, after) = told(None, Some(&person("Rosa", 1)));
        assert_eq!((before, after), (None, Some(json!({"name": "***", "visits": 1, "room": "Box 1"}))));
    }

    #[test]
    fn a_mask_holds_in_debugging_and_inside_of_others() {
        let nested = facts!({ "people": many([person("Rosa", 1)]) });
        let (_, after) = told(None, Some(&nested));
        assert!(!format!("{nested:?} {after:?}").contains("Rosa"));
    }
}
