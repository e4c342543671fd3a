//! Which SAs protect a client's packets: a pair is installed, confirmed, used, removed.

use ipsec::{Path, PeerId, SaPair, Spi};

use super::{Datapath, Inbound, Outbound, Peer, make_room};

/// The keys of a client that turned out to be another one.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    inbound: Vec<Inbound>,
    outbound: Vec<Outbound>,
    current: Option<usize>,
}

impl Departed {
    pub(crate) fn spis(&self) -> impl Iterator<Item = Spi> {
        self.inbound.iter().map(|half| half.sa.spi())
    }
}

impl Datapath {
    /// Installs both halves of `sa`. The inbound half works at once; the outbound half from its confirmation on.
    pub(crate) fn insert_sa(&mut self, peer: PeerId, sa: SaPair) {
        make_room(&mut self.peers);
        let index = *self.by_peer.entry(peer).or_insert_with(|| {
            self.peers.insert(Peer {
                id: peer,
                path: sa.encapsulation.esp_path(sa.path),
                inbound: Vec::new(),
                outbound: Vec::new(),
                current: None,
                sessions: Vec::new(),
            })
        });
        let inbound = sa.inbound.spi();
        make_room(&mut self.inbound);
        let place = self.inbound.insert(Inbound { sa: sa.inbound, peer: index, confirmed: false });
        self.by_spi.insert(inbound, place);
        let (peer, mut sa) = (&mut self.peers[index], sa.outbound);
        // How its kernel cuts HMAC-SHA2-256 does not change with its keys, and we may have to speak first with the new ones.
        if let Some(latest) = peer.outbound.last() {
            sa.follow(latest.sa.suite());
        }
        // One, or two while they are renewed: room for four would be most of what a client costs.
        peer.inbound.reserve_exact(1);
        peer.inbound.push(place);
        peer.outbound.reserve_exact(1);
        peer.outbound.push(Outbound { sa, inbound });
    }

    /// The client proved that it has installed the pair of `inbound`: packets down go through it from now on.
    pub(crate) fn confirm(&mut self, inbound: Spi) {
        let Some(entry) = self.by_spi.get(&inbound).and_then(|place| self.inbound.get_mut(*place)) else {
            return;
        };
        entry.confirmed = true;
        let Some(peer) = self.peers.get_mut(entry.peer) else { return };
        let place = peer.outbound.iter().position(|outbound| outbound.inbound == inbound);
        // A late confirmation of an older pair must not take the newest away.
        peer.current = peer.current.max(place);
    }

    /// Forgets the pair of `inbound`; packets down fall back to the newest other confirmed pair.
    pub(crate) fn remove_sa(&mut self, inbound: Spi) {
        self.elsewhere.spis.remove(&inbound);
        let Some(place) = self.by_spi.remove(&inbound) else { return };
        let Inbound { peer, .. } = self.inbound.remove(place);
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.inbound.retain(|known| *known != place);
        }
        self.remove_outbound(peer, inbound);
    }

    /// The client takes no more packets through the pair of `inbound`; those under way from it are still taken.
    pub(crate) fn retire_sa(&mut self, inbound: Spi) {
        let entry = self.by_spi.get(&inbound).and_then(|place| self.inbound.get(*place));
        if let Some(peer) = entry.map(|entry| entry.peer) {
            self.remove_outbound(peer, inbound);
        }
    }

    fn remove_outbound(&mut self, peer: usize, inbound: Spi) {
        let Some(peer) = self.peers.get_mut(peer) else { return };
        peer.outbound.retain(|outbound| outbound.inbound != inbound);
        let confirmed = |outbound: &Outbound| {
            self.by_spi
                .get(&outbound.inbound)
                .and_then(|place| self.inbound.get(*place))
                .is_some_and(|entry| entry.confirmed)
        };
        peer.current = peer.outbound.iter().rposition(confirmed);
    }

    /// Gives up a client without sessions, keys and all.
    pub(super) fn release(&mut self, newer: PeerId) -> Option<Departed> {
        let place = self.by_peer.remove(&newer)?;
        let Peer { inbound, outbound, current, sessions, .. } = self.peers.remove(place);
        debug_assert!(sessions.is_empty(), "a client with sessions stays who it is");
        let inbound = inbound.into_iter().map(|place| self.inbound.remove(place)).collect();
        let departed = Departed { inbound, outbound, current };
        for spi in departed.spis() {
            self.by_spi.remove(&spi);
        }
        Some(departed)
    }

    /// Takes the keys of a client that was `older` all the time.
    pub(super) fn adopt(&mut self, older: PeerId, departed: Departed) {
        let Some(&into) = self.by_peer.get(&older) else { return };
        for mut half in departed.inbound {
            half.peer = into;
            let spi = half.sa.spi();
            let place = self.inbound.insert(half);
            self.by_spi.insert(spi, place);
            self.peers[into].inbound.push(place);
        }
        let peer = &mut self.peers[into];
        peer.current = departed.current.map(|current| peer.outbound.len() + current).or(peer.current);
        peer.outbound.extend(departed.outbound);
    }

    /// Forgets a client whose sessions are closed, with every SA it still has.
    pub(crate) fn remove_peer(&mut self, peer: PeerId) {
        let Some(index) = self.by_peer.remove(&peer) else { return };
        let Peer { inbound, sessions, .. } = self.peers.remove(index);
        debug_assert!(sessions.is_empty(), "sessions are closed before their peer");
        for place in inbound {
            let Inbound { sa, .. } = self.inbound.remove(place);
            self.by_spi.remove(&sa.spi());
        }
    }

    /// Sends the client's packets along `path` from now on.
    pub(crate) fn set_path(&mut self, peer: PeerId, path: Path) {
        if let Some(entry) = self.by_peer.get(&peer).and_then(|index| self.peers.get_mut(*index)) {
            entry.path = path;
        }
    }
}
