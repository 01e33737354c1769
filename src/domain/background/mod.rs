//! Work that somebody asked for and watches while it runs: imports, exports. The queue runs it, a step at a time; each
//! step's transaction also says how far the job is, so a run that was killed goes on where it was and does nothing twice.
//!
//! What the work is, its own area says. Who may see a job is decided here alone.

mod find;
mod model;
mod put;
mod run;

pub use find::{by_ids, visible};
pub use model::{Job, JobKind, JobStatus};
pub use put::{NewJob, put};
pub use run::{Advance, Running, begin, fail, finish, hold};
