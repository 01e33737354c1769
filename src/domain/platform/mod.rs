//! Tenants: creating them, making them usable, keeping them in order.

pub mod apply_time_rules;
pub mod create_tenant;
pub mod retention;
