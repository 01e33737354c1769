//! Subscriptions: what happens in a centre, as it happens, without loss across reconnects.

mod shared;
mod subscription;
pub mod types;

pub use shared::PERSONAL;
pub use subscription::LiveSubscription;
