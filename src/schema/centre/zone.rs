//! Time zones to choose from.

use async_graphql::Object;
use chrono::{DateTime, Utc};

use crate::{
    domain::time::{CatalogueZone, next_transition, tzdata_version, utc_offset_now},
    schema::scalar::{CountryCode, Instant, TimeZone},
};

/// A time zone that a branch can have.
#[derive(Clone, Copy, Debug)]
pub struct TimeZoneInfo {
    pub(super) zone: &'static CatalogueZone,
    pub(super) now: DateTime<Utc>,
}

/// A time zone that a branch can have.
#[Object]
impl TimeZoneInfo {
    /// IANA identifier.
    async fn id(&self) -> TimeZone {
        TimeZone(self.zone.zone)
    }

    /// Countries in which it is used.
    async fn countries(&self) -> Vec<CountryCode> {
        self.zone.countries.iter().map(|code| CountryCode((*code).to_owned())).collect()
    }

    /// Its difference to UTC at this moment, like `-04:00`.
    async fn utc_offset_now(&self) -> String {
        utc_offset_now(self.zone.zone, self.now)
    }

    /// When its difference to UTC changes next; null: not within two years.
    async fn next_transition(&self) -> Option<Instant> {
        next_transition(self.zone.zone, self.now).map(|at| Instant::in_zone(at, self.zone.zone))
    }

    /// Release of the zone rules that the server goes by, like `2025b`.
    async fn tzdata_version(&self) -> String {
        tzdata_version().to_owned()
    }
}
