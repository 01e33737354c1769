//! Servers that Horae runs for itself.

mod postgres;
mod redis;
