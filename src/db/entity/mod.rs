//! One file per table that is read and written through sea-orm. Columns and relations only.

pub mod branches;
pub mod centre_profile;
pub mod professionals;
pub mod resources;
pub mod treatment_categories;
pub mod treatments;
