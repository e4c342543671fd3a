//! What a client has inside: an IPv4 address, the prefix of its IPv6 addresses, and one for the hosts behind it.

use std::fmt;
use std::net::Ipv4Addr;

use crate::pool::{Delegated, Prefix};

/// One of the three, by which packets down find their session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Inside {
    /// Its address.
    V4(Ipv4Addr),
    /// What all of its addresses begin with.
    V6(Prefix),
    /// What all addresses behind it begin with.
    Delegated(Delegated),
}

impl Inside {
    /// The number by which the kernel knows its packets: 32 bits that stand in their destination.
    pub fn number(self) -> u32 {
        match self {
            Self::V4(address) => address.to_bits(),
            Self::V6(prefix) => prefix.number(),
            Self::Delegated(prefix) => prefix.number(),
        }
    }
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(prefix) => prefix.fmt(f),
            Self::Delegated(prefix) => prefix.fmt(f),
        }
    }
}
