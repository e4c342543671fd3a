//! IPv6 on the link: what a client says to its router, and what the router says, RFC 4861 and RFC 8415.

use std::net::Ipv6Addr;

use super::dhcpv6::{self, Change, Lease, ServerId};
use super::{Directions, router};
use crate::checksum;
use crate::pool::Prefix;

/// A link that carries IPv6.
#[derive(Clone, Copy, Debug)]
pub struct Link6 {
    /// Our own link-local address.
    pub local: Ipv6Addr,
    /// What the client's addresses begin with.
    pub prefix: Prefix,
    /// The longest packet.
    pub mtu: u16,
    /// Whether there is a prefix to be delegated to the client.
    pub delegates: bool,
}

impl Link6 {
    /// Whether packets to that address of a client's come here.
    pub(super) fn has(&self, address: Ipv6Addr) -> bool {
        Prefix::of(address) == self.prefix
    }
}

/// What comes for our end of the link: the part behind the IPv6 header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) source: Ipv6Addr,
    pub(super) destination: Ipv6Addr,
    pub(super) hop_limit: u8,
    pub(super) payload: &'a [u8],
}

/// What is said to a packet on the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The packet for the client.
    pub packet: Vec<u8>,
    /// What becomes of the prefix that may be delegated to it.
    pub change: Option<Change>,
}

/// What answers `packet`, which is one on the link; nothing if it asks nothing that we can answer.
#[must_use]
pub fn answer(
    packet: &[u8],
    link: Link6,
    directions: &Directions,
    server_id: &ServerId,
    lease: Option<Lease>,
) -> Option<Answer> {
    let (next_header, received) = parse(packet)?;
    match next_header {
        ICMPV6 => {
            let packet = router::answer(received, link, directions)?;
            Some(Answer { packet, change: None })
        }
        UDP => dhcpv6::answer(received, link, directions, server_id, lease),
        _ => None,
    }
}

/// Splits a packet without extension headers. ESP has authenticated it, but who made it may have made it wrong.
fn parse(packet: &[u8]) -> Option<(u8, Received<'_>)> {
    let (header, payload) = packet.split_first_chunk::<HEADER_LEN>()?;
    let [_, _, _, _, l0, l1, next_header, hop_limit, addresses @ ..] = header;
    let payload = payload.get(..usize::from(u16::from_be_bytes([*l0, *l1])))?;
    let (source, destination) = addresses.split_first_chunk::<16>()?;
    let received = Received {
        source: Ipv6Addr::from(*source),
        destination: Ipv6Addr::from(*destination.first_chunk::<16>()?),
        hop_limit: *hop_limit,
        payload,
    };
    let sum = checksum::pseudo6(addresses, *next_header, payload.len()) + checksum::sum(payload);
    (checksum::finish(sum) == [0, 0]).then_some((*next_header, received))
}

/// A whole packet. The checksum of `payload`, whose field lies at `field`, is made here.
pub(super) fn packet(
    (source, destination): (Ipv6Addr, Ipv6Addr),
    (next_header, field): (u8, usize),
    payload: &[u8],
) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let [l0, l1] = len.to_be_bytes();
    let mut packet = Vec::with_capacity(HEADER_LEN + payload.len());
    packet.extend([0x60, 0, 0, 0, l0, l1, next_header, HOP_LIMIT]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(payload);
    if let Some((header, payload)) = packet.split_at_mut_checked(HEADER_LEN)
        && let Some(addresses) = header.last_chunk()
    {
        let pseudo = checksum::pseudo6(addresses, next_header, payload.len());
        if let Some(field) = payload.get_mut(field..).and_then(<[u8]>::first_chunk_mut::<2>) {
            *field = [0; 2];
        }
        let checksum = checksum::finish_udp(pseudo + checksum::sum(payload));
        if let Some(field) = payload.get_mut(field..).and_then(<[u8]>::first_chunk_mut::<2>) {
            *field = checksum;
        }
    }
    packet
}

/// RFC 4861 §6.1.2: what has come from further away has less. DHCPv6 does not mind.
const HOP_LIMIT: u8 = 255;
const HEADER_LEN: usize = 40;
/// Next headers, RFC 4443 §1 and RFC 768.
pub(super) const ICMPV6: u8 = 58;
pub(super) const UDP: u8 = 17;
