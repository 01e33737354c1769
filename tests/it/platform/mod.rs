//! Tenants, their walls, and their states.

mod maintenance;
mod pgbouncer;
mod share;
mod tenancy;
mod silence;
