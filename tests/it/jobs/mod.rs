//! The queue and its workers.

mod kill;
mod queue;
mod retention;
mod rights;
mod schedule;
