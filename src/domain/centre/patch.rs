//! [`Patch`]: what an update says about a value that may be absent.

use sea_orm::{ActiveValue, Value};

/// Leave it, take it away, or set it. A new object has nothing to leave, so leaving it means the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub enum Patch<T> {
    /// As it is.
    #[default]
    Keep,
    /// Away.
    Clear,
    /// To this.
    Set(T),
}

impl<T> Patch<T> {
    /// The value that it sets.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// What there is now, given what there was.
    pub fn over(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// The same with the value turned into another.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(f(value)),
        }
    }

    /// The same with a conversion that may refuse.
    ///
    /// # Errors
    /// What the conversion fails with.
    pub fn try_map<U, E>(self, f: impl FnOnce(T) -> Result<U, E>) -> Result<Patch<U>, E> {
        Ok(match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(f(value)?),
        })
    }

    /// The column's part of an INSERT or UPDATE.
    pub(super) fn column(self) -> ActiveValue<Option<T>>
    where
        Option<T>: Into<Value>,
    {
        match self {
            Self::Keep => ActiveValue::NotSet,
            Self::Clear => ActiveValue::Set(None),
            Self::Set(value) => ActiveValue::Set(Some(value)),
        }
    }
}

impl Patch<String> {
    /// The same, where nothing but blanks takes the value away.
    #[must_use]
    pub fn blank_is_away(self) -> Self {
        match self {
            Self::Set(text) if text.trim().is_empty() => Self::Clear,
            other => other,
        }
    }
}

/// The part of an INSERT or UPDATE of a column that always has a value: absent leaves it, or takes the default.
pub(super) fn column<T: Into<Value>>(value: Option<T>) -> ActiveValue<T> {
    value.map_or(ActiveValue::NotSet, ActiveValue::Set)
}
