//! [`Columns`]: reads a wide row by position. Looking columns up by their names costs more than the rest of a read.

use sea_orm::{DbErr, QueryResult, TryGetable};

/// Reads columns from left to right.
pub(in crate::domain) struct Columns<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl<'a> Columns<'a> {
    pub(in crate::domain) fn of(row: &'a QueryResult) -> Self {
        Self { row, next: 0 }
    }

    pub(in crate::domain) fn take<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let at = self.next;
        self.next += 1;
        self.row.try_get_by_index(at)
    }

    /// Leaves so many out.
    pub(in crate::domain) fn skip(&mut self, columns: usize) {
        self.next += columns;
    }
}
