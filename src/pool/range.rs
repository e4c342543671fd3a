//! An IPv4 range as operators write it, RFC 4632 §3.1: `10.20.0.0/16`.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Consecutive IPv4 addresses that share a prefix. The host bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    network: Ipv4Addr,
    prefix: u8,
}

impl Range {
    /// Returns the lowest address, which names the network.
    pub fn network(&self) -> Ipv4Addr {
        self.network
    }

    /// Returns the number of leading bits that all addresses share, 0 to 32.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Returns the netmask, e.g. `255.255.0.0` for a /16.
    pub fn netmask(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask(self.prefix))
    }

    /// Returns the highest address, which is the range's broadcast address.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | !mask(self.prefix))
    }

    /// Returns the first usable address: in a pool, the server's own.
    pub fn server(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits().saturating_add(1))
    }

    /// Tells whether `address` lies within.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.network.to_bits()
    }

    /// Tells whether the two ranges have an address in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }

    /// Returns how many bits tell its addresses apart.
    pub fn host_bits(&self) -> u8 {
        32_u8.saturating_sub(self.prefix)
    }

    /// Returns how many addresses can be handed to clients: all but network, server and broadcast.
    pub fn clients(&self) -> u32 {
        (!mask(self.prefix)).saturating_sub(2)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl FromStr for Range {
    type Err = NotARange<Self>;

    fn from_str(text: &str) -> Result<Self, NotARange<Self>> {
        let (address, prefix) = text.split_once('/').ok_or(NotARange::Syntax)?;
        let address: Ipv4Addr = address.parse().map_err(|_| NotARange::Syntax)?;
        let prefix = prefix_length(prefix, 32).ok_or(NotARange::Syntax)?;
        let network = Ipv4Addr::from_bits(address.to_bits() & mask(prefix));
        let range = Self { network, prefix };
        if network == address { Ok(range) } else { Err(NotARange::HostBits(range)) }
    }
}

/// Why a text is not a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotARange<R> {
    /// Not an address, a slash and a number.
    Syntax,
    /// The address has bits set beyond the prefix; the range that was probably meant.
    HostBits(R),
}

/// The number of leading bits, as written in decimal. `parse` alone would take "+16" and "016".
pub(super) fn prefix_length(text: &str, most: u8) -> Option<u8> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|prefix| plain && *prefix <= most)
}

fn mask(prefix: u8) -> u32 {
    // A shift by 32 (a prefix of 0) has no result: the mask is empty.
    u32::MAX.checked_shl(u32::from(32_u8.saturating_sub(prefix))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_last_and_size() {
        let range: Range = "10.20.0.0/16".parse().unwrap();
        assert_eq!(range.network(), Ipv4Addr::new(10, 20, 0, 0));
        assert_eq!(range.server(), Ipv4Addr::new(10, 20, 0, 1));
        assert_eq!(range.broadcast(), Ipv4Addr::new(10, 20, 255, 255));
        assert_eq!(range.netmask(), Ipv4Addr::new(255, 255, 0, 0));
        assert_eq!(range.clients(), 65_533);
        assert_eq!(range.to_string(), "10.20.0.0/16");
        assert_eq!("192.0.2.4/30".parse::<Range>().unwrap().clients(), 1);
        assert_eq!("192.0.2.4/31".parse::<Range>().unwrap().clients(), 0);
        assert_eq!("192.0.2.4/32".parse::<Range>().unwrap().clients(), 0);
    }

    #[test]
    fn everything_is_a_range_too() {
        let all: Range = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains(Ipv4Addr::BROADCAST));
        assert_eq!(all.netmask(), Ipv4Addr::UNSPECIFIED);
    }

    #[test]
    fn refuses_what_is_not_a_range() {
        for text in
            ["", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0/8", "::/0"]
        {
            assert_eq!(text.parse::<Range>(), Err(NotARange::Syntax), "{text}");
        }
        let meant: Range = "10.20.0.0/16".parse().unwrap();
        assert_eq!("10.20.0.1/16".parse::<Range>(), Err(NotARange::HostBits(meant)));
    }

    #[test]
    fn overlap_is_mutual_containment() {
        let range = |text: &str| text.parse::<Range>().unwrap();
        assert!(range("10.0.0.0/8").overlaps(&range("10.20.0.0/16")));
        assert!(range("10.20.0.0/16").overlaps(&range("10.0.0.0/8")));
        assert!(!range("10.20.0.0/16").overlaps(&range("10.21.0.0/16")));
    }
}
