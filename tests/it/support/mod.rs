//! What tests of several areas stand on: servers of their own and places to put them.

pub mod app;
pub mod door;
pub mod fingerprint;
pub mod fixtures;
pub mod folder;
pub mod node;
pub mod postgres;
pub mod python;
pub mod redis;
pub mod smtp;
pub mod socket;
