//! Fields that a centre defines itself: what they are, and which values they take.
//!
//! Pure: nothing here reads or writes a database. Patients have one set of such fields, every record template another.
//! Values are kept in one normal form, so that what is compared, hashed or signed does not depend on how it was typed.

mod attachment;
mod calculate;
mod define;
mod definition;
mod drawing;
mod expression;
mod number;
mod table;
mod validate;
mod value;

pub use calculate::calculated;
pub use define::{DefinitionInput, MAX_FIELDS, checked_definitions};
pub use definition::{FieldDefinition, FieldType};
pub use validate::{Attached, CheckedValues, Given, Values, missing, validate_values};
