//! The memory that packets are read into, and the order in which they go on.

use std::ops::Range;

use super::vnet::{self, Unusable};
use crate::io::{
    portion::Portion,
    waiting::{Turn, Waiting},
};
use crate::server::Prefixes;
use crate::superpacket::{Left, Superpacket};

/// Packets that were read and wait for their turn, and the memory for more.
#[derive(Debug)]
pub struct Inbox {
    /// The one used last is last, as it may still be in the caches.
    free: Vec<Slot>,
    waiting: Waiting<Option<u32>, Packet>,
    /// Those whose turn it is.
    batch: Vec<(Turn<Option<u32>>, Packet)>,
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
    portion: Portion,
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

    /// Goes on to the next batch: 128 packets at most, of those first for whom there are least. False if there are none.
    pub fn next_batch(&mut self) -> bool {
        for (turn, packet) in self.batch.drain(..).rev() {
            match packet.portion.left(packet.bytes.len()) {
                Some(left) => self.waiting.put_back(turn, left, packet),
                None => self.free.push(packet.slot),
            }
        }
        let mut count = 0;
        while count < BATCH
            && let Some((turn, mut packet)) = self.waiting.pop()
        {
            count += packet.portion.next(BATCH - count);
            self.batch.push((turn, packet));
        }
        !self.batch.is_empty()
    }

    /// Whether nothing is left for another batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let left = self.batch.last().and_then(|(_, packet)| packet.portion.left(0));
        self.waiting.is_empty() && left.is_none()
    }

    /// The packets of the batch; those to one address are in the order in which they were read.
    pub fn packets(&self) -> impl ExactSizeIterator<Item = Superpacket<'_>> {
        self.batch.iter().map(|(_, packet)| packet.part())
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

    /// Takes over `length` bytes that were read into [`Self::room`]; returns the number of packets in them. All to one client wait for
    /// each other, to whichever of its addresses; those of IPv6 are told by the `prefixes`.
    pub(super) fn take(&mut self, length: usize, prefixes: &Prefixes) -> Result<usize, Unusable> {
        self.read += length;
        let packet = vnet::read(self.free.last().and_then(|slot| slot.get(..length)).ok_or(Unusable)?)?;
        let (count, left) = (packet.count(), packet.left());
        let bytes = length - packet.bytes().len()..length;
        let client = client(packet.bytes(), prefixes);
        let slot = self.free.pop().ok_or(Unusable)?;
        self.waiting.push(client, length, Packet { slot, bytes, left, portion: Portion::of(count) });
        Ok(count)
    }
}

impl Packet {
    fn part(&self) -> Superpacket<'_> {
        let bytes = self.slot.get(self.bytes.clone()).unwrap_or_default();
        Superpacket::new(bytes, self.left).part(self.portion.now())
    }
}

/// The number of the client that a packet goes to: that of its destination, RFC 791 §3.1, or of the address that goes with the prefix of that,
/// RFC 8200 §3.
fn client(packet: &[u8], prefixes: &Prefixes) -> Option<u32> {
    if packet.first()? >> 4 == 6 {
        let destination: [u8; 16] = *packet.get(24..)?.first_chunk()?;
        return Some(prefixes.number_of(destination.into()));
    }
    Some(u32::from_be_bytes(*packet.get(16..)?.first_chunk()?))
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Packets to work on at once: enough for the ciphers' lanes, of which it fills sixteen eight times; few enough for whoever waits.
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
    use std::net::Ipv6Addr;

    use super::*;
    use crate::pool::{Delegation, Pool};

    /// Reads a packet; what stands behind the virtio header is handed in.
    fn take(inbox: &mut Inbox, packet: &[u8], prefixes: &Prefixes) {
        let bytes = [&[0; vnet::LEN][..], packet].concat();
        inbox.room().unwrap()[..bytes.len()].copy_from_slice(&bytes);
        assert_eq!(inbox.take(bytes.len(), prefixes).unwrap(), 1);
    }

    fn ipv4(to: [u8; 4]) -> Vec<u8> {
        [&[0x45], &[0; 15][..], &to].concat()
    }

    fn ipv6(to: Ipv6Addr) -> Vec<u8> {
        [&[0x60], &[0; 23][..], &to.octets()].concat()
    }

    fn read(inbox: &mut Inbox, last: u8) {
        take(inbox, &ipv4([0, 0, 0, last]), &Prefixes::of(&[]));
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

    /// A flow for each of its addresses would let a client with many of them have most of the turns.
    #[test]
    fn all_addresses_of_a_client_wait_for_each_other() {
        let range = "10.20.0.0/16".parse().unwrap();
        let pool = Pool {
            name: "default".into(),
            range,
            range6: Some("2001:db8:1::/48".parse().unwrap()),
            delegate: Delegation::new("2001:db8:100::/40".parse().unwrap(), 16),
        };
        let prefixes = Prefixes::of(&[pool]);
        let mut inbox = Inbox::new();
        inbox.look();
        let quiet = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0x900, 0, 0, 0, 1);
        let other = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0x901, 0, 0, 0, 1);
        [quiet, other].into_iter().for_each(|to| take(&mut inbox, &ipv6(to), &prefixes));
        // To twenty networks behind a client, to its own, and over IPv4.
        let behind = (0..20).map(|net| ipv6(Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0x700 + net, 0, 0, 0, 1)));
        let own = ipv6(Ipv6Addr::new(0x2001, 0xdb8, 1, 7, 0, 0, 0, 1));
        for packet in behind.chain([own, ipv4([10, 20, 0, 7])]) {
            take(&mut inbox, &packet, &prefixes);
        }
        inbox.next_batch();
        let place = inbox.packets().position(|packet| packet.bytes() == ipv6(other));
        assert_eq!(place, Some(2));
    }

    /// Reads a superpacket of so many datagrams of ten octets.
    fn read_many(inbox: &mut Inbox, last: u8, count: usize) {
        let mut packet = ipv4([0, 0, 0, last]);
        packet[9] = 17;
        packet.extend(vec![0; 8 + count * 10]);
        let segmented = [0, 5, 0, 0, 10, 0, 0, 0, 0, 0];
        let bytes = [&segmented[..], &packet].concat();
        inbox.room().unwrap()[..bytes.len()].copy_from_slice(&bytes);
        assert_eq!(inbox.take(bytes.len(), &Prefixes::of(&[])).unwrap(), count);
    }

    /// Goes on; for whom packets are in the next batch, and how many.
    fn batch(inbox: &mut Inbox) -> Vec<(u8, usize)> {
        inbox.next_batch();
        let of = |packet: Superpacket<'_>| {
            assert_eq!(packet.segments().unwrap().iter().count(), packet.count());
            (packet.bytes()[19], packet.count())
        };
        inbox.packets().map(of).collect()
    }

    #[test]
    fn what_a_batch_has_no_room_for_is_in_the_next() {
        let mut inbox = Inbox::new();
        inbox.look();
        [100, 100].into_iter().for_each(|count| read_many(&mut inbox, 1, count));
        read(&mut inbox, 2);
        assert_eq!(batch(&mut inbox), [(1, 100), (2, 1), (1, 27)]);
        assert!(!inbox.is_empty());
        assert_eq!(batch(&mut inbox), [(1, 73)]);
        assert!(inbox.is_empty());
        assert_eq!(batch(&mut inbox), []);
        assert_eq!(inbox.free.len(), SLOTS);
    }

    #[test]
    fn nobody_waits_for_the_rest_of_many() {
        let mut inbox = Inbox::new();
        inbox.look();
        [600, 20].into_iter().for_each(|count| read_many(&mut inbox, 1, count));
        assert_eq!(batch(&mut inbox), [(1, 128)]);
        read(&mut inbox, 2);
        assert_eq!(batch(&mut inbox), [(2, 1), (1, 127)]);
        read(&mut inbox, 2);
        assert_eq!(batch(&mut inbox), [(2, 1), (1, 127)]);
        assert_eq!(batch(&mut inbox), [(1, 128)]);
        assert_eq!(batch(&mut inbox), [(1, 90), (1, 20)]);
        assert!(inbox.is_empty());
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
