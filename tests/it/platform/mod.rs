//! Tenants, their walls, and their states.

mod cells;
mod maintenance;
mod pgbouncer;
mod share;
mod silence;
mod tenancy;
