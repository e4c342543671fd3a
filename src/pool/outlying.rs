//! Addresses that single accounts have and that lie in no pool: nobody else is ever given one.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::Pool;

/// Those of `addresses` that lie in none of the `pools`.
pub fn outlying(pools: &[Pool], addresses: impl IntoIterator<Item = Ipv4Addr>) -> BTreeSet<Ipv4Addr> {
    let in_pool = |address| pools.iter().any(|pool| pool.range.contains(address));
    addresses.into_iter().filter(|address| !in_pool(*address)).collect()
}

/// Which there are, and which are in use.
#[derive(Debug, Default)]
pub(super) struct Outlying {
    reserved: BTreeSet<Ipv4Addr>,
    taken: BTreeSet<Ipv4Addr>,
}

impl Outlying {
    pub(super) fn reserve(&mut self, address: Ipv4Addr) -> bool {
        self.reserved.insert(address);
        !self.taken.contains(&address)
    }

    pub(super) fn give_back(&mut self, address: Ipv4Addr) {
        self.reserved.remove(&address);
    }

    pub(super) fn claim(&mut self, address: Ipv4Addr) -> bool {
        self.reserved.contains(&address) && self.taken.insert(address)
    }

    pub(super) fn release(&mut self, address: Ipv4Addr) -> bool {
        self.taken.remove(&address)
    }

    /// How many are in use, and how many there are.
    pub(super) fn usage(&self) -> (usize, usize) {
        (self.taken.len(), self.reserved.len())
    }
}
