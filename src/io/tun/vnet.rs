//! The `virtio_net_hdr` before each packet on the device, VIRTIO 1.3 §5.1.6, in the machine's byte order.
//!
//! ```text
//!   flags 1 │ GSO type 1 │ header length 2 │ GSO size 2 │ checksum start 2 │ checksum offset 2
//! ```
//!
//! The header length is a hint that the kernel fills as suits its buffers: the packet's own headers say where everything
//! lies.

use crate::checksum;
use crate::superpacket::{Left, Superpacket, Transport};

/// Octets of the header.
pub(super) const LEN: usize = 10;

/// The header of a packet that needs nothing.
pub(super) const PLAIN: [u8; LEN] = [0; LEN];

/// Reads what came from the device: the packet behind the header, and what is left to do for it.
pub(super) fn read(bytes: &[u8]) -> Result<Superpacket<'_>, Unusable> {
    let (header, packet) = bytes.split_first_chunk::<LEN>().ok_or(Unusable)?;
    let [flags, gso_type, _, _, size0, size1, start0, start1, field0, field1] = *header;
    let size = u16::from_ne_bytes([size0, size1]);
    let left = match gso_type & !GSO_ECN {
        GSO_TCPV4 | GSO_TCPV6 => Left::Segmentation { transport: Transport::Tcp, size },
        GSO_UDP_L4 => Left::Segmentation { transport: Transport::Udp, size },
        GSO_NONE if flags & NEEDS_CSUM == 0 => Left::Nothing,
        GSO_NONE => Left::Checksum {
            start: u16::from_ne_bytes([start0, start1]),
            field: u16::from_ne_bytes([field0, field1]),
        },
        _ => return Err(Unusable),
    };
    Ok(Superpacket::new(packet, left))
}

/// A read that is no packet, or one of a kind that was not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unusable;

/// Whether a packet (IPv4 without options or IPv6 without extension headers, then TCP or UDP) has the checksums it should have.
pub(super) fn checksums_are_right(packet: &[u8]) -> bool {
    let right = |sum| checksum::finish(sum) == [0, 0];
    if is_ipv6(packet) {
        let Some((network, transport)) = packet.split_first_chunk::<IPV6_LEN>() else { return false };
        return right(pseudo6(network, transport.len()) + checksum::sum(transport));
    }
    let Some((network, transport)) = packet.split_first_chunk::<IP_LEN>() else { return false };
    right(checksum::sum(network))
        && right(checksum::pseudo(network, transport.len()) + checksum::sum(transport))
}

/// Makes copied headers (as of [`checksums_are_right`]) those of a superpacket of `len` octets of payload, to be cut
/// into pieces of `size`; returns what stands before it. The transport checksum is left open.
pub(super) fn open_superpacket(headers: &mut [u8], len: usize, size: usize) -> [u8; LEN] {
    let headers_len = headers.len();
    let is_ipv6 = is_ipv6(headers);
    let network_len = if is_ipv6 { IPV6_LEN } else { IP_LEN };
    let Some((network, transport)) = headers.split_at_mut_checked(network_len) else { return PLAIN };
    let transport_len = transport.len() + len;
    let opened = if is_ipv6 { open_ipv6(network, transport_len) } else { open_ipv4(network, transport_len) };
    let Some((protocol, pseudo)) = opened else { return PLAIN };
    let (gso_type, csum_offset) = match (protocol, is_ipv6) {
        (TCP, false) => (GSO_TCPV4, 16),
        (TCP, true) => (GSO_TCPV6, 16),
        _ => (GSO_UDP_L4, 6),
    };
    // The pseudo header's sum, not complemented: the kernel adds the rest to it.
    let open = checksum::finish(pseudo).map(|octet| !octet);
    if let Some(field) = transport.get_mut(csum_offset..).and_then(<[u8]>::first_chunk_mut::<2>) {
        *field = open;
    }
    if gso_type == GSO_UDP_L4
        && let Some(field) = transport.get_mut(4..).and_then(<[u8]>::first_chunk_mut::<2>)
    {
        *field = narrow(transport_len).to_be_bytes();
    }
    let [hdr_len0, hdr_len1] = narrow(headers_len).to_ne_bytes();
    let [size0, size1] = narrow(size).to_ne_bytes();
    let [start0, start1] = narrow(network_len).to_ne_bytes();
    let [offset0, offset1] = narrow(csum_offset).to_ne_bytes();
    [NEEDS_CSUM, gso_type, hdr_len0, hdr_len1, size0, size1, start0, start1, offset0, offset1]
}

/// Makes the header that of so much; returns the protocol and the pseudo header's sum.
fn open_ipv4(header: &mut [u8], transport_len: usize) -> Option<(u8, u64)> {
    let header: &mut [u8; IP_LEN] = header.first_chunk_mut()?;
    header[2..4].copy_from_slice(&narrow(IP_LEN + transport_len).to_be_bytes());
    header[10..12].fill(0);
    let checksum = checksum::finish(checksum::sum(header));
    header[10..12].copy_from_slice(&checksum);
    Some((header[9], checksum::pseudo(header, transport_len)))
}

/// The same for IPv6.
fn open_ipv6(header: &mut [u8], transport_len: usize) -> Option<(u8, u64)> {
    let header: &mut [u8; IPV6_LEN] = header.first_chunk_mut()?;
    header[4..6].copy_from_slice(&narrow(transport_len).to_be_bytes());
    Some((header[6], pseudo6(header, transport_len)))
}

fn pseudo6(header: &[u8; IPV6_LEN], transport_len: usize) -> u64 {
    header.last_chunk().map_or(0, |addresses| checksum::pseudo6(addresses, header[6], transport_len))
}

fn is_ipv6(packet: &[u8]) -> bool {
    packet.first().is_some_and(|byte| byte >> 4 == 6)
}

/// Of lengths that a superpacket can have.
fn narrow(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}

const IP_LEN: usize = 20;
const IPV6_LEN: usize = 40;
const TCP: u8 = 6;
const NEEDS_CSUM: u8 = 1;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of a packet that comes with such a header.
    fn left(flags: u8, gso_type: u8) -> Result<Left, Unusable> {
        let numbers = [0, 1000, 20, 6].map(u16::to_ne_bytes);
        let bytes = [&[flags, gso_type][..], numbers.as_flattened(), &[0x45]].concat();
        let packet = read(&bytes)?;
        assert_eq!(packet.bytes(), [0x45]);
        Ok(packet.left())
    }

    #[test]
    fn the_header_says_what_is_left() {
        let cut = |transport| Ok(Left::Segmentation { transport, size: 1000 });
        assert_eq!(left(0, GSO_NONE), Ok(Left::Nothing));
        assert_eq!(left(NEEDS_CSUM, GSO_NONE), Ok(Left::Checksum { start: 20, field: 6 }));
        assert_eq!(left(NEEDS_CSUM, GSO_TCPV4), cut(Transport::Tcp));
        assert_eq!(left(NEEDS_CSUM, GSO_TCPV4 | GSO_ECN), cut(Transport::Tcp));
        assert_eq!(left(NEEDS_CSUM, GSO_UDP_L4), cut(Transport::Udp));
        assert_eq!(left(NEEDS_CSUM, GSO_TCPV6), cut(Transport::Tcp));
        assert_eq!(left(NEEDS_CSUM, 3), Err(Unusable), "fragments of UDP were not asked for");
    }

    #[test]
    fn less_than_a_header_is_no_packet() {
        for length in 0..LEN {
            assert_eq!(read(&[0; LEN][..length]), Err(Unusable), "{length}");
        }
        assert_eq!(read(&[0; LEN]), Ok(Superpacket::from(&[][..])));
    }
}
