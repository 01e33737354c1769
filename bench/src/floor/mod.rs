//! The floor: the statements that the server sends for one request, run by `pgbench` with as many clients.
//!
//! They are not written down here, where they would grow old: PostgreSQL's own log of a real request gives them, with
//! the values of their parameters. `pgbench -M prepared` sends them as the server does, prepared, with parameters; what
//! begins a transaction goes in one round trip there and here.

mod pgbench;
mod record;
mod script;

pub use pgbench::{Floor, Pgbench};
pub use record::{Recorder, Statement};
pub use script::{Script, Varied, new_words};
