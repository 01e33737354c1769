//! Export of all that is known of one patient, as one archive: `datos.json` for programs, `ficha.pdf` for people, and the
//! patient's files. The clinical record and the files are in it for who may read records, as far as they may.

mod bundle;
mod gather;
mod paper;
pub mod run;
pub mod start;
mod wording;
