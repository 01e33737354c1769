//! Connections: pages of lists, as the contract shapes them.

use async_graphql::{Context, SimpleObject};
use serde::{Serialize, de::DeserializeOwned};

use super::request::Reader;
use crate::{
    auth::{SealedKind, alarm},
    domain::{
        page::{Page, PageRequest},
        refusal::Refusal,
    },
};

/// Where a page is in its list.
#[derive(SimpleObject, Clone, Debug)]
pub struct PageInfo {
    /// Whether there are rows behind this page.
    pub has_next_page: bool,
    /// Whether there are rows before this page.
    pub has_previous_page: bool,
    /// Cursor of the page's first row.
    pub start_cursor: Option<String>,
    /// Cursor of the page's last row.
    pub end_cursor: Option<String>,
}

/// The four arguments of every connection.
#[derive(Clone, Debug, Default)]
pub struct PageArguments {
    /// Rows from the front.
    pub first: Option<i32>,
    /// … behind this cursor.
    pub after: Option<String>,
    /// Rows from the back.
    pub last: Option<i32>,
    /// … before this cursor.
    pub before: Option<String>,
}

impl PageArguments {
    /// Opens the cursors of a list called `list`; another list's cursor is refused. The list is counted if the client
    /// selects `totalCount` of it.
    ///
    /// # Errors
    /// Numbers out of bounds, words that are no cursor of this list.
    pub fn open<K: DeserializeOwned>(
        self,
        ctx: &Context<'_>,
        reader: &Reader,
        list: &str,
    ) -> Result<PageRequest<K>, Refusal> {
        let after = self.after.map(|word| open(reader, list, &word, "after")).transpose()?;
        let before = self.before.map(|word| open(reader, list, &word, "before")).transpose()?;
        let counted = ctx.look_ahead().field("totalCount").exists();
        Ok(PageRequest { counted, ..PageRequest::try_new(self.first, after, self.last, before)? })
    }
}

fn open<K: DeserializeOwned>(reader: &Reader, list: &str, word: &str, field: &str) -> Result<K, Refusal> {
    let refusal = || Refusal::invalid(field, "this is not a cursor of this list; take it from pageInfo or an edge");
    let body = reader.cx.seal.open(SealedKind::Page, word).ok_or_else(refusal)?;
    let (kind, tenant, key): (String, i32, K) = serde_json::from_slice(&body).map_err(|_| refusal())?;
    if tenant != reader.actor.tenant.key {
        alarm::tenant_mismatch("page");
        return Err(refusal());
    }
    if kind == list { Ok(key) } else { Err(refusal()) }
}

/// The cursor of a row with this key.
#[must_use]
pub fn cursor<K: Serialize>(reader: &Reader, list: &str, key: &K) -> String {
    let body = serde_json::to_vec(&(list, reader.actor.tenant.key, key)).unwrap_or_default();
    reader.cx.seal.seal(SealedKind::Page, &body)
}

/// The page's info, given the cursors of its rows.
#[must_use]
pub fn page_info<T>(page: &Page<T>, cursors: &[String]) -> PageInfo {
    PageInfo {
        has_next_page: page.has_next,
        has_previous_page: page.has_previous,
        start_cursor: cursors.first().cloned(),
        end_cursor: cursors.last().cloned(),
    }
}

/// Defines `XEdge` and `XConnection` for a node type, and `XConnection::new(reader, list, page, key, node)`.
macro_rules! connection {
    ($connection:ident, $edge:ident, $node:ty, $what:literal) => {
        #[doc = concat!("One of ", $what, ", and where it is in the list.")]
        #[derive(async_graphql::SimpleObject, Clone, Debug)]
        pub struct $edge {
            /// Give it as `after` or `before` to go on from here.
            pub cursor: String,
            /// The object.
            pub node: $node,
        }

        #[doc = concat!("A page of ", $what, ".")]
        #[derive(async_graphql::SimpleObject, Clone, Debug)]
        pub struct $connection {
            /// The objects with their cursors.
            pub edges: Vec<$edge>,
            /// The objects.
            pub nodes: Vec<$node>,
            /// Where this page is in its list.
            pub page_info: $crate::schema::page::PageInfo,
            /// How many there are in all, on this page and beside it; null when there are more than 10 000. Counted
            /// only when it is asked for.
            pub total_count: Option<i32>,
        }

        impl $connection {
            /// From rows in the list's order; `key` is what the list is ordered by, `node` makes the API's object.
            pub fn new<T, K: serde::Serialize>(
                reader: &$crate::schema::request::Reader,
                list: &str,
                page: $crate::domain::page::Page<T>,
                key: impl Fn(&T) -> K,
                node: impl Fn(T) -> $node,
            ) -> Self {
                let cursors: Vec<String> =
                    page.rows.iter().map(|row| $crate::schema::page::cursor(reader, list, &key(row))).collect();
                let page_info = $crate::schema::page::page_info(&page, &cursors);
                let total_count = page.total;
                let nodes: Vec<$node> = page.rows.into_iter().map(node).collect();
                let edges = cursors
                    .into_iter()
                    .zip(nodes.iter().cloned())
                    .map(|(cursor, node)| $edge { cursor, node })
                    .collect();
                Self { edges, nodes, page_info, total_count }
            }
        }
    };
}
pub(crate) use connection;
