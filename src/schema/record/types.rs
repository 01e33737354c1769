//! The record's types.

pub use super::{
    entry::{ClinicalRecord, RecordEntry, RecordEntryConnection, RecordEntryInput, RecordEntryStatus},
    template::{RecordTemplate, RecordTemplateConnection, RecordTemplateInput},
};
