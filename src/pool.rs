//! Address pools: which inner address each client has.
//!
//! A pool hands out the addresses it has never handed out before it hands out one that came back, and of
//! those the one that has rested longest: a client that lost its connection is unlikely to find its address
//! in other hands. With several shards an address of the client's own shard comes first, since the kernel brings its packets there
//! (`crate::datapath::Shards`). No operation looks at more than one address of each shard, however large the pool or however full.

mod delegation;
mod outlying;
mod range;
mod range6;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::datapath::{ShardId, Shards};
pub use delegation::{Delegated, Delegation};
use outlying::Outlying;
pub use outlying::outlying;
pub use range::{NotARange, Range};
pub use range6::{Prefix, Range6};

/// A named range of client addresses, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The operator's name for it.
    pub name: String,
    /// Its addresses; the first usable one is the server's.
    pub range: Range,
    /// Where its clients' IPv6 prefixes come from, if they have IPv6. Each goes with an address and has its number, so that whoever has
    /// the one has the other: both are leased, kept and found again together.
    pub range6: Option<Range6>,
    /// Where the prefixes come from that are delegated to those of them that are routers. They go with an address in the same way.
    pub delegate: Option<Delegation>,
}

impl Pool {
    /// The prefix that goes with an address of the pool.
    pub fn prefix_of(&self, address: Ipv4Addr) -> Option<Prefix> {
        Some(self.range6?.nth(self.number_of(address)?))
    }

    /// The prefix that may be delegated to whoever has an address of the pool.
    pub fn delegated_of(&self, address: Ipv4Addr) -> Option<Delegated> {
        Some(self.delegate?.nth(self.number_of(address)?))
    }

    /// The server's own prefix.
    pub fn server_prefix(&self) -> Option<Prefix> {
        self.prefix_of(self.range.server())
    }

    /// Everything of IPv6 that its clients, and hosts behind them, have addresses of.
    pub fn ranges6(&self) -> impl Iterator<Item = Range6> {
        self.range6.into_iter().chain(self.delegate.map(|delegate| delegate.range()))
    }

    fn number_of(&self, address: Ipv4Addr) -> Option<u32> {
        address.to_bits().checked_sub(self.range.network().to_bits())
    }
}

/// What is free and what is in use in every pool, and outside of them.
#[derive(Debug)]
pub struct Pools {
    spaces: Vec<Space>,
    outlying: Outlying,
}

impl Pools {
    /// Makes all addresses of `pools` available. The ranges do not overlap (`Config` has checked that).
    pub fn new(pools: &[Pool], shards: Shards) -> Self {
        let spaces = pools.iter().map(|pool| Space::new(pool, shards)).collect();
        Self { spaces, outlying: Outlying::default() }
    }

    /// Hands out an address of the pool `name` to a client at `shard`; `None` when none is left or no pool has that name.
    pub fn lease(&mut self, name: &str, shard: ShardId) -> Option<Ipv4Addr> {
        self.spaces.iter_mut().find(|space| space.pool.name == name)?.lease(shard)
    }

    /// Hands out an address of the first pool, in the order of the configuration, that has one left.
    pub fn lease_any(&mut self, shard: ShardId) -> Option<Ipv4Addr> {
        self.spaces.iter_mut().find_map(|space| space.lease(shard))
    }

    /// Hands out `address`, which was handed out and came back before, if it is free; false if it is not.
    pub fn lease_again(&mut self, address: Ipv4Addr) -> bool {
        match self.place_of(address) {
            Place::Pool(space, offset) => space.lease_again(offset),
            Place::Outside(_) | Place::Nobodys => false,
        }
    }

    /// Takes `address` out of what `lease` hands out, for the one account it is configured for; it may lie outside of every pool.
    ///
    /// False when it is in use: then it is reserved once that comes back; or if it is one of a pool that no client can have.
    pub fn reserve(&mut self, address: Ipv4Addr) -> bool {
        match self.place_of(address) {
            Place::Pool(space, offset) => space.reserve(offset),
            Place::Outside(outlying) => outlying.reserve(address),
            Place::Nobodys => false,
        }
    }

    /// Lets `lease` hand out `address` again, which was reserved.
    pub fn give_back(&mut self, address: Ipv4Addr) {
        match self.place_of(address) {
            Place::Pool(space, offset) => space.give_back(offset),
            Place::Outside(outlying) => outlying.give_back(address),
            Place::Nobodys => {}
        }
    }

    /// Hands out a reserved address; false when it is in use or was never reserved.
    pub fn claim(&mut self, address: Ipv4Addr) -> bool {
        match self.place_of(address) {
            Place::Pool(space, offset) => space.claim(offset),
            Place::Outside(outlying) => outlying.claim(address),
            Place::Nobodys => false,
        }
    }

    /// Takes back what `lease` or `claim` handed out; false when it was not handed out.
    pub fn release(&mut self, address: Ipv4Addr) -> bool {
        match self.place_of(address) {
            Place::Pool(space, offset) => space.release(offset),
            Place::Outside(outlying) => outlying.release(address),
            Place::Nobodys => false,
        }
    }

    /// Returns the server's own address in the pool that `client` belongs to, if it belongs to one.
    pub fn server_address(&self, client: Ipv4Addr) -> Option<Ipv4Addr> {
        let space = self.spaces.iter().find(|space| space.pool.range.contains(client))?;
        Some(space.pool.range.server())
    }

    /// Returns the name of the pool that an address is from, if it is from one.
    pub fn name_of(&self, client: Ipv4Addr) -> Option<&str> {
        Some(&self.spaces.iter().find(|space| space.pool.range.contains(client))?.pool.name)
    }

    /// Returns the IPv6 prefix that goes with a client's address, if there is one.
    pub fn prefix_of(&self, client: Ipv4Addr) -> Option<Prefix> {
        self.spaces.iter().find(|space| space.pool.range.contains(client))?.pool.prefix_of(client)
    }

    /// Returns the IPv6 prefix that may be delegated to a client with that address, if there is one.
    pub fn delegated_of(&self, client: Ipv4Addr) -> Option<Delegated> {
        self.spaces.iter().find(|space| space.pool.range.contains(client))?.pool.delegated_of(client)
    }

    /// Returns each pool, how many addresses are in use, and how many it has for clients.
    pub fn usage(&self) -> impl Iterator<Item = (&Pool, u32, u32)> {
        self.spaces.iter().map(|space| (&space.pool, space.in_use, space.pool.range.clients()))
    }

    /// Returns how many addresses outside of every pool are in use, and how many are reserved.
    pub fn outlying(&self) -> (usize, usize) {
        self.outlying.usage()
    }

    fn place_of(&mut self, address: Ipv4Addr) -> Place<'_> {
        match self.spaces.iter_mut().find(|space| space.pool.range.contains(address)) {
            Some(space) => match space.offset(address) {
                Some(offset) => Place::Pool(space, offset),
                None => Place::Nobodys,
            },
            None => Place::Outside(&mut self.outlying),
        }
    }
}

/// Where an address lies.
enum Place<'a> {
    Pool(&'a mut Space, u32),
    Outside(&'a mut Outlying),
    /// A pool's network, broadcast or server's address.
    Nobodys,
}

/// One pool. An *offset* counts client addresses from the one after the server's.
#[derive(Debug)]
struct Space {
    pool: Pool,
    shards: Shards,
    /// What each shard has left.
    free: Vec<Free>,
    /// How many have come back.
    returns: u64,
    reserved: BTreeSet<u32>,
    /// One bit an offset: in use. Grows with what is handed out, so an idle /8 costs nothing.
    taken: Vec<u64>,
    in_use: u32,
}

/// Addresses of one shard that nobody has.
#[derive(Debug)]
struct Free {
    /// The next offset that was never handed out or passed over.
    fresh: u32,
    /// Offsets below `fresh` that came back, by when, and when each did.
    rested: BTreeMap<u64, u32>,
    rested_since: BTreeMap<u32, u64>,
}

impl Space {
    fn new(pool: &Pool, shards: Shards) -> Self {
        let mut space = Self {
            pool: pool.clone(),
            shards,
            free: Vec::new(),
            returns: 0,
            reserved: BTreeSet::new(),
            taken: Vec::new(),
            in_use: 0,
        };
        let count = shards.count().get();
        let first = |shard| (0..count).find(|offset| space.shard_of(*offset) == shard).unwrap_or(u32::MAX);
        let fresh: Vec<u32> = shards.iter().map(first).collect();
        let free = |fresh| Free { fresh, rested: BTreeMap::new(), rested_since: BTreeMap::new() };
        space.free = fresh.into_iter().map(free).collect();
        space
    }

    /// One of the shard's own, or one of any other's.
    fn lease(&mut self, shard: ShardId) -> Option<Ipv4Addr> {
        let others = self.shards.iter().filter(|other| *other != shard);
        let offset = std::iter::once(shard).chain(others).find_map(|shard| self.next_of(shard))?;
        self.take(offset);
        Some(self.address(offset))
    }

    fn lease_again(&mut self, offset: u32) -> bool {
        let Some(free) = self.free_of(self.shard_of(offset)) else { return false };
        let Some(since) = free.rested_since.remove(&offset) else { return false };
        free.rested.remove(&since);
        self.take(offset);
        true
    }

    fn reserve(&mut self, offset: u32) -> bool {
        self.reserved.insert(offset);
        if let Some(free) = self.free_of(self.shard_of(offset))
            && let Some(since) = free.rested_since.remove(&offset)
        {
            free.rested.remove(&since);
        }
        !self.is_taken(offset)
    }

    fn give_back(&mut self, offset: u32) {
        if self.reserved.remove(&offset) && !self.is_taken(offset) {
            self.rest(offset);
        }
    }

    fn claim(&mut self, offset: u32) -> bool {
        let free = self.reserved.contains(&offset) && !self.is_taken(offset);
        if free {
            self.take(offset);
        }
        free
    }

    fn release(&mut self, offset: u32) -> bool {
        let (word, bit) = position(offset);
        let Some(word) = self.taken.get_mut(word).filter(|word| **word & bit != 0) else { return false };
        *word &= !bit;
        self.in_use = self.in_use.saturating_sub(1);
        if !self.reserved.contains(&offset) {
            self.rest(offset);
        }
        true
    }

    /// Puts a free offset behind all others, unless its turn is still to come for the first time.
    fn rest(&mut self, offset: u32) {
        let returns = self.returns + 1;
        if let Some(free) = self.free_of(self.shard_of(offset)).filter(|free| offset < free.fresh) {
            free.rested.insert(returns, offset);
            free.rested_since.insert(offset, returns);
            self.returns = returns;
        }
    }

    fn next_of(&mut self, shard: ShardId) -> Option<u32> {
        self.next_fresh(shard).or_else(|| self.next_rested(shard))
    }

    /// Offsets that are, or were, reserved are passed over once in the life of the pool, so this is constant over any number of
    /// leases.
    fn next_fresh(&mut self, shard: ShardId) -> Option<u32> {
        let (clients, step) = (self.pool.range.clients(), self.shards.count().get());
        let free = self.free.get_mut(shard.0 as usize)?;
        while free.fresh < clients {
            let offset = free.fresh;
            free.fresh = offset.saturating_add(step);
            let (word, bit) = position(offset);
            let taken = self.taken.get(word).is_some_and(|word| word & bit != 0);
            if !taken && !self.reserved.contains(&offset) {
                return Some(offset);
            }
        }
        None
    }

    fn next_rested(&mut self, shard: ShardId) -> Option<u32> {
        let free = self.free.get_mut(shard.0 as usize)?;
        let (_, offset) = free.rested.pop_first()?;
        free.rested_since.remove(&offset);
        Some(offset)
    }

    fn shard_of(&self, offset: u32) -> ShardId {
        self.shards.of_number(self.address(offset).to_bits())
    }

    fn free_of(&mut self, shard: ShardId) -> Option<&mut Free> {
        self.free.get_mut(shard.0 as usize)
    }

    fn is_taken(&self, offset: u32) -> bool {
        let (word, bit) = position(offset);
        self.taken.get(word).is_some_and(|word| word & bit != 0)
    }

    fn take(&mut self, offset: u32) {
        let (word, bit) = position(offset);
        if self.taken.len() <= word {
            self.taken.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.taken.get_mut(word) {
            *word |= bit;
        }
        self.in_use = self.in_use.saturating_add(1);
    }

    fn address(&self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.pool.range.server().to_bits().saturating_add(1).saturating_add(offset))
    }

    /// `None` for the network's, the server's and the broadcast address, and for strangers.
    fn offset(&self, address: Ipv4Addr) -> Option<u32> {
        let offset = address.to_bits().checked_sub(self.pool.range.server().to_bits())?.checked_sub(1)?;
        (offset < self.pool.range.clients()).then_some(offset)
    }
}

fn position(offset: u32) -> (usize, u64) {
    let word = usize::try_from(offset / u64::BITS).expect("a 32-bit number fits the address space");
    (word, 1 << (offset % u64::BITS))
}

#[cfg(test)]
mod tests;
