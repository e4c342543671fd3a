//! Which shard a packet, an address or a client belongs to: numbers that we choose, modulo the number of shards.
//!
//! The kernel is given the same arithmetic, so that a packet wakes the core that knows it. Who is on
//! the wrong core for any reason (a kernel that does not steer, a user who gets an old address back, two clients that turn out to
//! be one) is handed over: correct, but slower.

use std::num::NonZeroU32;

use ipsec::{PeerId, Spi};

use super::{Inside, Prefixes};

/// One shard's number, below their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);

/// How many shards there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards(NonZeroU32);

impl Shards {
    /// The one thread that does everything.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// `count` shards.
    #[must_use]
    pub const fn new(count: NonZeroU32) -> Self {
        Self(count)
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> NonZeroU32 {
        self.0
    }

    /// Every shard.
    pub fn iter(self) -> impl Iterator<Item = ShardId> {
        (0..self.0.get()).map(ShardId)
    }

    /// Where a client's keys, sessions and counters are. The responder gives its SPIs the same remainder.
    pub(crate) fn of_peer(self, peer: PeerId) -> ShardId {
        let count = u64::from(self.0.get());
        ShardId(u32::try_from(peer.0 % count).expect("a remainder is below its divisor"))
    }

    /// Where the kernel brings ESP packets.
    pub(crate) fn of_spi(self, spi: Spi) -> ShardId {
        ShardId(spi.0 % self.0.get())
    }

    /// Where the kernel brings packets to a client.
    pub(crate) fn of_inside(self, inside: Inside, prefixes: &Prefixes) -> ShardId {
        self.of_number(prefixes.number(inside))
    }

    /// The same of one with that number.
    pub(crate) fn of_number(self, number: u32) -> ShardId {
        ShardId(number % self.0.get())
    }
}
