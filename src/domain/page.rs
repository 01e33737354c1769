//! Keyset pages: stable under inserts, at most a hundred rows, one statement each, and one more for who asks how many
//! rows there are in all.

use std::{collections::HashMap, hash::Hash};

use sea_orm::{FromQueryResult, Value};

use super::refusal::{Failure, Refusal};
use crate::db::{Sql, TenantTx};

/// Most rows of a page.
pub const MAX_PAGE: i32 = 100;

/// How far the rows of a list are counted: what a longer list has in all is not told.
pub const MAX_COUNT: i32 = 10_000;

/// The statement that counts a list, from that of its pages: both have the same filter, and see the same.
macro_rules! counting {
    ($page:expr) => {
        concat!("SELECT count(*)::int FROM (", $page, ") counted")
    };
}
pub(in crate::domain) use counting;

/// The statements of a list.
#[derive(Clone, Copy, Debug)]
pub(in crate::domain) struct Statements {
    /// Its pages in its order …
    pub forwards: Sql,
    /// … and against it.
    pub backwards: Sql,
    /// Made with [`counting`].
    pub count: Sql,
}

/// Which part of an ordered list is wanted. `K` is the order's key; the last part of a key is always an id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest<K> {
    /// How many, 1 to [`MAX_PAGE`].
    pub limit: i64,
    /// Forwards from the key, or backwards.
    pub backwards: bool,
    /// Rows strictly behind this key (before it, when going backwards).
    pub from: Option<K>,
    /// Whether somebody asks how many rows there are in all.
    pub counted: bool,
}

/// A part of a list, in the list's order.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Whether there are more behind.
    pub has_next: bool,
    /// Whether there are more before.
    pub has_previous: bool,
    /// How many rows the list has, if somebody asked and it has at most [`MAX_COUNT`].
    pub total: Option<i32>,
}

impl<T> Page<T> {
    /// The same page of what the rows stand for.
    #[must_use]
    pub fn map<U>(self, read: impl FnMut(T) -> U) -> Page<U> {
        let Self { rows, has_next, has_previous, total } = self;
        Page { rows: rows.into_iter().map(read).collect(), has_next, has_previous, total }
    }

    /// The same where a row may be none that can be read.
    ///
    /// # Errors
    /// The first that `read` fails with.
    pub fn try_map<U, E>(self, read: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let Self { rows, has_next, has_previous, total } = self;
        let rows = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Page { rows, has_next, has_previous, total })
    }
}

impl<K> PageRequest<K> {
    /// The first rows of a list.
    #[must_use]
    pub fn first(limit: i64) -> Self {
        Self { limit, backwards: false, from: None, counted: false }
    }

    /// From the API's four arguments, with keys already opened.
    ///
    /// # Errors
    /// Not exactly one of first and last, or one out of bounds, or a cursor that fits the other direction.
    pub fn try_new(
        first: Option<i32>,
        after: Option<K>,
        last: Option<i32>,
        before: Option<K>,
    ) -> Result<Self, Refusal> {
        let bounded = |n: i32, field: &str| {
            if (1..=MAX_PAGE).contains(&n) {
                Ok(i64::from(n))
            } else {
                Err(Refusal::invalid(field, format!("ask for 1 to {MAX_PAGE} rows at a time, not {n}")))
            }
        };
        match (first, last) {
            (Some(first), None) if before.is_none() => {
                Ok(Self { limit: bounded(first, "first")?, backwards: false, from: after, counted: false })
            }
            (None, Some(last)) if after.is_none() => {
                Ok(Self { limit: bounded(last, "last")?, backwards: true, from: before, counted: false })
            }
            (Some(_), Some(_)) => Err(Refusal::invalid("last", "give first or last, not both")),
            (None, None) => {
                Err(Refusal::required("first", format!("say how many rows you want: first or last, 1 to {MAX_PAGE}")))
            }
            (Some(_), None) => Err(Refusal::invalid("before", "before goes with last, after with first")),
            (None, Some(_)) => Err(Refusal::invalid("after", "after goes with first, before with last")),
        }
    }

    /// How many rows to ask the database for: one more than wanted tells whether there are more.
    #[must_use]
    pub fn fetch(&self) -> i64 {
        self.limit + 1
    }

    /// The page from the rows fetched in the direction of travel.
    #[must_use]
    pub fn page<T>(&self, mut rows: Vec<T>) -> Page<T> {
        let more = i64::try_from(rows.len()).is_ok_and(|found| found > self.limit);
        rows.truncate(usize::try_from(self.limit).unwrap_or_default());
        if self.backwards {
            rows.reverse();
            Page { rows, has_next: self.from.is_some(), has_previous: more, total: None }
        } else {
            Page { rows, has_next: more, has_previous: self.from.is_some(), total: None }
        }
    }

    /// The same page of the lists of several owners, from all their rows in the direction of travel, and how many each
    /// list has, in the order of the owners: none if nobody asked. Rows of anybody else are left out.
    #[must_use]
    pub(in crate::domain) fn pages<O: Copy + Eq + Hash, T>(
        &self,
        owners: Vec<O>,
        totals: Vec<i32>,
        rows: impl IntoIterator<Item = (O, T)>,
    ) -> HashMap<O, Page<T>> {
        let mut lists: HashMap<O, Vec<T>> = owners.iter().map(|owner| (*owner, Vec::new())).collect();
        for (owner, row) in rows {
            if let Some(list) = lists.get_mut(&owner) {
                list.push(row);
            }
        }
        let totals: HashMap<O, i32> = owners.into_iter().zip(totals).collect();
        let total = |owner| totals.get(&owner).copied().and_then(known);
        lists.into_iter().map(|(owner, rows)| (owner, Page { total: total(owner), ..self.page(rows) })).collect()
    }

    /// The page of a list that has nothing for this caller.
    #[must_use]
    pub fn empty<T>(&self) -> Page<T> {
        Page { total: self.counted.then_some(0), ..self.page(Vec::new()) }
    }

    /// The whole list as far as it is counted: from the front, and one row more, which tells that there are too many.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self::first(i64::from(MAX_COUNT))
    }

    /// The page of a list, and how many rows it has if somebody asked.
    ///
    /// # Errors
    /// Faults of the database.
    pub(in crate::domain) async fn read<R: FromQueryResult, V: IntoIterator<Item = Value>>(
        &self,
        tx: &TenantTx,
        list: Statements,
        values: impl Fn(&Self) -> V,
    ) -> Result<Page<R>, Failure> {
        let sql = if self.backwards { list.backwards } else { list.forwards };
        let rows = tx.all(sql, values(self)).await?;
        let total = self.total(tx, list.count, values).await?;
        Ok(Page { total, ..self.page(rows) })
    }

    /// How many rows the list has, if somebody asked: by a statement made with [`counting`], and the values that it has
    /// for a page.
    ///
    /// # Errors
    /// Faults of the database.
    pub(in crate::domain) async fn total<V: IntoIterator<Item = Value>>(
        &self,
        tx: &TenantTx,
        sql: Sql,
        values: impl Fn(&Self) -> V,
    ) -> Result<Option<i32>, Failure> {
        if !self.counted {
            return Ok(None);
        }
        Ok(tx.scalar(sql, values(&self.whole())).await?.and_then(known))
    }
}

/// A number of rows that counting came to, if it came to the end.
pub(in crate::domain) fn known(counted: i32) -> Option<i32> {
    (counted <= MAX_COUNT).then_some(counted)
}
