//! What comes in from elsewhere and what goes out: patients out of spreadsheets, all that is known of a patient in one
//! file, and the end of what is known.

pub mod anonymise;
pub mod export;
pub mod import;
