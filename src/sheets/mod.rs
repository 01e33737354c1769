//! Spreadsheets: rows of text out of XLSX and CSV files, and rows of text into XLSX files. Both a row at a time, within
//! bounds that no file can leave, however it was made.
//!
//! What the rows mean does not belong here, and neither does where the files lie. Reading blocks: call it where that may
//! happen.

mod read;
mod separated;
mod text;
mod write;
mod xlsx;

pub use read::{Bounds, Format, Layout, Row, SheetError, Sink, read};
pub use write::SheetWriter;
