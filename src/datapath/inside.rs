//! What a client has inside: an IPv4 address, and the prefix of its IPv6 addresses.

use std::fmt;
use std::net::Ipv4Addr;

use crate::pool::Prefix;

/// One of the two, by which packets down find their session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Inside {
    /// Its address.
    V4(Ipv4Addr),
    /// What all of its addresses begin with.
    V6(Prefix),
}

impl Inside {
    /// The number that decides to which shard the kernel brings its packets: 32 bits that stand in their destination.
    pub fn number(self) -> u32 {
        match self {
            Self::V4(address) => address.to_bits(),
            Self::V6(prefix) => prefix.number(),
        }
    }
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(prefix) => prefix.fmt(f),
        }
    }
}
