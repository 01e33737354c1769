//! How many sockets there may be: of an address, of a caller, of a centre; and their subscriptions.

/// How many sockets and subscriptions a node has room for.
#[derive(Debug, Clone, Copy)]
pub struct SocketPlaces {
    /// Sockets open on this node at once; one more is refused with 503. Half of them may be nobody's in particular; one
    /// more of those is closed with 1013.
    pub node: usize,
    /// … of one tenant; one more is closed with 1013.
    pub tenant: usize,
    /// … of one caller; one more is closed with 1013.
    pub actor: usize,
    /// … from one address that have not been initialised, or are nobody's in particular; one more is refused with 429.
    pub address: usize,
    /// Subscriptions of one tenant that run at once; one more is answered with an `error`.
    pub subscriptions_of_tenant: usize,
    /// … of one caller.
    pub subscriptions_of_actor: usize,
}

impl Default for SocketPlaces {
    fn default() -> Self {
        Self {
            node: 20_000,
            tenant: 5_000,
            actor: 50,
            address: 500,
            subscriptions_of_tenant: 20_000,
            subscriptions_of_actor: 200,
        }
    }
}

impl SocketPlaces {
    /// Sockets that may be nobody's in particular. They last as long as they answer, so the rest is for who logs in.
    pub(super) fn nobodys(&self) -> usize {
        self.node.div_ceil(2)
    }
}
