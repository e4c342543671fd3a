//! Prefixes for clients that are routers themselves, RFC 8415 §6.3: of `2001:db8:100::/40` each of 65 536 clients has a /56, and the
//! hosts behind a client have the addresses that begin with it.

use std::fmt;
use std::net::Ipv6Addr;

use super::{Prefix, Range6};

/// A range that is cut into prefixes of one length, one for each number of so many bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delegation {
    range: Range6,
    length: u8,
}

impl Delegation {
    /// The shortest and the longest prefix that a client has: a site's (RFC 6177 §2) and a single link's.
    const LENGTHS: [u8; 2] = [48, Prefix::BITS];

    /// Cuts `range` for clients whose numbers have so many bits; nothing if their prefixes would be none that a site can have.
    pub fn new(range: Range6, number_bits: u8) -> Option<Self> {
        let [shortest, longest] = Self::LENGTHS;
        let length = range.prefix().saturating_add(number_bits);
        (shortest..=longest).contains(&length).then_some(Self { range, length })
    }

    /// The shortest and the longest range that can be cut for so many.
    pub fn range_lengths(number_bits: u8) -> [u8; 2] {
        Self::LENGTHS.map(|length| length.saturating_sub(number_bits))
    }

    /// All of it.
    pub fn range(&self) -> Range6 {
        self.range
    }

    /// How long each prefix is.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// How far the second four octets of an address are shifted to the right for [`Delegated::number`].
    pub(crate) fn number_shift(&self) -> u32 {
        rest(self.length)
    }

    /// The `number`th prefix, counted from zero.
    pub fn nth(&self, number: u32) -> Delegated {
        let Prefix(network) = Prefix::of(self.range.network());
        let prefix = Prefix(network.saturating_add(u64::from(number) << rest(self.length)));
        Delegated { prefix, length: self.length }
    }

    /// The prefix that `address` begins with, if that is one of these.
    pub fn of(&self, address: Ipv6Addr) -> Option<Delegated> {
        let Prefix(bits) = Prefix::of(address);
        let prefix = Prefix(bits >> rest(self.length) << rest(self.length));
        self.range.contains(address).then_some(Delegated { prefix, length: self.length })
    }
}

/// What all addresses behind one client begin with: 48 to 64 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delegated {
    prefix: Prefix,
    length: u8,
}

impl Delegated {
    /// Its first 64 bits: no other prefix of any pool begins with the same.
    pub fn first(self) -> Prefix {
        self.prefix
    }

    /// The address with these bits and zeros.
    pub fn network(self) -> Ipv6Addr {
        self.prefix.network()
    }

    /// How long it is.
    pub fn length(self) -> u8 {
        self.length
    }

    /// Tells whether `address` lies behind the client.
    pub fn contains(self, address: Ipv6Addr) -> bool {
        let (Prefix(own), Prefix(other)) = (self.prefix, Prefix::of(address));
        (own ^ other) >> rest(self.length) == 0
    }

    /// Returns its bits from the 33rd on, the last of which tell the prefixes of a pool apart.
    pub fn number(self) -> u32 {
        self.prefix.number() >> rest(self.length)
    }
}

impl fmt::Display for Delegated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network(), self.length)
    }
}

impl fmt::Debug for Delegated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How many of the first 64 bits do not belong to a prefix of that length: at most 16.
fn rest(length: u8) -> u32 {
    Prefix::BITS.saturating_sub(length).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_is_cut_as_wide_as_it_goes() {
        let cut = |range: &str, bits| Delegation::new(range.parse().unwrap(), bits);
        let delegation = cut("2001:db8:100::/40", 16).unwrap();
        assert_eq!(delegation.nth(0x0207).to_string(), "2001:db8:102:700::/56");
        assert_eq!(delegation.nth(0xffff).to_string(), "2001:db8:1ff:ff00::/56");
        assert_eq!(cut("2001:db8::/48", 8).unwrap().nth(7).to_string(), "2001:db8:0:700::/56");
        assert_eq!(cut("2001:db8::/48", 16).unwrap().nth(7).to_string(), "2001:db8:0:7::/64");
        assert_eq!(cut("2001:db8::/32", 16).unwrap().nth(7).to_string(), "2001:db8:7::/48");
        assert_eq!((cut("2001:db8::/49", 16), cut("2001:d00::/31", 16)), (None, None));
        assert_eq!(Delegation::range_lengths(16), [32, 48]);
    }

    #[test]
    fn an_address_is_behind_one_client() {
        let delegation = Delegation::new("2001:db8:100::/40".parse().unwrap(), 16).unwrap();
        let own = delegation.nth(7);
        for address in ["2001:db8:100:700::", "2001:db8:100:7ff:ffff:ffff:ffff:ffff", "2001:db8:100:742::1"] {
            assert_eq!(delegation.of(ip(address)), Some(own), "{address}");
            assert!(own.contains(ip(address)), "{address}");
        }
        for address in ["2001:db8:100:6ff::1", "2001:db8:100:800::", "2001:db9:100:700::1"] {
            assert_ne!(delegation.of(ip(address)), Some(own), "{address}");
            assert!(!own.contains(ip(address)), "{address}");
        }
        assert_eq!(delegation.of(ip("2001:db8:200::")), None);
        assert_eq!(own.number(), 0x0001_0007);
    }
}
