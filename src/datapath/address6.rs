//! The IPv6 header fields that the data path reads.

use std::net::Ipv6Addr;
use std::ops::Range;

/// What the data path wants to know of an IPv6 packet, RFC 8200 §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ipv6 {
    pub(super) source: Ipv6Addr,
    pub(super) destination: Ipv6Addr,
    /// Header and payload: what follows them in a buffer is padding.
    pub(super) len: usize,
    /// What stands behind the header: a transport, or an extension header.
    pub(super) next_header: u8,
}

impl Ipv6 {
    /// Reads the header of `packet`, or `None` if it is no whole IPv6 packet.
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        let (header, _) = packet.split_first_chunk::<HEADER_LEN>()?;
        let [version, _, _, _, l0, l1, next_header, _, addresses @ ..] = header;
        let (source, destination) = addresses.split_first_chunk::<16>()?;
        let len = HEADER_LEN + usize::from(u16::from_be_bytes([*l0, *l1]));
        (version >> 4 == 6 && len <= packet.len()).then_some(Self {
            source: Ipv6Addr::from(*source),
            destination: Ipv6Addr::from(*destination.first_chunk::<16>()?),
            len,
            next_header: *next_header,
        })
    }

    /// Where the TCP segment is, if there is one: behind an extension header there hardly ever is, and none is looked for.
    pub(super) fn tcp(&self) -> Option<Range<usize>> {
        (self.next_header == TCP).then_some(HEADER_LEN..self.len)
    }

    /// Whether it is for us as the client's neighbour, if the client sent it: the link itself is its destination.
    pub(super) fn is_on_link(&self) -> bool {
        self.destination.is_multicast() || self.destination.is_unicast_link_local()
    }

    /// What of that could have an answer: router and neighbour solicitations, pings, DHCPv6. The rest (who listens to which group, names
    /// of printers) concerns nobody.
    pub(super) fn may_be_answered(&self, packet: &[u8]) -> bool {
        match (self.next_header, packet.get(HEADER_LEN..)) {
            (ICMPV6, Some([128 | 133 | 135, ..])) => true,
            (UDP, Some([_, _, high, low, ..])) => u16::from_be_bytes([*high, *low]) == DHCPV6_SERVER,
            _ => false,
        }
    }
}

pub(super) const HEADER_LEN: usize = 40;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
/// RFC 8415 §7.2.
const DHCPV6_SERVER: u16 = 547;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    const PACKET: [u8; 44] = hex!(
        "60000000 0004 06 40 20010db8000100020000000000000007 ff020000000000000000000000000001 85000000"
    );

    #[test]
    fn reads_a_header_and_refuses_every_prefix() {
        let header = Ipv6::parse(&PACKET).unwrap();
        assert_eq!(header.source.to_string(), "2001:db8:1:2::7");
        assert_eq!((header.len, header.tcp()), (44, Some(40..44)));
        assert!(header.is_on_link());
        for end in 0..PACKET.len() {
            assert_eq!(Ipv6::parse(&PACKET[..end]), None, "{end} octets");
        }
        let mut other = PACKET;
        other[0] = 0x45;
        assert_eq!(Ipv6::parse(&other), None);
    }

    #[test]
    fn a_solicitation_may_be_answered_and_a_report_may_not() {
        let of = |next_header: u8, first: [u8; 4]| {
            let mut packet = PACKET;
            packet[6] = next_header;
            packet[40..].copy_from_slice(&first);
            Ipv6::parse(&packet).unwrap().may_be_answered(&packet)
        };
        assert!(of(58, [133, 0, 0, 0]) && of(58, [135, 0, 0, 0]) && of(58, [128, 0, 0, 0]));
        assert!(!of(58, [143, 0, 0, 0]) && !of(0, [58, 0, 5, 2]));
        assert!(of(17, hex!("0222 0223")) && !of(17, hex!("14e9 14e9")));
    }
}
