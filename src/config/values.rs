//! [`Values`]: what was set, by name, read as what it has to be; or which setting cannot be read, and why.

use std::{collections::HashMap, time::Duration};

use super::ConfigError;

pub(super) struct Values(HashMap<&'static str, String>);

impl Values {
    pub(super) fn of(values: HashMap<&'static str, String>) -> Self {
        Self(values)
    }

    pub(super) fn text(&self, name: &'static str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    pub(super) fn optional(&self, name: &'static str) -> Option<String> {
        Some(self.text(name)).filter(|value| !value.is_empty())
    }

    pub(super) fn list(&self, name: &'static str) -> Vec<String> {
        self.text(name).split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    pub(super) fn parse<T: std::str::FromStr>(&self, name: &'static str, what: &str) -> Result<T, ConfigError> {
        let value = self.text(name);
        value.parse().map_err(|_| ConfigError { name, problem: format!("`{value}` is not {what}") })
    }

    /// A number of which there is at least one, as wide as it is needed.
    pub(super) fn some<T: TryFrom<u32>>(&self, name: &'static str) -> Result<T, ConfigError> {
        let number: std::num::NonZeroU32 = self.parse(name, "a number from 1 on")?;
        T::try_from(number.get()).map_err(|_| ConfigError { name, problem: "is too large".to_owned() })
    }

    pub(super) fn some_seconds(&self, name: &'static str) -> Result<Duration, ConfigError> {
        Ok(Duration::from_secs(self.some::<u32>(name)?.into()))
    }

    pub(super) fn seconds(&self, name: &'static str) -> Result<Duration, ConfigError> {
        Ok(Duration::from_secs(self.parse(name, "a number of seconds")?))
    }
}
