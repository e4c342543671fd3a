//! Coalescing: packets of one flow that follow each other become one superpacket for the kernel to take at once.
//!
//! ```text
//!   headers │ payload 1        headers │ payload 2        headers │ payload 3 (shorter, or PSH: the last)
//!      └─────────────────────────┐
//!   virtio_net_hdr │ headers of the whole │ payload 1 │ payload 2 │ payload 3        one write, nothing copied here
//! ```
//!
//! The kernel cuts it again where that is needed, and gives each piece the headers of the first with a length, sequence
//! number and checksum of its own. So only such packets go together of which that makes what they were: the rules are
//! those of the kernel's own receive offload. A checksum is verified first, because the kernel would make a right one of a
//! wrong one.

use std::io::IoSlice;

use arrayvec::ArrayVec;

use super::{Kinds, vnet};
use crate::superpacket::Transport;

/// What goes to the kernel in one write.
pub(super) struct Write<'a> {
    header: [u8; vnet::LEN],
    /// Those of the whole, if it is more than one packet.
    headers: ArrayVec<u8, MAX_HEADERS>,
    packets: ArrayVec<&'a [u8], MAX_PACKETS>,
}

impl<'a> Write<'a> {
    /// One packet as it is.
    pub(super) fn plain(packet: &'a [u8]) -> Self {
        let packets = [packet].into_iter().collect();
        Self { header: vnet::PLAIN, headers: ArrayVec::new(), packets }
    }

    /// The packets it is made of.
    pub(super) fn packets(&self) -> &[&'a [u8]] {
        &self.packets
    }

    /// What the packets are of, if they are several.
    pub(super) fn transport(&self) -> Option<Transport> {
        match self.headers.get(9) {
            Some(&TCP) => Some(Transport::Tcp),
            Some(&UDP) => Some(Transport::Udp),
            _ => None,
        }
    }

    /// What to write, in order.
    pub(super) fn slices(&self) -> ArrayVec<IoSlice<'_>, { MAX_PACKETS + 2 }> {
        let front = [&self.header[..], &self.headers].into_iter().filter(|part| !part.is_empty());
        let payloads = self.packets.iter().filter_map(|packet| packet.get(self.headers.len()..));
        front.chain(payloads).map(IoSlice::new).collect()
    }
}

/// Packets that go together, and how they may go on.
struct Run<'a> {
    flow: Flow,
    packets: ArrayVec<&'a [u8], MAX_PACKETS>,
    /// Octets of a payload, of all but the last.
    size: usize,
    /// Octets of all payloads.
    len: usize,
    /// PSH and FIN of the last packet.
    flags: u8,
    next_sequence: u32,
    next_identification: u16,
    /// Nothing can follow.
    over: bool,
}

/// What of a packet's headers decides where it belongs.
#[derive(Clone, Copy, Debug)]
struct Flow {
    protocol: u8,
    /// Octets of both headers.
    headers_len: usize,
}

/// A packet that could be part of a run.
struct Segment<'a> {
    flow: Flow,
    packet: &'a [u8],
    headers: &'a [u8],
    payload: &'a [u8],
    sequence: u32,
    identification: u16,
    flags: u8,
}

/// Hands `packets` to `write` in as few pieces as may be. Within a flow their order stays; flows may overtake each other.
pub(super) fn coalesce<'a>(
    kinds: Kinds,
    packets: impl IntoIterator<Item = &'a [u8]>,
    mut write: impl FnMut(&Write<'a>),
) {
    let mut runs = ArrayVec::<Run<'a>, MAX_RUNS>::new();
    for packet in packets {
        let run = runs.iter().position(|run| same_flow(run.first(), packet));
        let segment = Segment::of(kinds, packet);
        if let Some(place) = run {
            if let Some(segment) = &segment
                && runs[place].admits(segment)
            {
                runs[place].push(segment);
                if runs[place].over {
                    write(&runs.remove(place).finish());
                }
                continue;
            }
            // It must not overtake those before it.
            write(&runs.remove(place).finish());
        }
        match segment.filter(|segment| segment.flags == 0) {
            Some(segment) => {
                if runs.is_full() {
                    write(&runs.remove(0).finish());
                }
                runs.push(Run::new(&segment));
            }
            None => write(&Write::plain(packet)),
        }
    }
    for run in runs {
        write(&run.finish());
    }
}

impl<'a> Segment<'a> {
    /// `None` if the packet goes alone.
    fn of(kinds: Kinds, packet: &'a [u8]) -> Option<Self> {
        let ip = packet.first_chunk::<IP_LEN>()?;
        let fragment = u16::from_be_bytes([ip[6], ip[7]]);
        // No options, not a fragment, no octets behind the datagram.
        if ip[0] != 0x45
            || fragment & !DONT_FRAGMENT != 0
            || usize::from(u16::from_be_bytes([ip[2], ip[3]])) != packet.len()
        {
            return None;
        }
        let transport = packet.get(IP_LEN..)?;
        let (transport_len, sequence, flags) = match ip[9] {
            TCP if kinds.tcp => {
                let fixed = transport.first_chunk::<20>()?;
                let sequence = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
                let len = usize::from(fixed[12] >> 4) * 4;
                if len < fixed.len() || fixed[13] & !(PSH | FIN) != ACK {
                    return None;
                }
                (len, sequence, fixed[13] & (PSH | FIN))
            }
            UDP if kinds.udp => {
                let fixed = transport.first_chunk::<8>()?;
                let len = usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
                // Without a checksum there is nothing that the pieces could get a new one of.
                if len != transport.len() || fixed[6..8] == [0, 0] {
                    return None;
                }
                (8, 0, 0)
            }
            _ => return None,
        };
        let (headers, payload) = packet.split_at_checked(IP_LEN + transport_len)?;
        if payload.is_empty() || headers.len() > MAX_HEADERS || !vnet::checksums_are_right(packet) {
            return None;
        }
        Some(Self {
            flow: Flow { protocol: ip[9], headers_len: headers.len() },
            packet,
            headers,
            payload,
            sequence,
            identification: u16::from_be_bytes([ip[4], ip[5]]),
            flags,
        })
    }
}

impl<'a> Run<'a> {
    fn new(segment: &Segment<'a>) -> Self {
        let mut run = Self {
            flow: segment.flow,
            packets: ArrayVec::new(),
            size: segment.payload.len(),
            len: 0,
            flags: 0,
            next_sequence: 0,
            next_identification: 0,
            over: false,
        };
        run.push(segment);
        run
    }

    fn first(&self) -> &'a [u8] {
        self.packets.first().copied().unwrap_or_default()
    }

    /// Whether the kernel's cutting would make `segment` of what comes next.
    fn admits(&self, segment: &Segment<'_>) -> bool {
        let Flow { protocol, headers_len } = self.flow;
        // RFC 6864 §4.1: the identification of a datagram that must not be fragmented means nothing.
        let atomic = segment.headers.get(6).is_some_and(|flags| flags & 0x40 != 0);
        headers_len == segment.flow.headers_len
            && segment.payload.len() <= self.size
            && headers_len + self.len + segment.payload.len() <= MAX_LEN
            && self.next_sequence == segment.sequence
            && (atomic || self.next_identification == segment.identification)
            && self
                .first()
                .get(..headers_len)
                .is_some_and(|first| same_headers(protocol, first, segment.headers))
    }

    fn push(&mut self, segment: &Segment<'a>) {
        let len = segment.payload.len();
        self.packets.push(segment.packet);
        self.len += len;
        self.flags = segment.flags;
        if self.flow.protocol == TCP {
            self.next_sequence = segment.sequence.wrapping_add(u32::try_from(len).unwrap_or(0));
        }
        self.next_identification = segment.identification.wrapping_add(1);
        self.over = segment.flags != 0 || len < self.size || self.packets.is_full();
    }

    fn finish(self) -> Write<'a> {
        if self.packets.len() == 1 {
            return Write::plain(self.first());
        }
        let mut headers: ArrayVec<u8, MAX_HEADERS> =
            self.first().iter().copied().take(self.flow.headers_len).collect();
        if self.flow.protocol == TCP
            && let Some(flags) = headers.get_mut(IP_LEN + 13)
        {
            *flags |= self.flags;
        }
        let header = vnet::open_superpacket(&mut headers, self.len, self.size);
        Write { header, headers, packets: self.packets }
    }
}

/// Whether two packets are of one flow, so that one must not overtake the other: addresses, protocol, ports. Fragments and
/// protocols without ports compare what stands there; at worst they wait for nobody, or needlessly end a run.
fn same_flow(a: &[u8], b: &[u8]) -> bool {
    match (a.first_chunk::<24>(), b.first_chunk::<24>()) {
        (Some(a), Some(b)) => a[9] == b[9] && a[12..24] == b[12..24],
        _ => false,
    }
}

/// Whether headers differ in nothing but what the cutting writes: lengths, identification, checksums, sequence number, and
/// the flags that only a last one has.
fn same_headers(protocol: u8, a: &[u8], b: &[u8]) -> bool {
    let same = |range: std::ops::Range<usize>| a.get(range.clone()) == b.get(range);
    let ip = same(0..2) && same(6..10) && same(12..IP_LEN);
    let transport = match protocol {
        // Ports; acknowledgement, data offset; window; urgent pointer and options. The flags were looked at.
        TCP => same(20..24) && same(28..33) && same(34..36) && same(38..a.len()),
        _ => same(20..24),
    };
    ip && transport
}

const IP_LEN: usize = 20;
const DONT_FRAGMENT: u16 = 0x4000;
const TCP: u8 = 6;
const UDP: u8 = 17;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
/// IPv4 and TCP with all its options.
const MAX_HEADERS: usize = 20 + 60;
/// What an IPv4 length field holds.
const MAX_LEN: usize = 65_535;
/// Packets in a run: what a full superpacket of an Ethernet's segments has.
const MAX_PACKETS: usize = 64;
/// Flows that are coalesced at once; the one that began first gives way.
const MAX_RUNS: usize = 16;

#[cfg(test)]
mod tests;
