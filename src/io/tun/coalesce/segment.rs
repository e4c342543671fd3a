//! What a packet must be like to be one of several: such that the kernel's cutting could have made it.

use super::MAX_HEADERS;
use crate::io::tun::{Kinds, vnet};
use crate::superpacket::Transport;

/// A packet that could be part of a run.
pub(super) struct Segment<'a> {
    pub(super) flow: Flow,
    pub(super) packet: &'a [u8],
    headers: &'a [u8],
    pub(super) payload: &'a [u8],
    /// Of TCP.
    pub(super) sequence: u32,
    /// Of IPv4, where it means something.
    pub(super) identification: Option<u16>,
    /// PSH and FIN.
    pub(super) flags: u8,
}

/// Where a packet's headers lie. That they are of one connection is seen by [`Segment::continues`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) transport: Transport,
    /// Octets of the IP header,
    pub(super) network_len: usize,
    /// and of both.
    pub(super) headers_len: usize,
}

impl<'a> Segment<'a> {
    /// `None` if the packet goes alone.
    pub(super) fn of(kinds: Kinds, packet: &'a [u8]) -> Option<Self> {
        let network = Network::of(packet)?;
        let rest = packet.get(network.len..)?;
        let (transport, transport_len, sequence, flags) = match network.protocol {
            TCP if kinds.tcp => {
                let fixed = rest.first_chunk::<TCP_LEN>()?;
                let sequence = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
                let len = usize::from(fixed[12] >> 4) * 4;
                if len < fixed.len() || fixed[13] & !(PSH | FIN) != ACK {
                    return None;
                }
                (Transport::Tcp, len, sequence, fixed[13] & (PSH | FIN))
            }
            UDP if kinds.udp => {
                let fixed = rest.first_chunk::<8>()?;
                let len = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
                // Without a checksum there is nothing that the pieces could get a new one of.
                if len != rest.len() || fixed[6..8] == [0, 0] {
                    return None;
                }
                (Transport::Udp, fixed.len(), 0, 0)
            }
            _ => return None,
        };
        let (headers, payload) = packet.split_at_checked(network.len + transport_len)?;
        if payload.is_empty() || headers.len() > MAX_HEADERS || !vnet::checksums_are_right(packet) {
            return None;
        }
        Some(Self {
            flow: Flow { transport, network_len: network.len, headers_len: headers.len() },
            packet,
            headers,
            payload,
            sequence,
            identification: network.identification,
            flags,
        })
    }

    /// Whether its headers differ from those of the `first` in nothing but what the cutting writes: lengths, identification, checksums,
    /// sequence number, and the flags that only a last one has. Both are laid out in the same way.
    pub(super) fn continues(&self, first: &[u8]) -> bool {
        let Flow { transport, network_len, .. } = self.flow;
        let halves = (first.split_at_checked(network_len), self.headers.split_at_checked(network_len));
        let (Some((network, rest)), Some((own_network, own_rest))) = halves else { return false };
        let same_network = if network_len == IPV4_LEN {
            same_ipv4(network, own_network)
        } else {
            same_ipv6(network, own_network)
        };
        same_network
            && match transport {
                Transport::Tcp => same_tcp(rest, own_rest),
                // Ports.
                Transport::Udp => rest.first_chunk::<4>() == own_rest.first_chunk(),
            }
    }
}

// Arrays and places that the compiler knows: each comparison is an instruction or two, and no call.

/// Version and type of service; flags, time to live, protocol; addresses.
fn same_ipv4(a: &[u8], b: &[u8]) -> bool {
    let (Some(a), Some(b)) = (a.first_chunk::<IPV4_LEN>(), b.first_chunk::<IPV4_LEN>()) else { return false };
    a[0..2] == b[0..2] && a[6..10] == b[6..10] && a[12..] == b[12..]
}

/// Version, traffic class, flow label; next header, hop limit, addresses.
fn same_ipv6(a: &[u8], b: &[u8]) -> bool {
    let (Some(a), Some(b)) = (a.first_chunk::<IPV6_LEN>(), b.first_chunk::<IPV6_LEN>()) else { return false };
    a[0..4] == b[0..4] && a[6..] == b[6..]
}

/// Ports; acknowledgement, data offset; window; urgent pointer and options. The flags were looked at.
fn same_tcp(a: &[u8], b: &[u8]) -> bool {
    let (Some((a, options)), Some((b, others))) =
        (a.split_first_chunk::<TCP_LEN>(), b.split_first_chunk::<TCP_LEN>())
    else {
        return false;
    };
    a[0..4] == b[0..4]
        && a[8..13] == b[8..13]
        && a[14..16] == b[14..16]
        && a[18..] == b[18..]
        && options == others
}

/// What an IP header says that has nothing about it which the cutting could not repeat: no options or extension headers, not of a fragment,
/// no octets behind the packet.
struct Network {
    len: usize,
    protocol: u8,
    identification: Option<u16>,
}

impl Network {
    fn of(packet: &[u8]) -> Option<Self> {
        if packet.first() == Some(&IPV4_WITHOUT_OPTIONS) { Self::ipv4(packet) } else { Self::ipv6(packet) }
    }

    fn ipv4(packet: &[u8]) -> Option<Self> {
        let ip = packet.first_chunk::<IPV4_LEN>()?;
        let fragment = u16::from_be_bytes([ip[6], ip[7]]);
        if fragment & !DONT_FRAGMENT != 0 || usize::from(u16::from_be_bytes([ip[2], ip[3]])) != packet.len() {
            return None;
        }
        // RFC 6864 §4.1: of a datagram that must not be fragmented it means nothing.
        let identification = (fragment == 0).then_some(u16::from_be_bytes([ip[4], ip[5]]));
        Some(Self { len: ip.len(), protocol: ip[9], identification })
    }

    /// An extension header is no protocol whose packets go together.
    fn ipv6(packet: &[u8]) -> Option<Self> {
        let ip = packet.first_chunk::<IPV6_LEN>()?;
        let len = ip.len() + usize::from(u16::from_be_bytes([ip[4], ip[5]]));
        (ip[0] >> 4 == 6 && len == packet.len()).then_some(Self {
            len: ip.len(),
            protocol: ip[6],
            identification: None,
        })
    }
}

/// Whether two packets may be of one flow, so that one must not overtake the other: addresses, protocol, ports. What has extension headers
/// of IPv6 may be of any flow of its addresses. Protocols without ports compare what stands there; at worst they needlessly end a run. Of a
/// datagram in fragments over IPv4, the first one ends its flow's run for all.
pub(super) fn same_flow(a: &[u8], b: &[u8]) -> bool {
    let (Some(a4), Some(b4)) = (a.first_chunk::<24>(), b.first_chunk::<24>()) else { return false };
    match (a4[0] >> 4, b4[0] >> 4) {
        (6, 6) => match (a.first_chunk::<44>(), b.first_chunk::<44>()) {
            (Some(a), Some(b)) => {
                let is_hidden = EXTENSIONS.contains(&a[6]) || EXTENSIONS.contains(&b[6]);
                a[8..IPV6_LEN] == b[8..IPV6_LEN]
                    && (is_hidden || (a[6], &a[IPV6_LEN..]) == (b[6], &b[IPV6_LEN..]))
            }
            _ => false,
        },
        (4, 4) => a4[9] == b4[9] && a4[12..] == b4[12..],
        _ => false,
    }
}

/// Version 4, a header of five words.
const IPV4_WITHOUT_OPTIONS: u8 = 0x45;
const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
/// Without options.
const TCP_LEN: usize = 20;
/// Hop-by-hop options, routing, fragment, destination options: RFC 8200 §4.
const EXTENSIONS: [u8; 4] = [0, 43, 44, 60];
const DONT_FRAGMENT: u16 = 0x4000;
const TCP: u8 = 6;
const UDP: u8 = 17;
pub(super) const FIN: u8 = 0x01;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;
