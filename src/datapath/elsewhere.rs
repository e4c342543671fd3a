//! Packets that the kernel brought to the wrong shard.
//!
//! By its number, every packet has one shard that it ought to come to ([`Shards`]). That one knows the few whose keys or session
//! are at another one; all others send it what they do not know. So a packet is handed over twice at most, and never goes round.

use std::{collections::HashMap, ops::Range};

use ipsec::{Path, Spi};

use super::{Datagram, Inside, Prefixes, ShardId, Shards};
use crate::superpacket::Superpacket;

/// What one shard knows of the others, and packets for them.
#[derive(Debug)]
pub(super) struct Elsewhere {
    here: ShardId,
    shards: Shards,
    prefixes: Prefixes,
    /// Those that ought to be here and are not.
    pub(super) spis: HashMap<Spi, ShardId>,
    pub(super) insides: HashMap<Inside, ShardId>,
    /// What goes to each of the others.
    pending: Vec<Handover>,
    handed: u64,
}

/// From where a batch comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// From the kernel.
    Kernel,
    /// From another shard, which does not know the packets.
    Shard,
}

impl Elsewhere {
    pub(super) fn new(here: ShardId, shards: Shards, prefixes: Prefixes) -> Self {
        let (spis, insides) = (HashMap::new(), HashMap::new());
        let pending = shards.iter().map(|_| Handover::default()).collect();
        Self { here, shards, prefixes, spis, insides, pending, handed: 0 }
    }

    /// Those of these SPIs that ought to be here are at `to` from now on.
    pub(super) fn moved(&mut self, spis: impl Iterator<Item = Spi>, to: ShardId) {
        let (here, shards) = (self.here, self.shards);
        self.spis.extend(spis.filter(|spi| shards.of_spi(*spi) == here).map(|spi| (spi, to)));
    }

    /// Hands over a packet to an SPI that is not here; false if it is nowhere else either.
    pub(super) fn hand_esp(&mut self, origin: Origin, spi: Spi, datagram: &Datagram<'_>) -> bool {
        let ought = self.shards.of_spi(spi);
        let Some(to) = self.next(origin, ought, self.spis.get(&spi).copied()) else { return false };
        to.up.push((datagram.path, to.bytes.len()..to.bytes.len() + datagram.bytes.len()));
        to.bytes.extend_from_slice(datagram.bytes);
        self.handed += 1;
        true
    }

    /// Hands over a packet to a client that is not here; false if it is nowhere else either.
    pub(super) fn hand_ip(&mut self, origin: Origin, inside: Inside, packet: Superpacket<'_>) -> bool {
        let ought = self.shards.of_inside(inside, &self.prefixes);
        let Some(to) = self.next(origin, ought, self.insides.get(&inside).copied()) else { return false };
        to.down.push((to.bytes.len()..to.bytes.len() + packet.bytes().len(), packet.of_copy(&[])));
        to.bytes.extend_from_slice(packet.bytes());
        self.handed += packet.count() as u64;
        true
    }

    /// Where a packet goes that ought to be at one shard, and of which this one knows that it is at another.
    fn next(&mut self, origin: Origin, ought: ShardId, known: Option<ShardId>) -> Option<&mut Handover> {
        let to = match (ought == self.here, origin) {
            (true, _) => known?,
            (false, Origin::Kernel) => ought,
            (false, Origin::Shard) => return None,
        };
        self.pending.get_mut(to.0 as usize)
    }

    /// The next packets for another shard.
    pub(super) fn poll(&mut self) -> Option<(ShardId, Handover)> {
        let (to, pending) =
            self.shards.iter().zip(&mut self.pending).find(|(_, pending)| !pending.is_empty())?;
        Some((to, std::mem::take(pending)))
    }

    /// How many packets were handed over since the start.
    pub(super) fn handed(&self) -> u64 {
        self.handed
    }
}

/// Packets on their way from the shard where the kernel brought them to the one that knows them.
#[derive(Debug, Default)]
pub struct Handover {
    bytes: Vec<u8>,
    up: Vec<(Path, Range<usize>)>,
    down: Vec<(Range<usize>, Superpacket<'static>)>,
}

impl Handover {
    /// How many packets it holds.
    #[must_use]
    pub fn count(&self) -> u64 {
        let down: usize = self.packets().map(Superpacket::count).sum();
        (self.up.len() + down) as u64
    }

    /// How much memory they take.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.up.is_empty() && self.down.is_empty()
    }

    /// Those that came from the network, in the order of their arrival; they are decrypted in place.
    pub fn datagrams(&mut self) -> Vec<Datagram<'_>> {
        // The ranges follow each other, with packets down between them.
        let (mut rest, mut taken) = (&mut self.bytes[..], 0);
        let take = |(path, range): &(Path, Range<usize>)| {
            let (_, from) = std::mem::take(&mut rest).split_at_mut(range.start - taken);
            let (bytes, behind) = from.split_at_mut(range.len());
            (rest, taken) = (behind, range.end);
            Datagram { path: *path, bytes }
        };
        self.up.iter().map(take).collect()
    }

    /// Those that came from the TUN device.
    pub(crate) fn packets(&self) -> impl Iterator<Item = Superpacket<'_>> {
        self.down.iter().map(|(range, packet)| packet.of_copy(&self.bytes[range.clone()]))
    }
}
