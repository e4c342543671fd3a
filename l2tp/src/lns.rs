//! `Lns`, the L2TP network server of RFC 2661: finds the tunnel that a control message is for, keeps the deadlines
//! of all tunnels together, and bounds what a peer may hold.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::num::NonZeroU16;
use std::time::Instant;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use timers::Timers;

use crate::channel::Io;
use crate::config::Config;
use crate::control::{ControlConnection, Standing};
use crate::discard::{Discard, Discards};
use crate::event::{Event, SessionKey, Transmit};
use crate::header::{ControlHeader, Incoming};
use crate::iana::{Attribute, MessageType, error, stop};
use crate::message::{self, Kind, ResultCode, Sccrq, StopCcn};
use crate::reason::{Disconnect, Reason};
use crate::small_map::SmallMap;

/// The server side of all tunnels.
///
/// After any `handle_…`, [`Lns::disconnect`] or [`Lns::remove_peer`], poll [`Lns::poll_transmit`] and
/// [`Lns::poll_event`] until they are empty, transmits first: a client must see its session acknowledged before PPP
/// speaks.
#[derive(Debug)]
pub struct Lns<P> {
    peers: HashMap<P, Peer>,
    timers: Timers<(P, NonZeroU16)>,
    shared: Shared<P>,
}

/// What every tunnel uses.
#[derive(Debug)]
struct Shared<P> {
    config: Config,
    rng: ChaCha20Rng,
    transmits: VecDeque<Transmit<P>>,
    events: VecDeque<Event<P>>,
    discards: Discards,
}

#[derive(Debug)]
struct Peer {
    heard: Instant,
    tunnels: SmallMap<NonZeroU16, ControlConnection>,
}

impl<P: Copy> Shared<P> {
    fn io(&mut self, now: Instant, peer: P, heard: Instant) -> Io<'_, P> {
        let Self { config, rng, transmits, events, discards } = self;
        Io { now, peer, heard, config, rng, transmits, events, discards }
    }
}

impl Peer {
    /// Finds a tunnel by the id that the peer has assigned.
    fn find(&self, peer_tunnel_id: NonZeroU16) -> Option<(NonZeroU16, &ControlConnection)> {
        let mut tunnels = self.tunnels.iter();
        tunnels.find(|(_, tunnel)| tunnel.peer_tunnel_id() == peer_tunnel_id)
    }
}

impl<P: Copy + Eq + Hash> Lns<P> {
    /// Makes a server without tunnels. The seed has to be secret: tunnel ids and challenges come from it.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let shared = Shared {
            config,
            rng: ChaCha20Rng::from_seed(seed),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            discards: Discards::default(),
        };
        Self { peers: HashMap::new(), timers: Timers::new(), shared }
    }

    /// A control message came from `peer`.
    pub fn handle_datagram(&mut self, now: Instant, peer: P, datagram: &[u8]) {
        let incoming = match Incoming::parse(datagram) {
            Ok(incoming) => incoming,
            Err(malformed) => return self.discard(Discard::Malformed(malformed)),
        };
        match NonZeroU16::new(incoming.header.tunnel_id) {
            Some(id) if self.has_tunnel(peer, id) => self.deliver(now, peer, id, &incoming),
            Some(_) => self.discard(Discard::UnknownTunnel),
            None => self.handle_unaddressed(now, peer, &incoming),
        }
    }

    /// The owner ends a session: CDN, and StopCCN if it was the tunnel's last one. The events follow as always.
    pub fn disconnect(&mut self, now: Instant, peer: P, session: SessionKey, why: Disconnect) {
        if let Some(id) = NonZeroU16::new(session.tunnel_id).filter(|id| self.has_tunnel(peer, *id)) {
            self.with_tunnel(now, peer, id, |tunnel, io| tunnel.disconnect(io, session.session_id, why));
        }
    }

    /// The IPsec connection below is gone: everything of this peer is forgotten without a word to it.
    pub fn remove_peer(&mut self, now: Instant, peer: P) {
        let ids: Vec<NonZeroU16> = match self.peers.get(&peer) {
            Some(state) => state.tunnels.iter().map(|(id, _)| id).collect(),
            None => return,
        };
        for id in ids {
            self.with_tunnel(now, peer, id, |tunnel, io| tunnel.forget(io, &Reason::PeerGone));
        }
    }

    /// Whether `peer` has any tunnel, be it only half open or being closed.
    pub fn knows(&self, peer: P) -> bool {
        self.peers.contains_key(&peer)
    }

    /// Authenticated data came from `peer`, so that it is alive. Cheap enough for every batch.
    pub fn note_inbound(&mut self, now: Instant, peer: P) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.heard = now;
        }
    }

    /// Time passed; safe early and twice.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((peer, id)) = self.timers.pop_due(now) {
            self.with_tunnel(now, peer, id, ControlConnection::handle_timeout);
        }
    }

    /// When [`Self::handle_timeout`] is next needed.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The next control message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit<P>> {
        self.shared.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event<P>> {
        self.shared.events.pop_front()
    }

    /// What was dropped, and how often.
    pub fn discards(&self) -> &Discards {
        &self.shared.discards
    }

    /// Tunnel id 0: an SCCRQ, or a StopCCN from a client that has not learnt our tunnel id (RFC 2661 §5.7).
    fn handle_unaddressed(&mut self, now: Instant, peer: P, incoming: &Incoming<'_>) {
        let secret = self.shared.config.secret.as_ref();
        let assigned = message::assigned_id(incoming.avps, Attribute::ASSIGNED_TUNNEL_ID, secret);
        let (Ok(kind), Some(assigned)) = (Kind::parse(incoming.avps), assigned) else {
            return self.discard(Discard::Unaddressed);
        };
        let known = self.peers.get(&peer).and_then(|state| state.find(assigned));
        match (kind.message_type, known) {
            (MessageType::SCCRQ, None) => self.handle_sccrq(now, peer, incoming, kind, assigned),
            (MessageType::SCCRQ, Some((id, tunnel))) => {
                if tunnel.is_repeated_by_sccrq(now, &self.shared.config) {
                    return self.deliver(now, peer, id, incoming);
                }
                self.with_tunnel(now, peer, id, |tunnel, io| tunnel.forget(io, &Reason::Replaced));
                self.handle_sccrq(now, peer, incoming, kind, assigned);
            }
            (MessageType::STOP_CCN, Some((id, _))) => self.deliver(now, peer, id, incoming),
            // Old Windows clients put our id there instead of theirs.
            (MessageType::STOP_CCN, None) if self.has_tunnel(peer, assigned) => {
                self.deliver(now, peer, assigned, incoming);
            }
            _ => self.discard(Discard::Unaddressed),
        }
    }

    fn handle_sccrq(
        &mut self,
        now: Instant,
        peer: P,
        incoming: &Incoming<'_>,
        kind: Kind<'_>,
        assigned: NonZeroU16,
    ) {
        // RFC 2661 §5.8: the sequence of a control connection begins with 0.
        if incoming.header.ns != 0 {
            return self.discard(Discard::OutOfWindow);
        }
        let refusal = match Sccrq::parse(kind, self.shared.config.secret.as_ref()) {
            Err(fault) => {
                Refusal { result: fault.stop_ccn(), host_name: String::new(), reason: Reason::Fault(fault) }
            }
            // RFC 2661 §5.1.1: without a secret there is no answer that the client could accept. It is told at once
            // instead of being sent an SCCRP without one, on which Android gives up without saying why.
            Ok(sccrq) if sccrq.challenge.is_some() && self.shared.config.secret.is_none() => Refusal {
                result: ResultCode::plain(stop::NOT_AUTHORIZED),
                host_name: sccrq.host_name,
                reason: Reason::NoSecret,
            },
            Ok(sccrq) if !self.make_room(now, peer) => {
                let result = ResultCode {
                    result: stop::GENERAL_ERROR,
                    error: error::NO_RESOURCES,
                    message: String::new(),
                };
                Refusal { result, host_name: sccrq.host_name, reason: Reason::TooMany }
            }
            Ok(sccrq) => return self.open(now, peer, incoming, sccrq),
        };
        self.refuse(now, peer, assigned, refusal);
    }

    fn open(&mut self, now: Instant, peer: P, incoming: &Incoming<'_>, sccrq: Sccrq) {
        let mut io = self.shared.io(now, peer, now);
        let state = self.peers.entry(peer).or_insert_with(|| Peer { heard: now, tunnels: SmallMap::new() });
        let id = io.random_id(|id| state.tunnels.contains_key(id));
        let tunnel = ControlConnection::open(&mut io, id, incoming, sccrq);
        state.tunnels.insert(id, tunnel);
        self.with_tunnel(now, peer, id, ControlConnection::flush);
    }

    /// Answers an SCCRQ that never becomes a tunnel. No state is kept: if the StopCCN is lost, the client repeats its
    /// SCCRQ and gets another (RFC 2661 §5.7 would have us repeat it).
    fn refuse(&mut self, now: Instant, peer: P, assigned: NonZeroU16, refusal: Refusal) {
        let Refusal { result, host_name, reason } = refusal;
        let mut io = self.shared.io(now, peer, now);
        let stop_ccn = StopCcn { assigned_tunnel_id: io.random_id(|_| false), result };
        let header = ControlHeader { tunnel_id: assigned.get(), session_id: 0, ns: 0, nr: 1 };
        io.transmits.push_back(Transmit { peer, payload: header.write(&stop_ccn.avps()) });
        io.events.push_back(Event::TunnelFailed { peer, host_name, reason });
    }

    /// Sees to it that `peer` may have one tunnel more; the one that is least alive goes, but none that is open.
    fn make_room(&mut self, now: Instant, peer: P) -> bool {
        let Some(state) = self.peers.get(&peer) else { return true };
        if state.tunnels.len() < self.shared.config.max_tunnels {
            return true;
        }
        let standings = state.tunnels.iter().map(|(id, tunnel)| (tunnel.standing(), id));
        match standings.min() {
            Some(((Standing::Ended | Standing::HalfOpen, _), id)) => {
                self.with_tunnel(now, peer, id, |tunnel, io| tunnel.forget(io, &Reason::TooMany));
                true
            }
            _ => false,
        }
    }

    fn has_tunnel(&self, peer: P, id: NonZeroU16) -> bool {
        self.peers.get(&peer).is_some_and(|state| state.tunnels.contains_key(id))
    }

    fn deliver(&mut self, now: Instant, peer: P, id: NonZeroU16, incoming: &Incoming<'_>) {
        self.with_tunnel(now, peer, id, |tunnel, io| tunnel.handle(io, incoming));
    }

    fn discard(&mut self, discard: Discard) {
        self.shared.discards.add(discard);
    }

    /// The one way to a tunnel that may change it: afterwards its deadline is where it belongs, and if it is over it
    /// is gone.
    fn with_tunnel(
        &mut self,
        now: Instant,
        peer: P,
        id: NonZeroU16,
        change: impl FnOnce(&mut ControlConnection, &mut Io<'_, P>),
    ) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let Some(tunnel) = state.tunnels.get_mut(id) else { return };
        change(tunnel, &mut self.shared.io(now, peer, state.heard));
        let over = tunnel.is_over();
        match tunnel.poll_timeout() {
            Some(at) if !over => self.timers.set((peer, id), at),
            _ => self.timers.stop((peer, id)),
        }
        if over {
            state.tunnels.remove(id);
            if state.tunnels.is_empty() {
                self.peers.remove(&peer);
            }
        }
    }
}

struct Refusal {
    result: ResultCode,
    host_name: String,
    reason: Reason,
}
