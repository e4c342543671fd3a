//! What a batch will need, fetched for all its packets before the first one is worked on.
//!
//! The tables of a hundred thousand clients fit no cache, and a packet's way through them is a chain: each link is found where
//! the one before says, and the CPU waits for every one. The ways of different packets do not wait for each other, so those of
//! a whole batch are walked first, close together, where many of them are under way at once.

use super::{Datagram, Datapath, Peer, down::Headers};
use crate::superpacket::Superpacket;
use ipsec::Spi;

impl Datapath {
    /// Before [`Self::up`] takes these.
    pub(super) fn look_ahead_up(&self, datagrams: &[Datagram<'_>]) {
        if self.is_small() {
            return;
        }
        let mut last = None;
        for datagram in datagrams {
            let spi = datagram.bytes.first_chunk().map(|spi| Spi(u32::from_be_bytes(*spi)));
            // A train goes one way.
            if spi == std::mem::replace(&mut last, spi) {
                continue;
            }
            let place = spi.and_then(|spi| self.by_spi.get(&spi));
            let Some(inbound) = place.and_then(|place| self.inbound.get(*place)) else { continue };
            inbound.sa.prefetch();
            let Some(peer) = self.peers.get(inbound.peer) else { continue };
            if let Some(session) = peer.sessions.first() {
                self.look_at_session(session.place);
            }
        }
    }

    /// Before [`Self::down`] takes these.
    pub(super) fn look_ahead_down(&self, packets: &[Superpacket<'_>]) {
        if self.is_small() {
            return;
        }
        let mut last = None;
        for packet in packets {
            let Ok(Headers { inside, .. }) = Headers::read(packet.bytes(), &self.policy) else { continue };
            if last.replace(inside) == Some(inside) {
                continue;
            }
            let place = self.session_of(inside);
            let Some(peer) = place.and_then(|place| self.look_at_session(place)) else { continue };
            if let Some(outbound) = peer.current.and_then(|current| peer.outbound.get(current)) {
                outbound.sa.prefetch();
            }
        }
    }

    fn look_at_session(&self, place: usize) -> Option<&Peer> {
        let session = self.sessions.get(place)?;
        session.meter.prefetch();
        self.peers.get(session.peer)
    }

    /// Whether everything is in the caches anyway.
    fn is_small(&self) -> bool {
        self.sessions.len() < FEW
    }
}

/// Packets to look ahead at: few enough for what they need to be still there when their turn comes.
pub(super) const AHEAD: usize = 64;
/// Sessions whose state takes about as much room as a core's own cache has.
const FEW: usize = 500;
