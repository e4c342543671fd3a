//! The memory that packets are read into, and the order in which they go on.

use std::ops::Range;

use super::vnet::{self, Unusable};
use crate::io::waiting::Waiting;
use crate::superpacket::{Left, Superpacket};

/// Packets that were read and wait for their turn, and the memory for more.
#[derive(Debug)]
pub struct Inbox {
    /// The one used last is last, as it may still be in the caches.
    free: Vec<Slot>,
    waiting: Waiting<Option<[u8; 4]>, Packet>,
    /// Those whose turn it is.
    batch: Vec<Packet>,
    /// Octets read since the last [`Self::look`].
    read: usize,
}

/// [`SLOT`] octets. Only what is ever written takes memory.
type Slot = Box<[u8]>;

/// What one read brought.
#[derive(Debug)]
struct Packet {
    slot: Slot,
    bytes: Range<usize>,
    left: Left,
}

impl Inbox {
    /// Takes address space for all that may wait; memory comes with use.
    #[must_use]
    pub fn new() -> Self {
        Self {
            free: (0..SLOTS).map(|_| vec![0; SLOT].into_boxed_slice()).collect(),
            waiting: Waiting::with_capacity(SLOTS),
            batch: Vec::with_capacity(SLOTS),
            read: 0,
        }
    }

    /// Goes on to the next batch: some hundred packets, of those first for whom there are least. False if there are none.
    pub fn next_batch(&mut self) -> bool {
        self.free.extend(self.batch.drain(..).rev().map(|packet| packet.slot));
        let mut count = 0;
        while count < BATCH
            && let Some(packet) = self.waiting.pop()
        {
            count += packet.whole().count();
            self.batch.push(packet);
        }
        !self.batch.is_empty()
    }

    /// Whether nothing is left for another batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The packets of the batch; those to one address are in the order in which they were read.
    pub fn packets(&self) -> impl ExactSizeIterator<Item = Superpacket<'_>> {
        self.batch.iter().map(Packet::whole)
    }

    /// Before a number of reads.
    pub(super) fn look(&mut self) {
        self.read = 0;
    }

    /// Where the next read goes, unless there were enough.
    pub(super) fn room(&mut self) -> Option<&mut [u8]> {
        if self.read >= OCTETS {
            return None;
        }
        self.free.last_mut()?.get_mut(..LONGEST)
    }

    /// Takes over `length` bytes that were read into [`Self::room`]; returns the number of packets in them.
    pub(super) fn take(&mut self, length: usize) -> Result<usize, Unusable> {
        self.read += length;
        let packet = vnet::read(self.free.last().and_then(|slot| slot.get(..length)).ok_or(Unusable)?)?;
        let (count, left) = (packet.count(), packet.left());
        let bytes = length - packet.bytes().len()..length;
        // Of the destination, RFC 791 §3.1, RFC 8200 §3: the address, or the half of the prefix in which clients differ.
        let at = if packet.bytes().first().is_some_and(|byte| byte >> 4 == 6) { 28 } else { 16 };
        let flow = packet.bytes().get(at..at + 4).and_then(|octets| octets.try_into().ok());
        let slot = self.free.pop().ok_or(Unusable)?;
        self.waiting.push(flow, length, Packet { slot, bytes, left });
        Ok(count)
    }
}

impl Packet {
    fn whole(&self) -> Superpacket<'_> {
        Superpacket::new(self.slot.get(self.bytes.clone()).unwrap_or_default(), self.left)
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Packets to work on at once, or some more, as a superpacket is not split before: enough for the ciphers' lanes, few enough for whoever
/// waits.
const BATCH: usize = 128;

/// Reads that may wait: more than a connection has under way.
const SLOTS: usize = 64;

/// When it has been read enough for one look: with the read that goes beyond so many octets.
const OCTETS: usize = 512 << 10;

/// A vnet header and the longest IP packet.
const LONGEST: usize = vnet::LEN + 65_535;

/// The odd octets keep the packets' beginnings out of each other's place in the caches.
const SLOT: usize = LONGEST + 1_100;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inbox: &mut Inbox, last: u8) {
        let mut packet = [0; vnet::LEN + 20];
        packet[vnet::LEN] = 0x45;
        packet[vnet::LEN + 19] = last;
        inbox.room().unwrap()[..packet.len()].copy_from_slice(&packet);
        assert_eq!(inbox.take(packet.len()).unwrap(), 1);
    }

    #[test]
    fn who_gets_one_packet_does_not_wait_for_who_gets_many() {
        let mut inbox = Inbox::new();
        inbox.look();
        for last in [1, 1, 1, 1, 2, 1] {
            read(&mut inbox, last);
        }
        assert!(inbox.next_batch());
        let order: Vec<u8> = inbox.packets().map(|packet| packet.bytes()[19]).collect();
        assert_eq!(order, [1, 2, 1, 1, 1, 1]);
        assert!(!inbox.next_batch());
    }

    #[test]
    fn there_is_no_room_for_more_than_may_wait_and_then_there_is_again() {
        let mut inbox = Inbox::new();
        inbox.look();
        for _ in 0..SLOTS {
            read(&mut inbox, 1);
        }
        assert!(inbox.room().is_none());
        while inbox.next_batch() {}
        assert!(inbox.is_empty());
        assert!(inbox.room().is_some());
    }
}
