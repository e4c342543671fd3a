//! The IPv4 header fields that the data path reads.

use std::net::Ipv4Addr;
use std::ops::Range;

/// What the data path wants to know of an IPv4 packet, RFC 791 §3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ipv4 {
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    /// Total length: what follows it in a buffer is padding.
    pub(super) len: usize,
    pub(super) header_len: usize,
    pub(super) protocol: u8,
    /// Whether this is the first or only fragment: only that has a transport header.
    pub(super) first_fragment: bool,
}

impl Ipv4 {
    /// Reads the header of `packet`, or `None` if it is no whole IPv4 packet.
    pub(super) fn parse(packet: &[u8]) -> Option<Self> {
        let (header, _) = packet.split_first_chunk::<20>()?;
        let [version, _, l0, l1, _, _, f0, f1, _, protocol, _, _, source @ .., d0, d1, d2, d3] = header;
        let header_len = usize::from(version & 0x0f) * 4;
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        (version >> 4 == 4 && header_len >= 20 && len >= header_len && len <= packet.len()).then_some(Self {
            source: Ipv4Addr::from(*source),
            destination: Ipv4Addr::new(*d0, *d1, *d2, *d3),
            len,
            header_len,
            protocol: *protocol,
            first_fragment: u16::from_be_bytes([*f0, *f1]) & 0x1fff == 0,
        })
    }

    /// Where the TCP segment is, if there is the beginning of one.
    pub(super) fn tcp(&self) -> Option<Range<usize>> {
        (self.protocol == TCP && self.first_fragment).then_some(self.header_len..self.len)
    }

    /// The destination port of `packet`, whose header this is, if it is the beginning of a UDP datagram.
    pub(super) fn udp_port(&self, packet: &[u8]) -> Option<u16> {
        if self.protocol != UDP || !self.first_fragment {
            return None;
        }
        let [_, _, high, low] = packet.get(self.header_len..)?.first_chunk()?;
        Some(u16::from_be_bytes([*high, *low]))
    }
}

/// RFC 9293 and RFC 768.
const TCP: u8 = 6;
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn reads_a_header_and_refuses_every_prefix() {
        let packet = hex!("4500001c 12344000 40110000 0a140002 08080808 0035003500080000");
        let header = Ipv4::parse(&packet).unwrap();
        assert_eq!(header.source, Ipv4Addr::new(10, 20, 0, 2));
        assert_eq!(header.destination, Ipv4Addr::new(8, 8, 8, 8));
        assert_eq!((header.len, header.header_len, header.protocol), (28, 20, 17));
        assert!(header.first_fragment);
        assert_eq!(header.udp_port(&packet), Some(53));
        assert_eq!((header.tcp(), Ipv4 { protocol: 6, ..header }.tcp()), (None, Some(20..28)));
        assert_eq!(Ipv4 { protocol: 6, ..header }.udp_port(&packet), None);
        assert_eq!(Ipv4 { first_fragment: false, ..header }.udp_port(&packet), None);
        assert_eq!(header.udp_port(&packet[..23]), None);
        for end in 0..packet.len() {
            assert_eq!(Ipv4::parse(&packet[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn refuses_other_versions_and_short_header_lengths() {
        let mut packet = hex!("4500001c 12344000 40110000 0a140002 08080808 0035003500080000");
        packet[0] = 0x65;
        assert_eq!(Ipv4::parse(&packet), None);
        packet[0] = 0x44;
        assert_eq!(Ipv4::parse(&packet), None);
    }
}
