//! Clients' addresses that lie in none of the pools' networks: one lookup more for a packet where there are any.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::scatter::Table;

/// All of them, whoever's. Made where nobody waits for it, and the same for all shards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outlying(Arc<Table<Ipv4Addr, ()>>);

impl Outlying {
    /// In an empty table, nothing is looked for.
    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        self.0.contains_key(&address)
    }
}

impl FromIterator<Ipv4Addr> for Outlying {
    fn from_iter<I: IntoIterator<Item = Ipv4Addr>>(addresses: I) -> Self {
        Self(Arc::new(addresses.into_iter().map(|address| (address, ())).collect()))
    }
}
