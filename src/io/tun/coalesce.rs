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
use segment::{Flow, Segment};

mod segment;

/// What goes to the kernel in one write.
pub(super) struct Write<'a> {
    header: [u8; vnet::LEN],
    /// Those of the whole, if it is more than one packet,
    headers: ArrayVec<u8, MAX_HEADERS>,
    /// and what they are of.
    transport: Option<Transport>,
    packets: &'a [&'a [u8]],
}

impl<'a> Write<'a> {
    /// One packet as it is.
    pub(super) fn plain(packet: &'a &'a [u8]) -> Self {
        let packets = std::slice::from_ref(packet);
        Self { header: vnet::PLAIN, headers: ArrayVec::new(), transport: None, packets }
    }

    /// The packets it is made of.
    pub(super) fn packets(&self) -> &'a [&'a [u8]] {
        self.packets
    }

    /// What the packets are of, if they are several.
    pub(super) fn transport(&self) -> Option<Transport> {
        self.transport
    }

    /// What to write, in order.
    pub(super) fn slices(&self) -> ArrayVec<IoSlice<'_>, { MAX_PACKETS + 2 }> {
        let front = [&self.header[..], &self.headers].into_iter().filter(|part| !part.is_empty());
        let payloads = self.packets.iter().filter_map(|packet| packet.get(self.headers.len()..));
        front.chain(payloads).map(IoSlice::new).collect()
    }
}

/// Runs that may go on. They stay where they are, as each is a kilobyte; only their places are moved.
struct Runs<'a> {
    slots: ArrayVec<Run<'a>, MAX_RUNS>,
    /// Places in `slots`: so many in use, in the order in which their runs began, and then all others.
    places: [usize; MAX_RUNS],
    used: usize,
}

impl<'a> Runs<'a> {
    fn new() -> Self {
        Self { slots: ArrayVec::new(), places: std::array::from_fn(|place| place), used: 0 }
    }

    /// They in their order, from the first on.
    fn iter(&self) -> impl Iterator<Item = &Run<'a>> {
        self.places[..self.used].iter().map(|place| &self.slots[*place])
    }

    /// Which of them a packet must not overtake.
    fn of(&self, packet: &[u8]) -> Option<usize> {
        self.iter().position(|run| segment::same_flow(run.first(), packet))
    }

    fn get_mut(&mut self, index: usize) -> &mut Run<'a> {
        &mut self.slots[self.places[index]]
    }

    /// Ends one, which may be read until the next begins.
    fn end(&mut self, index: usize) -> &Run<'a> {
        self.places[index..self.used].rotate_left(1);
        self.used -= 1;
        &self.slots[self.places[self.used]]
    }

    /// Begins one behind the others. There has to be room.
    fn begin(&mut self, segment: &Segment<'a>) {
        let place = self.places[self.used];
        self.used += 1;
        match self.slots.get_mut(place) {
            Some(run) => run.begin(segment),
            // Places are taken in their order the first time.
            None => self.slots.push(Run::new(segment)),
        }
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
    next_identification: Option<u16>,
    /// Nothing can follow.
    over: bool,
}

/// Hands `packets` to `write` in as few pieces as may be. Within a flow their order stays; flows may overtake each other.
pub(super) fn coalesce<'a>(
    kinds: Kinds,
    packets: impl IntoIterator<Item = &'a [u8]>,
    mut write: impl FnMut(&Write<'_>),
) {
    let mut runs = Runs::new();
    'packets: for packet in packets {
        let segment = Segment::of(kinds, packet);
        while let Some(index) = runs.of(packet) {
            if let Some(segment) = &segment
                && let run = runs.get_mut(index)
                && run.admits(segment)
            {
                run.push(segment);
                if run.over {
                    write(&runs.end(index).finish());
                }
                continue 'packets;
            }
            // It must not overtake those before it.
            write(&runs.end(index).finish());
        }
        match segment.filter(|segment| segment.flags == 0) {
            Some(segment) => {
                if runs.used == MAX_RUNS {
                    write(&runs.end(0).finish());
                }
                runs.begin(&segment);
            }
            None => write(&Write::plain(&packet)),
        }
    }
    for run in runs.iter() {
        write(&run.finish());
    }
}

impl<'a> Run<'a> {
    fn new(segment: &Segment<'a>) -> Self {
        let mut run = Self {
            flow: segment.flow,
            packets: ArrayVec::new(),
            size: 0,
            len: 0,
            flags: 0,
            next_sequence: 0,
            next_identification: None,
            over: false,
        };
        run.begin(segment);
        run
    }

    /// In place of another.
    fn begin(&mut self, segment: &Segment<'a>) {
        self.flow = segment.flow;
        self.packets.clear();
        self.size = segment.payload.len();
        self.len = 0;
        self.next_sequence = segment.sequence;
        self.push(segment);
    }

    fn first(&self) -> &'a [u8] {
        self.packets.first().copied().unwrap_or_default()
    }

    /// Whether the kernel's cutting would make `segment` of what comes next.
    fn admits(&self, segment: &Segment<'_>) -> bool {
        let headers_len = self.flow.headers_len;
        self.flow == segment.flow
            && segment.payload.len() <= self.size
            && headers_len + self.len + segment.payload.len() <= MAX_LEN
            && self.next_sequence == segment.sequence
            && self.next_identification == segment.identification
            && self.first().get(..headers_len).is_some_and(|first| segment.continues(first))
    }

    fn push(&mut self, segment: &Segment<'a>) {
        let len = segment.payload.len();
        self.packets.push(segment.packet);
        self.len += len;
        self.flags = segment.flags;
        if self.flow.transport == Transport::Tcp {
            self.next_sequence = segment.sequence.wrapping_add(u32::try_from(len).unwrap_or(0));
        }
        self.next_identification = segment.identification.map(|number| number.wrapping_add(1));
        self.over = segment.flags != 0 || len < self.size || self.packets.is_full();
    }

    fn finish(&self) -> Write<'_> {
        if let [packet] = &self.packets[..] {
            return Write::plain(packet);
        }
        let mut headers: ArrayVec<u8, MAX_HEADERS> =
            self.first().iter().copied().take(self.flow.headers_len).collect();
        let Flow { transport, network_len, .. } = self.flow;
        if transport == Transport::Tcp
            && let Some(flags) = headers.get_mut(network_len + 13)
        {
            *flags |= self.flags;
        }
        let header = vnet::open_superpacket(&mut headers, self.len, self.size);
        Write { header, headers, transport: Some(transport), packets: &self.packets }
    }
}

/// IPv6 and TCP with all its options.
const MAX_HEADERS: usize = 40 + 60;
/// What an IPv4 length field holds; one of IPv6 would hold an IPv6 header more.
const MAX_LEN: usize = 65_535;
/// Packets in a run: what a full superpacket of an Ethernet's segments has.
const MAX_PACKETS: usize = 64;
/// Flows that are coalesced at once; the one that began first gives way.
const MAX_RUNS: usize = 16;

#[cfg(test)]
mod tests;
