//! What belongs to which client, and when it ends.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand_core::Rng;

use super::{Responder, Timer};
use crate::esp::Spi;
use crate::event::{CloseReason, Event, SaReason};
use crate::isakmp::iana::{NotifyType, ProtocolId};
use crate::isakmp::{Chain, Cookies};
use crate::path::{Path, PeerId};
use crate::peer::{MAX_ISAKMP_SAS, Pair, Peer, Who, seat};

impl Responder {
    /// The first authenticated ESP packet arrived on this SA: its quick mode's last message is not needed any more.
    pub fn confirm(&mut self, now: Instant, inbound: Spi) {
        let Some(&peer) = self.by_inbound.get(&inbound) else { return };
        let Some(pair) = self.pair_mut(peer, inbound) else { return };
        if pair.confirmed {
            return;
        }
        pair.confirmed = true;
        let (cookies, message_id) = pair.exchange;
        self.finish_quick(now, cookies, message_id);
        self.events.push_back(Event::SaConfirmed { peer, inbound });
    }

    /// Authenticated ESP came by a new path: a NAT has given the client another address or port.
    pub fn handle_path_change(&mut self, _now: Instant, peer: PeerId, path: Path) {
        self.move_peer(peer, path);
    }

    /// Native ESP gets lost on the way from there or back: who connects from there again is made to use UDP, if it can.
    pub fn native_is_lost(&mut self, remote: IpAddr) {
        self.no_native.insert(remote);
    }

    /// Asks a client whether it is still there, RFC 3706 §5.3; false if it has not announced that it answers, or has no ISAKMP SA
    /// left to be asked with. An answer comes as [`Event::Alive`]. None says nothing: Android forgets its ISAKMP SA long before
    /// its ESP SAs.
    pub fn probe(&mut self, peer: PeerId) -> bool {
        let Some(Peer { path, isakmp, .. }) = self.peers.get(&peer).map(|peer| &**peer) else { return false };
        let path = *path;
        let asked =
            |cookies: &&Cookies| self.isakmp_sas.get(cookies).is_some_and(|sa| sa.origin.dpd && !sa.deleted);
        let Some(&cookies) = isakmp.iter().rev().find(asked) else { return false };
        let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { return false };
        sa.probe = sa.probe.wrapping_add(1);
        sa.asked = true;
        let mut chain = Chain::default();
        let sequence = sa.probe.to_be_bytes();
        chain.push_notify(ProtocolId::ISAKMP, NotifyType::R_U_THERE, &cookies.to_bytes(), &sequence);
        self.inform(path, cookies, chain);
        true
    }

    /// Says goodbye to a client: Deletes for its ESP SAs and ISAKMP SAs.
    pub fn close_peer(&mut self, now: Instant, peer: PeerId) {
        self.drop_peer(now, peer, CloseReason::Local);
    }

    /// Gives a fresh ISAKMP SA to its peer, which is new unless it lives already.
    pub(super) fn attach(
        &mut self,
        now: Instant,
        id: PeerId,
        path: Path,
        (who, reached): (&Arc<Who>, IpAddr),
        cookies: Cookies,
    ) {
        let peer = self.peers.entry(id).or_insert_with(|| Box::new(Peer::new(path, who.clone(), reached)));
        peer.reached = reached;
        peer.isakmp.reserve_exact(1);
        peer.isakmp.push_back(cookies);
        let idle = peer.pairs.is_empty();
        let surplus = if peer.isakmp.len() > MAX_ISAKMP_SAS { peer.isakmp.pop_front() } else { None };
        if idle {
            let wait = if self.may_be_a_renewal(id) { UNPROVED } else { IDLE };
            self.timers.set(Timer::Peer(id), now + wait);
        }
        if let Some(cookies) = surplus {
            self.remove_isakmp_sa(cookies);
        }
        self.move_peer(id, path);
    }

    /// Follows a peer to where its last authenticated packet came from.
    pub(super) fn move_peer(&mut self, id: PeerId, path: Path) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let who = peer.who.clone();
        let before = std::mem::replace(&mut peer.path, path);
        if before != path {
            self.events.push_back(Event::Moved { peer: id, path });
            self.vacate(id, before, &who);
        }
        let other = self.by_who.insert(seat(path, &who), id);
        let Some(other) = other.filter(|other| *other != id) else { return };
        // An authentic packet with a made-up source proves no more than that its sender knows a key.
        if self.peers.get(&id.max(other)).is_some_and(|newer| newer.reached == path.remote.ip()) {
            self.events.push_back(Event::Met { peer: id, other });
        }
    }

    /// Adds a new pair of ESP SAs; the peer's surplus one goes.
    pub(super) fn add_pair(&mut self, now: Instant, id: PeerId, pair: Pair, lifetime: Duration) {
        // Its client's clock may be ahead of ours, and its new keys are to be there before the old ones end.
        let ahead = (lifetime / 50).min(RENEWAL);
        self.timers.set(Timer::Renewal(pair.inbound), now + lifetime - ahead);
        self.timers.set(Timer::EspSa(pair.inbound), now + lifetime + ESP_GRACE);
        self.adopt_pair(now, id, pair);
    }

    /// Gives a pair of ESP SAs to a peer, whose surplus one goes.
    pub(super) fn adopt_pair(&mut self, now: Instant, id: PeerId, pair: Pair) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let surplus = peer.surplus();
        peer.pairs.reserve_exact(1);
        peer.pairs.push_back(pair);
        peer.opened = true;
        self.by_inbound.insert(pair.inbound, id);
        self.timers.stop(Timer::Peer(id));
        if let Some(inbound) = surplus {
            self.delete_pair(now, id, inbound, SaReason::Superseded);
        }
    }

    /// Removes a pair of ESP SAs and tells the client, if an ISAKMP SA is left to tell it with.
    pub(super) fn delete_pair(&mut self, now: Instant, id: PeerId, inbound: Spi, reason: SaReason) {
        match self.pair_mut(id, inbound) {
            Some(Pair { retired: true, .. }) => self.remove_pair(now, id, inbound, SaReason::Deleted),
            _ => {
                self.send_delete(id, inbound);
                self.remove_pair(now, id, inbound, reason);
            }
        }
    }

    /// The client deleted a pair of ESP SAs. While it has others, what it sent through this one may still be under way, behind
    /// the Delete; without others it is hanging up.
    pub(super) fn retire_pair(&mut self, now: Instant, id: PeerId, inbound: Spi) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let has_others = peer.pairs.iter().any(|pair| !pair.retired && pair.inbound != inbound);
        if !has_others {
            let all: Vec<Spi> = peer.pairs.iter().map(|pair| pair.inbound).collect();
            return all.into_iter().for_each(|inbound| self.remove_pair(now, id, inbound, SaReason::Deleted));
        }
        let Some(pair) = self.pair_mut(id, inbound).filter(|pair| !pair.retired) else { return };
        pair.retired = true;
        self.timers.stop(Timer::Renewal(inbound));
        self.timers.set(Timer::EspSa(inbound), now + RETIRED);
        self.events.push_back(Event::SaRetired { peer: id, inbound });
    }

    /// Removes a pair of ESP SAs.
    pub(super) fn remove_pair(&mut self, now: Instant, id: PeerId, inbound: Spi, reason: SaReason) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(pair) = peer.remove(inbound) else { return };
        match reason {
            SaReason::Deleted => peer.epitaph = CloseReason::Deleted,
            _ if pair.confirmed => peer.epitaph = CloseReason::Expired,
            _ => {}
        }
        let idle = peer.pairs.is_empty();
        self.by_inbound.remove(&inbound);
        self.timers.stop(Timer::Renewal(inbound));
        self.timers.stop(Timer::EspSa(inbound));
        self.events.push_back(Event::SaClosed { peer: id, inbound, reason });
        if idle {
            // A client that deleted its last pair is hanging up, or about to make a new one.
            let wait = if reason == SaReason::Deleted { HANGING_UP } else { IDLE };
            self.timers.set(Timer::Peer(id), now + wait);
        }
    }

    pub(super) fn esp_sa_expired(&mut self, now: Instant, inbound: Spi) {
        if let Some(&peer) = self.by_inbound.get(&inbound) {
            self.delete_pair(now, peer, inbound, SaReason::Expired);
        }
    }

    pub(super) fn idle_peer_expired(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        self.drop_peer(now, id, peer.epitaph);
    }

    /// Ends a peer and all it has.
    pub(super) fn drop_peer(&mut self, now: Instant, id: PeerId, reason: CloseReason) {
        let Some(peer) = self.peers.get(&id) else { return };
        let pairs: Vec<Pair> = peer.pairs.iter().copied().collect();
        let isakmp: Vec<Cookies> = peer.isakmp.iter().copied().collect();
        // A client that said INITIAL-CONTACT has forgotten all of it.
        let farewell = reason != CloseReason::Replaced;
        for Pair { inbound, retired, .. } in pairs {
            if farewell && !retired {
                self.send_delete(id, inbound);
            }
            self.remove_pair(now, id, inbound, SaReason::PeerClosed);
        }
        for cookies in isakmp {
            if farewell {
                self.send_isakmp_delete(id, cookies);
            }
            self.remove_isakmp_sa(cookies);
        }
        self.timers.stop(Timer::Peer(id));
        let Some(peer) = self.peers.remove(&id) else { return };
        self.vacate(id, peer.path, &peer.who);
        self.events.push_back(Event::PeerClosed { peer: id, reason });
    }

    /// The client deleted an ISAKMP SA. It lingers, for a Delete of ESP SAs that it overtook; a peer with nothing left is gone.
    pub(super) fn isakmp_sa_deleted(&mut self, now: Instant, cookies: Cookies) {
        let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { return };
        sa.deleted = true;
        let id = sa.peer;
        self.timers.set(Timer::IsakmpSa(cookies), now + HANGING_UP);
        self.close_if_empty(now, id);
    }

    /// A peer that has deleted all it had is gone at once.
    pub(super) fn close_if_empty(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        let is_deleted = |cookies| self.isakmp_sas.get(cookies).is_none_or(|sa| sa.deleted);
        if peer.pairs.is_empty() && peer.isakmp.iter().all(is_deleted) {
            self.drop_peer(now, id, CloseReason::Deleted);
        }
    }

    /// An ISAKMP SA's lifetime is over: it is forgotten silently, as Android does, and takes nothing down.
    pub(super) fn forget_isakmp_sa(&mut self, _now: Instant, cookies: Cookies) {
        if let Some(sa) = self.isakmp_sas.get(&cookies)
            && let Some(peer) = self.peers.get_mut(&sa.peer)
        {
            peer.isakmp.retain(|other| *other != cookies);
        }
        self.remove_isakmp_sa(cookies);
    }

    /// The client says that it has no other SAs with us, RFC 2407 §4.6.3.3. Peers of other addresses, ports or identities may
    /// be other clients behind the same NAT, so they stay.
    pub(super) fn initial_contact(&mut self, now: Instant, cookies: Cookies) {
        let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { return };
        if std::mem::replace(&mut sa.contacted, true) {
            return;
        }
        if sa.peer == sa.origin.attempt {
            let peer = sa.peer;
            return self.events.push_back(Event::InitialContact { peer });
        }
        // It was taken for a live peer's renewal. It is a client that came back.
        let (old, attempt) = (sa.peer, sa.origin.attempt);
        let Some(peer) = self.peers.get_mut(&old) else { return };
        if peer.pairs.iter().any(|pair| pair.exchange.0 == cookies) {
            let stale: Vec<Spi> = peer
                .pairs
                .iter()
                .filter(|pair| pair.exchange.0 != cookies)
                .map(|pair| pair.inbound)
                .collect();
            for inbound in stale {
                self.remove_pair(now, old, inbound, SaReason::Superseded);
            }
            return;
        }
        peer.isakmp.retain(|other| *other != cookies);
        let (path, who, reached) = (peer.path, peer.who.clone(), peer.reached);
        self.drop_peer(now, old, CloseReason::Replaced);
        self.attach(now, attempt, path, (&who, reached), cookies);
        let Some(sa) = self.isakmp_sas.get_mut(&cookies) else { return };
        sa.peer = attempt;
        Arc::make_mut(&mut sa.origin.phase1).rekey = false;
        let phase1 = sa.origin.phase1.clone();
        self.events.push_back(Event::Established { attempt, peer: attempt, path, phase1 });
        self.events.push_back(Event::InitialContact { peer: attempt });
    }

    /// An SPI that no SA of ours has: random, so that nobody guesses it, not one of the reserved (RFC 4303 §2.1), and of the
    /// peer's shard.
    pub(super) fn new_spi(&mut self, peer: PeerId) -> Spi {
        let shards = self.config.shards.get();
        let shard = u32::try_from(peer.0 % u64::from(shards)).expect("a remainder is below its divisor");
        loop {
            let random = self.rng.next_u32();
            let Some(spi) = (random - random % shards).checked_add(shard).map(Spi) else { continue };
            if spi.0 >= 256 && !self.by_inbound.contains_key(&spi) {
                return spi;
            }
        }
    }

    /// Sends a message of the Informational exchange to a peer under one of its ISAKMP SAs.
    pub(super) fn inform(&mut self, path: Path, cookies: Cookies, chain: Chain) {
        let message_id = self.message_id();
        if let Some(sa) = self.isakmp_sas.get(&cookies) {
            let message = sa.informational(message_id, chain);
            self.transmit(path, message);
        }
    }

    /// The newest ISAKMP SA of a peer that can still be used.
    pub(super) fn alive_isakmp_sa(&self, id: PeerId) -> Option<Cookies> {
        let alive = |cookies: &&Cookies| self.isakmp_sas.get(cookies).is_some_and(|sa| !sa.deleted);
        self.peers.get(&id)?.isakmp.iter().rev().find(alive).copied()
    }

    fn send_delete(&mut self, id: PeerId, inbound: Spi) {
        let Some(cookies) = self.alive_isakmp_sa(id) else { return };
        let Some(path) = self.peers.get(&id).map(|peer| peer.path) else { return };
        let mut chain = Chain::default();
        chain.push_delete(ProtocolId::ESP, &inbound.0.to_be_bytes());
        self.inform(path, cookies, chain);
    }

    fn send_isakmp_delete(&mut self, id: PeerId, cookies: Cookies) {
        let Some(peer) = self.peers.get(&id) else { return };
        if self.isakmp_sas.get(&cookies).is_none_or(|sa| sa.deleted) {
            return;
        }
        let path = peer.path;
        let mut chain = Chain::default();
        chain.push_delete(ProtocolId::ISAKMP, &cookies.to_bytes());
        self.inform(path, cookies, chain);
    }

    fn remove_isakmp_sa(&mut self, cookies: Cookies) {
        self.timers.stop(Timer::IsakmpSa(cookies));
        let Some(sa) = self.isakmp_sas.remove(&cookies) else { return };
        for (message_id, exchange) in &sa.quick {
            self.timers.stop(Timer::Quick(cookies, *message_id));
            self.timers.stop(Timer::ResendQuick(cookies, *message_id));
            if let Some(inbound) = exchange.state.reserved() {
                self.by_inbound.remove(&inbound);
            }
        }
    }

    /// A peer is not to be found there any more, unless it is somebody else's place by now.
    pub(super) fn vacate(&mut self, id: PeerId, path: Path, who: &Arc<Who>) {
        let seat = seat(path, who);
        if self.by_who.get(&seat) == Some(&id) {
            self.by_who.remove(&seat);
        }
    }

    fn pair_mut(&mut self, peer: PeerId, inbound: Spi) -> Option<&mut Pair> {
        self.peers.get_mut(&peer)?.pairs.iter_mut().find(|pair| pair.inbound == inbound)
    }
}

/// How long a peer may be without ESP SAs: Android starts its quick mode a second after phase 1, under loss some later.
const IDLE: Duration = Duration::from_secs(30);

/// The same for one that may be a renewal of another one: without its ISAKMP SA its client would have nothing to make new ESP
/// SAs with. By then the other has been heard at the same place, or is dead.
const UNPROVED: Duration = Duration::from_secs(600);

/// The same once the client has deleted the last one; Windows deletes one before it makes the next.
const HANGING_UP: Duration = Duration::from_secs(5);

/// How long before the end of ESP SAs it is time to ask for new ones: whoever renews them by itself does it earlier, strongSwan nine
/// minutes before, racoon after four fifths of the time. If one does not, its quick mode and ours cross, which does no harm.
const RENEWAL: Duration = Duration::from_secs(10);

/// How long a packet may take that was sent before the Delete of its SA.
const RETIRED: Duration = Duration::from_secs(5);

/// How long we keep ESP SAs behind their lifetime: the client's clock started after ours.
const ESP_GRACE: Duration = Duration::from_secs(30);
