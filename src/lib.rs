//! Horae: the server behind service centres. Agenda, online booking, live notifications and mail at each branch's local
//! time, as one typed GraphQL schema over one PostgreSQL schema per centre.

pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod db;
pub mod domain;
pub mod embedded;
pub mod events;
pub mod files;
#[cfg(any(test, fuzzing))]
pub mod foreign;
pub mod http;
pub mod jobs;
pub mod limiter;
pub mod mail;
pub mod pdf;
pub mod schema;
pub mod sheets;
pub mod telemetry;
