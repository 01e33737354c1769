//! Every column that holds sealed values, in one place: what a change of keys goes over. A test compares it with the
//! columns called `…_sealed` that the database has.

use crate::db::Sql;

/// A column of sealed values.
#[derive(Clone, Copy, Debug)]
pub struct SealedColumn {
    /// Table.
    pub table: &'static str,
    /// Column.
    pub column: &'static str,
    /// The column of the row's id; an index begins with it.
    pub row: &'static str,
    /// The column that tells the values of one object apart; empty: a row is an object.
    pub field: &'static str,
    /// The values sealed with older versions than $1, behind the place ($2, $3), $4 of them.
    pub(super) older: Sql,
    /// How many values are sealed with older versions than $1, and how many there are in all.
    pub(super) count: Sql,
}

/// `sealed!("table", "column" of "row")`, or with a second column where several rows are one object's.
macro_rules! sealed {
    ($table:literal, $column:literal of $row:literal) => {
        sealed!(@ $table, $column, $row, "", "''", "id > $2 AND $3 = ''")
    };
    ($table:literal, $column:literal of $row:literal, $field:literal) => {
        sealed!(@ $table, $column, $row, $field, $field, "(id, field) > ($2, $3)")
    };
    (@ $table:literal, $column:literal, $row:literal, $field:literal, $field_sql:literal, $behind:literal) => {
        SealedColumn {
            table: $table,
            column: $column,
            row: $row,
            field: $field,
            older: concat!(
                "SELECT id, field, sealed FROM (SELECT ", $row, " AS id, ", $field_sql, " AS field, ", $column, " AS sealed FROM ", $table,
                ") v WHERE sealed IS NOT NULL AND sealed_version(sealed) < $1 AND ", $behind, " ORDER BY id, field LIMIT $4"
            ),
            count: concat!(
                "SELECT count(*) FILTER (WHERE sealed_version(", $column, ") < $1) AS older, count(", $column, ") AS total FROM ", $table
            ),
        }
    };
}

/// All of them.
pub const COLUMNS: &[SealedColumn] = &[
    sealed!("record_values", "value_sealed" of "entry_id", "field_key"),
    sealed!("record_entries", "amendment_reason_sealed" of "id"),
    sealed!("record_entries", "void_reason_sealed" of "id"),
    sealed!("patient_values", "value_sealed" of "patient_id", "field_key"),
];
