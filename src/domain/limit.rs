//! How often: buckets that empty with use and fill again with time. What a bucket is for, who keeps it, and what it
//! holds is said by whoever takes from it; this is only the seam.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

/// One bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Its name on every node. What must not meet (two tenants, two limits) is told apart here and nowhere else. A part
    /// in braces says what lies together in a cluster of Redis: all buckets of one call share it.
    pub key: String,
    /// What it holds when it is full.
    pub capacity: u32,
    /// What comes back in a minute.
    pub per_minute: u32,
}

/// What became of taking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// All buckets had enough; this is left in the first.
    Granted {
        /// Whole units.
        left: u32,
    },
    /// One of them had not, and nothing was taken from any.
    Refused {
        /// Whole units in the first bucket.
        left: u32,
        /// The place of the bucket that lacks most.
        short: usize,
        /// When it will have enough.
        wait: Duration,
    },
}

impl Taken {
    /// What is left in the first bucket.
    #[must_use]
    pub fn left(self) -> u32 {
        match self {
            Self::Granted { left } | Self::Refused { left, .. } => left,
        }
    }
}

/// Keeps buckets. It always answers: limits protect the service and must never stop it.
#[async_trait::async_trait]
pub trait Limiter: Send + Sync + 'static {
    /// Takes this much from all of the buckets, or nothing from any. No bucket may be named twice.
    async fn take(&self, amount: u32, buckets: &[Bucket]) -> Taken;
}

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Highest cost of one operation.
    pub max_cost: u32,
    /// Cost that one caller may spend at once …
    pub capacity: u32,
    /// … and what comes back in a second. A centre as a whole has [`TENANT_SHARE`] times both.
    pub per_second: u32,
    /// Tries of a password, a token or a public booking in a minute from one address …
    pub attempts_per_address: u32,
    /// … and for one account or token, whether it exists or not.
    pub attempts_per_account: u32,
}

/// The name under which limits count what comes from an address. Of an IPv6 address it is the network of 64 bits: whoever
/// has one address there has all of them.
#[must_use]
pub fn counted_address(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("{}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        None => "unknown".to_owned(),
    }
}

/// How many callers' worth a centre may spend.
pub const TENANT_SHARE: u32 = 10;

impl Default for Rates {
    fn default() -> Self {
        Self { max_cost: 1_000, capacity: 2_000, per_second: 100, attempts_per_address: 60, attempts_per_account: 10 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        for (address, counted) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
            ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
            ("2001:db8:0:2::1", "2001:db8:0:2::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(counted_address(address.parse().ok()), counted);
        }
        assert_eq!(counted_address(None), "unknown");
    }
}
