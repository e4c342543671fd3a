//! One client that was taken for two: its NAT gave it another port in the very moment in which it renewed its first phase, so
//! that nothing but a pre-shared key, which others may have too, told whose renewal it was.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Responder, Timer};
use crate::path::PeerId;
use crate::peer::Peer;

impl Responder {
    /// Makes all that `newer` has a part of `older`, which moves to where `newer` is; nobody is called `newer` any more.
    ///
    /// For an owner that has proof of both being one client. Events that it has yet to take are about `older`.
    pub fn merge(&mut self, now: Instant, newer: PeerId, older: PeerId) {
        if newer == older || !self.peers.contains_key(&older) {
            return;
        }
        let Some(Peer { path, who, reached, isakmp, pairs, terms, .. }) = self.peers.remove(&newer) else {
            return;
        };
        self.timers.stop(Timer::Peer(newer));
        for event in &mut self.events {
            event.is_of(older, newer);
        }
        let key = (path.remote, who);
        if self.by_who.get(&key) == Some(&newer) {
            self.by_who.remove(&key);
        }
        for cookies in isakmp {
            let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { continue };
            sa.peer = older;
            sa.origin.phase1.rekey = true;
            let reserved = sa.quick.values().filter_map(|exchange| exchange.state.reserved());
            self.by_inbound.extend(reserved.map(|inbound| (inbound, older)));
            self.attach(now, older, path, (&key.1, reached), cookies);
        }
        if let Some(peer) = self.peers.get_mut(&older).filter(|_| terms.is_some()) {
            peer.terms = terms;
        }
        for pair in pairs {
            self.adopt_pair(now, older, pair);
        }
        self.move_peer(older, path);
    }

    /// Whether somebody at the same address says it is the same, and has ESP SAs.
    pub(super) fn may_be_a_renewal(&self, id: PeerId) -> bool {
        let Some(Peer { path, who, .. }) = self.peers.get(&id) else { return false };
        let address = path.remote.ip();
        let first = (SocketAddr::new(address, 0), who.clone());
        let neighbours = self.by_who.range(first..).take_while(|((remote, _), _)| remote.ip() == address);
        let mut namesakes = neighbours.filter(|((_, other), peer)| other == who && **peer != id);
        namesakes.any(|(_, peer)| self.peers.get(peer).is_some_and(|peer| !peer.pairs.is_empty()))
    }
}
