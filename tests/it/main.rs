//! The one integration-test binary: one link instead of one per file. Folders mirror the areas of `src/`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]
#![expect(clippy::print_stdout, reason = "tests print what they measured")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests have no composition root: they spawn, and read where to find servers"
)]

mod agenda;
mod audit;
mod background;
mod booking;
mod centre;
mod demo;
mod embedded;
mod files;
mod http_pages;
mod identity;
mod isolation;
mod jobs;
mod limits;
mod live;
mod mail;
mod matrix;
mod node;
mod notifications;
mod patients;
mod platform;
mod portability;
mod project;
mod record;
mod sealing;
mod support;
mod telemetry;
mod transport;
