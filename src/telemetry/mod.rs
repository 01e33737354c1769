//! What operators see of a running node: numbers for Prometheus ([`metrics`]), spans for an OpenTelemetry collector
//! ([`traces`]), and the names under which both speak of operations ([`operation`]).
//!
//! Nothing here may tell who somebody is. Labels and span fields hold words of our own (names of the schema's fields,
//! codes, kinds), numbers, request ids, and tenants as [`crate::db::TenantId::label`]; never what a client sent.

pub mod metrics;
pub mod operation;
pub mod traceparent;
pub mod traces;
