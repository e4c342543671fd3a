//! The memory that packets are read into, and segmented in.

use std::ops::Range;

use super::offload::{self, Unusable, VnetHeader};

/// The packets of one batch.
#[derive(Debug)]
pub struct Inbox {
    /// What was read, and behind a superpacket the packets made of it.
    arena: Vec<u8>,
    used: usize,
    packets: Vec<Range<usize>>,
}

impl Inbox {
    /// Takes address space for the largest batch; memory comes with use.
    #[must_use]
    pub fn new() -> Self {
        Self { arena: vec![0; ARENA], used: 0, packets: Vec::with_capacity(4 * BATCH) }
    }

    /// How many packets the last [`super::Tun::receive`] brought.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether it brought none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// The packets, in the order in which they were read.
    pub fn packets(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.packets.iter().map(|range| self.arena.get(range.clone()).unwrap_or_default())
    }

    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.used = 0;
    }

    /// Where the next read goes, unless the batch is full.
    pub(super) fn room(&mut self) -> Option<&mut [u8]> {
        if self.packets.len() >= BATCH {
            return None;
        }
        self.arena.get_mut(self.used..)?.get_mut(..LONGEST)
    }

    /// Takes over `length` bytes that were read into [`Self::room`]; returns the number of packets in them.
    pub(super) fn take(&mut self, length: usize) -> Result<usize, Unusable> {
        let before = self.packets.len();
        let start = self.used;
        let (read, behind) =
            self.arena.get_mut(start..).and_then(|rest| rest.split_at_mut_checked(length)).ok_or(Unusable)?;
        let (header, packet) = VnetHeader::split(read)?;
        let first = start + (length - packet.len());
        if header.is_whole() {
            header.complete(packet)?;
            self.packets.push(first..start + length);
            self.used = start + length;
        } else {
            let mut end = start + length;
            for packet in offload::segment(&header, packet, behind)? {
                self.packets.push(end..end + packet);
                end += packet;
            }
            self.used = end;
        }
        Ok(self.packets.len() - before)
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

/// When a batch is full. The last superpacket may go beyond it.
const BATCH: usize = 64;

/// A vnet header and the longest IP packet.
const LONGEST: usize = VnetHeader::LEN + 65535;

/// Room for a batch of pairs, the least favourable size of superpackets, and a margin for tiny segments.
const ARENA: usize = 1 << 20;
