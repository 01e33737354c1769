//! The GraphQL transport, on a small schema that does what a transport must cope with.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod client;
mod documents;
mod health;
mod http;
mod javascript;
#[cfg(target_os = "linux")]
mod memory;
mod persisted;
mod places;
mod robustness;
mod schema;
mod server;
mod slow;
mod socket;
mod socket_closes;
mod socket_ends;
