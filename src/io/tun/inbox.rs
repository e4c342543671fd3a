//! The memory that packets are read into.

use std::ops::Range;

use super::vnet::{self, Unusable};
use crate::superpacket::{Left, Superpacket};

/// The packets of one batch.
#[derive(Debug)]
pub struct Inbox {
    /// What was read, back to back.
    arena: Vec<u8>,
    used: usize,
    packets: Vec<(Range<usize>, Left)>,
}

impl Inbox {
    /// Takes address space for the largest batch; memory comes with use.
    #[must_use]
    pub fn new() -> Self {
        Self { arena: vec![0; OCTETS + LONGEST], used: 0, packets: Vec::with_capacity(READS) }
    }

    /// How many superpackets, of one packet or several, the last [`super::Tun::receive`] brought.
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
    pub fn packets(&self) -> impl ExactSizeIterator<Item = Superpacket<'_>> {
        self.packets
            .iter()
            .map(|(range, left)| Superpacket::new(self.arena.get(range.clone()).unwrap_or_default(), *left))
    }

    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.used = 0;
    }

    /// Where the next read goes, unless the batch is full.
    pub(super) fn room(&mut self) -> Option<&mut [u8]> {
        if self.packets.len() >= READS || self.used >= OCTETS {
            return None;
        }
        self.arena.get_mut(self.used..)?.get_mut(..LONGEST)
    }

    /// Takes over `length` bytes that were read into [`Self::room`]; returns the number of packets in them.
    pub(super) fn take(&mut self, length: usize) -> Result<usize, Unusable> {
        let end = self.used + length;
        let packet = vnet::read(self.arena.get(self.used..end).ok_or(Unusable)?)?;
        let (count, left) = (packet.count(), packet.left());
        self.packets.push((end - packet.bytes().len()..end, left));
        self.used = end;
        Ok(count)
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

/// When a batch is full: after so many reads, or with the read that goes beyond so many octets. More would not be in the
/// caches any more when they are wanted.
const READS: usize = 64;
const OCTETS: usize = 256 << 10;

/// A vnet header and the longest IP packet.
const LONGEST: usize = vnet::LEN + 65_535;
