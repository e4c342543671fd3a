//! IPv6 ranges, RFC 4291 §2.3, and the prefixes of clients: `2001:db8:1::/48`, of which each client has 64 bits.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::NotARange;

/// Consecutive IPv6 addresses that share a prefix. The other bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range6 {
    network: Ipv6Addr,
    prefix: u8,
}

impl Range6 {
    /// Returns the lowest address.
    pub fn network(&self) -> Ipv6Addr {
        self.network
    }

    /// Returns the number of leading bits that all addresses share, 0 to 128.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Returns ones in place of the bits that all addresses share.
    pub fn mask(&self) -> u128 {
        mask(self.prefix)
    }

    /// Tells whether `address` lies within.
    pub fn contains(&self, address: Ipv6Addr) -> bool {
        address.to_bits() & self.mask() == self.network.to_bits()
    }

    /// Tells whether the two ranges have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }

    /// Returns the `number`th prefix of 64 bits, counted from zero.
    pub fn nth(&self, number: u32) -> Prefix {
        Prefix::of(self.network).plus(number)
    }

    /// Tells whether it has as many prefixes of 64 bits as there are numbers of so many bits.
    pub fn has_prefixes(&self, bits: u8) -> bool {
        self.prefix.saturating_add(bits) <= Prefix::BITS
    }
}

impl fmt::Display for Range6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl FromStr for Range6 {
    type Err = NotARange<Self>;

    fn from_str(text: &str) -> Result<Self, NotARange<Self>> {
        let (address, prefix) = text.split_once('/').ok_or(NotARange::Syntax)?;
        let address: Ipv6Addr = address.parse().map_err(|_| NotARange::Syntax)?;
        let prefix = super::range::prefix_length(prefix, 128).ok_or(NotARange::Syntax)?;
        let network = Ipv6Addr::from_bits(address.to_bits() & mask(prefix));
        let range = Self { network, prefix };
        if network == address { Ok(range) } else { Err(NotARange::HostBits(range)) }
    }
}

/// The 64 bits that all of one client's addresses begin with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(pub(super) u64);

impl Prefix {
    /// How long it is, RFC 4862 §5.5.3: what remains is an interface identifier.
    pub const BITS: u8 = 64;

    /// What `address` begins with.
    pub fn of(address: Ipv6Addr) -> Self {
        let [a, b, c, d, ..] = address.segments();
        Self([a, b, c, d].into_iter().fold(0, |bits, segment| bits << 16 | u64::from(segment)))
    }

    /// Returns the address with these bits and zeros.
    pub fn network(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(u128::from(self.0) << Self::BITS)
    }

    /// Returns the first address: in a pool's own prefix, the server's.
    pub fn first(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.network().to_bits() | 1)
    }

    /// Returns the lower half of its bits, in which the prefixes of a pool differ.
    pub fn number(self) -> u32 {
        let [.., a, b, c, d] = self.0.to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    fn plus(self, number: u32) -> Self {
        Self(self.0.saturating_add(number.into()))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network(), Self::BITS)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn mask(prefix: u8) -> u128 {
    u128::MAX.checked_shl(u32::from(128_u8.saturating_sub(prefix))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_is_cut_into_prefixes() {
        let range: Range6 = "2001:db8:1::/48".parse().unwrap();
        assert_eq!(range.nth(1).first(), ip("2001:db8:1:1::1"));
        assert_eq!(range.nth(0xfffe).to_string(), "2001:db8:1:fffe::/64");
        assert_eq!(range.nth(0x1_0007).number(), 0x0002_0007);
        assert!(range.has_prefixes(16) && !range.has_prefixes(17));
        assert_eq!(Prefix::of(ip("2001:db8:1:7:a:b:c:d")), range.nth(7));
        assert!(range.contains(ip("2001:db8:1:ffff::1")) && !range.contains(ip("2001:db8:2::")));
    }

    #[test]
    fn refuses_what_is_not_a_range() {
        for text in ["", "::", "::/", "::/129", "::/+8", "::/08", "10.0.0.0/8", "2001:db8/32"] {
            assert_eq!(text.parse::<Range6>(), Err(NotARange::Syntax), "{text}");
        }
        let meant: Range6 = "2001:db8::/32".parse().unwrap();
        assert_eq!("2001:db8::1/32".parse::<Range6>(), Err(NotARange::HostBits(meant)));
        assert!("::/0".parse::<Range6>().unwrap().overlaps(&meant));
    }
}
