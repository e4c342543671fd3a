//! One client that was taken for two: its NAT gave it another port in the very moment in which it renewed its first phase, so
//! that nothing but a pre-shared key, which others may have too, told whose renewal it was.

use std::sync::Arc;
use std::time::Instant;

use super::{Responder, Timer};
use crate::path::PeerId;
use crate::peer::{Peer, seat};

impl Responder {
    /// Makes all that `newer` has a part of `older`, which moves to where `newer` is; nobody is called `newer` any more.
    ///
    /// For an owner that has proof of both being one client. Events that it has yet to take are about `older`.
    pub fn merge(&mut self, now: Instant, newer: PeerId, older: PeerId) {
        if newer == older || !self.peers.contains_key(&older) {
            return;
        }
        let Some(peer) = self.peers.remove(&newer) else { return };
        let Peer { path, who, reached, isakmp, pairs, terms, .. } = *peer;
        self.timers.stop(Timer::Peer(newer));
        for event in &mut self.events {
            event.is_of(older, newer);
        }
        self.vacate(newer, path, &who);
        for cookies in isakmp {
            let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { continue };
            sa.peer = older;
            Arc::make_mut(&mut sa.origin.phase1).rekey = true;
            let reserved = sa.quick.values().filter_map(|exchange| exchange.state.reserved());
            self.by_inbound.extend(reserved.map(|inbound| (inbound, older)));
            self.attach(now, older, path, (&who, reached), cookies);
        }
        if let Some(peer) = self.peers.get_mut(&older).filter(|_| terms.is_some()) {
            peer.terms = terms;
        }
        for pair in pairs {
            self.adopt_pair(now, older, pair);
        }
        self.move_peer(older, path);
    }

    /// Who else is at that client's address, says it is the same and has proved it with the same: itself before its NAT gave it
    /// another port, or one who is like it.
    pub fn namesakes(&self, id: PeerId) -> impl Iterator<Item = PeerId> + '_ {
        let ports = self.peers.get(&id).map(|peer| {
            let (address, who, _) = seat(peer.path, &peer.who);
            (address, who.clone(), u16::MIN)..=(address, who, u16::MAX)
        });
        let all = ports.into_iter().flat_map(|ports| self.by_who.range(ports));
        all.map(|(_, peer)| *peer).filter(move |peer| *peer != id)
    }

    /// Whether somebody at the same address says it is the same, and has ESP SAs.
    pub(super) fn may_be_a_renewal(&self, id: PeerId) -> bool {
        self.namesakes(id).any(|peer| self.peers.get(&peer).is_some_and(|peer| !peer.pairs.is_empty()))
    }
}
